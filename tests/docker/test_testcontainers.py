"""The integration tests on a Kafka that testcontainers starts, by the container class of `sentiment_testing`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from sentiment_testing.kafka import ADDRESS_VARIABLE
from tests.docker.engine import ROOT
from tests.docker.images import KAFKA

if TYPE_CHECKING:
    import pytest

    from tests.docker.engine import Engine

INTEGRATION: Final = ROOT / "tests/integration"
APART: Final = ("observe", "upgrade")
"""Their tests have make targets of their own, with what they need."""
TIMEOUT_S: Final = 2_700.0


def test_integration_tests_pass_on_a_container(images: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an engine, when all integration tests look for a Kafka, then they start the image and pass on it."""
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    which = ("-m", "kafka", *(f"--ignore={INTEGRATION / name}" for name in APART))
    how = ("-q", "-p", "no:cacheprovider", "--numprocesses", "2", "--dist", "loadfile")
    said = images.run(
        *(sys.executable, "-m", "pytest", *how, *which, str(INTEGRATION)), timeout_s=TIMEOUT_S, CI="true"
    )
    assert f"kafka: {KAFKA}, container, " in said, said[-2_000:]
    assert " skipped" not in said, said[-2_000:]

"""Integration tests on a Kafka that testcontainers starts, by the container class of `sentiment_testing`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from sentiment_testing.kafka import ADDRESS_VARIABLE
from tests.docker.engine import ROOT
from tests.docker.images import KAFKA

if TYPE_CHECKING:
    import pytest

    from tests.docker.engine import Engine

FILES: Final = ("test_broker.py", "test_stream.py", "test_testing_package.py")
TIMEOUT_S: Final = 900.0


def test_integration_tests_pass_on_a_container(images: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an engine, when integration tests look for a Kafka, then they start the image and pass on it."""
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    files = [str(ROOT / "tests/integration" / name) for name in FILES]
    pytest_command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    said = images.run(*pytest_command, *files, timeout_s=TIMEOUT_S, CI="true")
    assert f"kafka: {KAFKA}, container, " in said, said[-2_000:]
    assert " skipped" not in said

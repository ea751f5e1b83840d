"""The cluster of the chaos tests."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sentiment_testing.kafka import UnavailableError
from tests.chaos.brokers.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.hookimpl(tryfirst=True)  # runs before -m selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that uses the cluster as `chaos`."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.chaos)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes; if Java or its jars are missing the test is skipped, or fails under CI=true."""
    with ExitStack() as stack:
        found, why = None, ""
        try:
            found = stack.enter_context(Cluster(tmp_path_factory.mktemp("cluster")))
        except UnavailableError as reason:
            why = f"no cluster: {reason}"
        if found is None:
            if os.environ.get("CI", "").lower() in {"true", "1"}:
                pytest.fail(why, pytrace=False)
            pytest.skip(why)
        yield found

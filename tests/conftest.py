"""Fixtures for all tests: a real Kafka for the whole run, and separate topics on it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import structlog
from confluent_kafka.admin import AdminClient
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from sentiment_testing.kafka import REAL, Broker, MakeTopic, NoBrokerError, start_kafka
from sentiment_testing.plugin import report_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ORDER = ("unit", "chaos", "integration", "contract", "browser", "docker")
"""Folders of tests as they run."""

# A deadline for one example says how busy the machine is: next to a training some took 0.3 s instead of 1 ms.
settings.register_profile("no deadline", settings.default, deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Engine probes are remembered for this run only, also by the processes that it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def uncached_logs() -> Iterator[None]:
    """A test that configures the logs, as each command does, does not decide where the next one's lines go.

    In service a logger keeps its configuration once it is used, and `structlog.testing.capture_logs` sees nothing.
    """
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            structlog, "configure", lambda **given: configure(**given | {"cache_logger_on_first_use": False})
        )
        yield


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    """Each test begins with structlog as it is imported."""
    yield
    structlog.reset_defaults()


@pytest.hookimpl(tryfirst=True)  # runs before -m selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that uses a broker, directly or through another fixture, as `kafka`.

    Sorts them: the quick ones first, then folders whose files take longest, so that the workers end together.
    """
    for item in items:
        if {"kafka", "secure_broker"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
    items.sort(key=lambda item: ORDER.index(item.nodeid.split("/")[1]))


class _OneCluster(LoadFileScheduling):  # type: ignore[misc]
    """Runs a file in one worker, and all of the chaos suite: its three nodes are enough for all of it.

    Not by `--dist loadgroup`: xdist 3.8 appends the group to `Item._nodeid`, which pytest 9.2 does not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "chaos" if nodeid.startswith("tests/chaos/") else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Distributes the tests over the workers in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return _OneCluster(config, log)


def skip_or_fail(why: str) -> NoReturn:
    """Ends a test that cannot run here: skipped on a developer's machine, failed under CI=true."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A real broker; if none is available the test is skipped, or fails under CI=true."""
    with ExitStack() as stack:
        found, why = None, ""
        try:
            found = stack.enter_context(start_kafka(REAL))
        except NoBrokerError as reason:
            why = str(reason)
        if found is None:
            skip_or_fail(why)
        report_kafka(pytestconfig, found.description)
        yield found


@pytest.fixture(scope="session")
def kafka_admin(kafka: Broker) -> Iterator[AdminClient]:
    """An admin client on the broker."""
    with AdminClient({"bootstrap.servers": kafka.bootstrap_servers}) as client:
        yield client


@pytest.fixture(scope="session")
def topic(kafka: Broker) -> Iterator[MakeTopic]:
    """Creates topics that no other test uses; see MakeTopic."""
    make = MakeTopic(kafka)
    yield make
    make.close()

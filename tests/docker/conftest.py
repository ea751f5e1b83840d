"""The engine, the images and the model of these tests; without an engine they are skipped, or fail."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sentiment_testing.model import make_model
from sentiment_testing.plugin import report_kafka
from tests.docker.engine import Engine, NoEngineError, running_engine
from tests.docker.images import build_all

if TYPE_CHECKING:
    from collections.abc import Iterator


HERE: Final = Path(__file__).parent
TIMEOUT_S: Final = 3_600.0
"""Of a test with the first build, which fetches gigabytes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each test here time for the builds; docker-py leaves sockets unclosed, and that fails no test."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning"))


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Iterator[Engine]:
    """Docker, or podman; without one a test is skipped, or fails under REQUIRE_DOCKER=1."""
    with ExitStack() as stack:
        found, why = None, ""
        try:
            found = stack.enter_context(running_engine())
        except NoEngineError as reason:
            why = str(reason)
        if found is None:
            if os.environ.get("REQUIRE_DOCKER") == "1":
                pytest.fail(why, pytrace=False)
            pytest.skip(why)
        report_kafka(pytestconfig, f"in containers of {found.description}")
        yield found


@pytest.fixture(scope="session")
def images(engine: Engine) -> Engine:
    """The engine, once it has the images."""
    build_all(engine)
    return engine


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, which the user of the containers may read; the one in it counts words."""
    folder = tmp_path_factory.mktemp("models")
    for path in (folder, model := make_model(folder / "sentiment")):
        path.chmod(0o755)
    for file in model.iterdir():
        file.chmod(0o644)
    return folder

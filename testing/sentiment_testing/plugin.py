"""The pytest plugin: fixtures that start a Kafka and the consumer, and end both.

It is loaded in every run of pytest where the package is installed, so it imports Kafka's client only when a
fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentiment_testing.kafka import Broker
    from sentiment_testing.stack import Stack

KINDS: Final = ("auto", "named", "docker", "java", "mock")
"""`auto` takes the first of the others that is available."""
DESCRIPTION: Final = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called by pytest."""
    what = "Kafka of the fixture sentiment_kafka: named by KAFKA_BOOTSTRAP_SERVERS, in Docker, by Java, or a mock"
    group = parser.getgroup("sentiment_testing")
    group.addoption(
        "--sentiment-kafka", choices=KINDS, default=None, help=f"{what} (default: the first available)"
    )
    parser.addini("sentiment_kafka", f"{what}; auto, the default, takes the first available", default="auto")


def report_kafka(config: pytest.Config, description: str) -> None:
    """Has the summary say which broker the tests ran on."""
    config.stash[DESCRIPTION] = description


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Sends the description of this worker's broker to the main process of pytest-xdist."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["sentiment_kafka"] = session.config.stash.get(DESCRIPTION, "")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keeps what a worker sent at its end, for the summary."""
    if description := getattr(node, "workeroutput", {}).get("sentiment_kafka"):
        report_kafka(node.config, description)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Reports which broker the tests ran on."""
    if description := config.stash.get(DESCRIPTION, None):
        terminalreporter.write_line(f"kafka: {description}")


@pytest.fixture(scope="session")
def sentiment_kafka(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A Kafka for the whole run, chosen by `--sentiment-kafka` or the ini option `sentiment_kafka`."""
    from sentiment_testing.kafka import ALL, start_kafka  # noqa: PLC0415 - see above

    kind = pytestconfig.getoption("--sentiment-kafka") or pytestconfig.getini("sentiment_kafka")
    if kind not in KINDS:
        raise pytest.UsageError(f"sentiment_kafka = {kind}: must be one of {', '.join(KINDS)}")
    with start_kafka(ALL if kind == "auto" else (kind,)) as broker:
        report_kafka(pytestconfig, broker.description)
        yield broker


@pytest.fixture(scope="session")
def sentiment_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of the consumer: one that counts words; override it with the path of a trained model folder."""
    from sentiment_testing.model import make_model  # noqa: PLC0415

    return make_model(tmp_path_factory.mktemp("sentiment") / "model")


@pytest.fixture
def sentiment_settings() -> dict[str, str]:
    """Settings of the consumer by their names; override it for others than the defaults."""
    return {}


@pytest.fixture
def sentiment_stack(
    sentiment_kafka: Broker, sentiment_model: Path, sentiment_settings: dict[str, str], tmp_path: Path
) -> Iterator[Stack]:
    """A running consumer with topics of its own."""
    from sentiment_testing.stack import Stack  # noqa: PLC0415

    with Stack(sentiment_kafka, sentiment_model, tmp_path, settings=sentiment_settings) as stack:
        yield stack

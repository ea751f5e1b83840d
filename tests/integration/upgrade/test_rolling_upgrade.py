"""A group is upgraded one process after the other under load, and downgraded again: nothing is lost or twice."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sentiment_testing.process import ConsumerProcess
from tests.integration.load import ENVIRONMENT, Load, Written
from tests.integration.upgrade.earlier import FOLDER, INSTALLED, VERSION, Version, write_model
from tests.support.tiny import tiny_model
from tests.support.topics import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.conftest import Topics

BATCHES: Final = 15
"""Micro-batches of a process before the next step."""
OFFSET_HEADER: Final = "__connect.errors.offset"
PARTITION_HEADER: Final = "__connect.errors.partition"

pytestmark = pytest.mark.skipif(
    not INSTALLED.exists(),
    reason=f"version {VERSION} is not installed: `make upgrade-setup` takes it from the history, "
    "which a shallow clone lacks (git fetch --unshallow)",
)


@pytest.fixture(scope="session")
def earlier() -> Version:
    """The earlier version."""
    return Version(FOLDER / ".venv" / "bin")


@pytest.fixture(scope="session")
def current() -> Version:
    """This one."""
    return Version(Path(sys.executable).parent)


@pytest.fixture(scope="session")
def old_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that the earlier version has sealed."""
    folder = tmp_path_factory.mktemp("earlier") / "model"
    write_model(folder)
    return folder


class Group:
    """Processes of both versions in one group."""

    def __init__(self, folder: Path, flags: list[str], env: Mapping[str, str]) -> None:
        self._folder = folder
        self._flags = flags
        self._env = env
        self._numbers = count()
        self.started: list[ConsumerProcess] = []

    def at_work(self, version: Version, name: str) -> ConsumerProcess:
        """Starts a process with this instance id, and returns when it has scored."""
        one = self.start(version, name)
        one.await_log('"event": "batch"', count=BATCHES)
        return one

    def start(self, version: Version, name: str, *more: str) -> ConsumerProcess:
        """Starts a process. With the name of a killed one it ends the transaction that that one left open."""
        number = next(self._numbers)
        command = version.command("run", *self._flags, "--instance-id", name, *more)
        one = ConsumerProcess(self._folder / f"{number}.log", env=self._env, command=command)
        self.started.append(one)
        return one


@pytest.fixture
def group(tmp_path: Path, topics: Topics, old_model: Path, request: pytest.FixtureRequest) -> Iterator[Group]:
    """Stops its processes after the test."""
    delivery, protocol = request.param
    flags = topics.flags("--model", str(old_model), "--delivery", delivery, "--group-protocol", protocol)
    # With the protocol `consumer` the session timeout is the broker's.
    left_out = "SENTIMENT_KAFKA__PROPERTIES" if protocol == "consumer" else None
    found = Group(tmp_path, flags, {name: value for name, value in ENVIRONMENT.items() if name != left_out})
    yield found
    for one in found.started:
        one.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "group",
    [("exactly-once", "classic"), ("exactly-once", "consumer"), ("at-least-once", "classic")],
    ids="-".join,
    indirect=True,
)
def test_upgrade_and_downgrade_under_load(
    topics: Topics, group: Group, earlier: Version, current: Version, request: pytest.FixtureRequest
) -> None:
    """Given a loaded group, when each process is replaced, one by a kill, and back, then each text has one result.

    With at-least-once some have several, and none is missing. Each version lists the letters of both.
    """
    exactly = "exactly-once" in request.node.name
    with Load(topics) as load:
        first, second = group.at_work(earlier, "a"), group.at_work(earlier, "b")
        first.kill()
        third = group.at_work(current, "a")
        assert second.terminate()[0] == 0
        fourth = group.at_work(current, "b")
        third.kill()
        fifth = group.at_work(earlier, "a")
        assert fourth.terminate()[0] == 0
        sixth = group.at_work(earlier, "b")
    last = group.start(current, "c", "--until-idle-s", "9")
    assert last.wait() == 0
    topics.await_committed()
    assert fifth.terminate()[0] == 0
    assert sixth.terminate()[0] == 0

    written = Written(topics)
    places = Counter((one["source"]["partition"], one["source"]["offset"]) for one in written.results)
    headers = [dict(one.headers() or ()) for one in written.letters]
    places.update((int(one[PARTITION_HEADER] or b""), int(one[OFFSET_HEADER] or b"")) for one in headers)
    inputs = read_all(topics.servers, topics.texts)
    expected = {(one.partition(), one.offset()) for one in inputs if one.value() is not None}
    assert len(inputs) == load.sent
    assert set(places) == expected
    if exactly:
        assert set(places.values()) == {1}
    assert {one["model"]["version"] for one in written.results} == {written.results[0]["model"]["version"]}
    for version in (earlier, current):
        listed = version.run("dlq", "list", *letters_of(topics), "--json")
        assert listed.returncode == 0, listed.stderr
        assert len(listed.stdout.splitlines()) == len(written.letters)


def test_an_earlier_version_refuses_a_folder_of_this_one(earlier: Version, tmp_path: Path) -> None:
    """Given a model folder with what came later, when the earlier version opens it, then it says what to do."""
    folder = tiny_model(tmp_path / "model")

    ended = earlier.run("score", "--model", str(folder), "a text")

    assert ended.returncode == 66
    assert "is not a valid manifest" in ended.stderr
    assert "train again, or restore the folder" in ended.stderr


def test_both_versions_score_a_folder_of_the_earlier_one_alike(
    earlier: Version, current: Version, old_model: Path
) -> None:
    """Given a folder of the earlier version, when both score a text, then version and probabilities are equal."""
    both = [one.run("score", "--json", "--model", str(old_model), "good coffee") for one in (earlier, current)]

    first, second = (json.loads(one.stdout) for one in both)
    assert first["model"] == second["model"]
    assert first["label"] == second["label"]
    assert first["probabilities"] == pytest.approx(second["probabilities"], abs=1e-3)


def letters_of(topics: Topics) -> list[str]:
    """Flags of `dlq` for the topics of a test."""
    return ["--bootstrap-servers", topics.servers, "--dlq-topic", topics.letters]

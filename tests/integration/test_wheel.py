"""An environment with only the wheel, for CPUs: others' tests pass there, and the consumer needs no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.request import Request, urlopen

import pytest

from sentiment_testing.errors import UnavailableError
from sentiment_testing.kafka import mock_kafka
from sentiment_testing.kafka.jars import CACHE, find_class_path, find_java
from sentiment_testing.kafka.topics import MakeTopic
from sentiment_testing.model import make_model
from sentiment_testing.process import ConsumerProcess, environment
from tests.conftest import skip_or_fail
from tests.support.processes import free_port
from tests.support.tiny import tiny_model_of

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "examples" / "consumer-of-results"
TIMEOUT_S: Final = 250.0


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that has the wheel with the extras `testing` and `http`."""

    folder: Path

    def command(self, name: str) -> str:
        """The path of a program in it."""
        return str(self.folder / "bin" / name)

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a program of it to its end."""
        return subprocess.run(
            [self.command(command[0]), *command[1:]],
            cwd=cwd or self.folder,
            env=_variables(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )


def _variables() -> dict[str, str]:
    # The caches of uv and of Kafka's jars; `cache_home` gives this run an empty one.
    return environment({"XDG_CACHE_HOME": str(CACHE.parent)})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Builds the wheel and installs it with the pinned versions; seconds, once uv has them in its cache."""
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".cache/uv/bin")
    if uv is None:
        skip_or_fail("no uv on the PATH or in .cache/uv; `make setup` brings one")
    folder = tmp_path_factory.mktemp("wheel")
    venv, dist = folder / "venv", folder / "dist"
    _run(uv, "build", "--quiet", "--wheel", "--out-dir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(venv))
    pins = ["--constraints", str(ROOT / "constraints.txt")]
    _run(uv, "pip", "install", "--quiet", "--python", str(venv / "bin/python"), *pins, f"{wheel}[testing,http]")
    return Installed(venv)


@pytest.fixture(scope="module")
def counts_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    return make_model(tmp_path_factory.mktemp("model") / "counts-words")


@pytest.mark.parametrize(
    ("kind", "expected"), [("java", "kafka: Apache Kafka"), ("mock", "kafka: librdkafka mock")]
)
def test_the_tests_of_the_example_pass(kind: str, expected: str, installed: Installed, tmp_path: Path) -> None:
    """Given a project with a `shared` of its own, when its tests run there, then they pass on that Kafka."""
    if kind == "java":
        try:
            find_java(), find_class_path()
        except UnavailableError as reason:
            skip_or_fail(str(reason))
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    done = installed.run("python", "-m", "pytest", "-q", "--sentiment-kafka", kind, cwd=project)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "3 passed" in done.stdout
    assert expected in done.stdout


def test_torch_is_not_there(installed: Installed) -> None:
    """Given the extras for a CPU, when torch and transformers are imported, then neither is installed."""
    for name in ("torch", "transformers"):
        assert "ModuleNotFoundError" in installed.run("python", "-c", f"import {name}").stderr


def test_score_needs_no_torch(installed: Installed, counts_words: Path) -> None:
    """Given no torch, when a text is scored without Kafka, then its label is there."""
    done = installed.run("sentiment-consumer", "score", "--model", str(counts_words), "--json", "a good day")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["label"] == "positive"


def test_check_needs_no_torch(installed: Installed, counts_words: Path) -> None:
    """Given no torch, when `check` loads the model and scores, then its lines are ok; the mock knows no rights."""
    with mock_kafka() as broker:
        make = MakeTopic(broker)
        names = [make(name) for name in ("texts", "sentiments", "letters")]
        flags = ["--input-topic", names[0], "--output-topic", names[1], "--dlq-topic", names[2]]
        done = installed.run(
            *("sentiment-consumer", "check", "--bootstrap-servers", broker.bootstrap_servers),
            *("--model", str(counts_words), "--delivery", "at-least-once", *flags),
        )
    lines = done.stdout.splitlines()
    for name in ("settings", "broker", "model", "device", "score"):
        assert any(line.split()[:2] == ["ok", name] for line in lines), done.stdout + done.stderr


def test_serve_needs_no_torch(installed: Installed, counts_words: Path, tmp_path: Path) -> None:
    """Given no torch, when a text is sent over HTTP, then its label is in the answer."""
    port = free_port()
    process = ConsumerProcess(
        *(tmp_path / "log", "--model", str(counts_words), "--http-port", str(port), "--log-format", "json"),
        env=_variables(),
        command=(installed.command("sentiment-consumer"), "serve"),
    )
    try:
        process.await_log('"event": "model_ready"')
        request = Request(
            f"http://127.0.0.1:{port}/v1/score",
            data=b'{"text": "an awful film"}',
            headers={"content-type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            assert b"negative" in answer.read()
        assert process.terminate()[0] == 0
    finally:
        process.close()


@pytest.mark.parametrize(
    ("what", "arguments", "named"),
    [
        ("a GPU", ["sentiment-consumer", "score", "--device", "cuda"], "device cuda needs torch and transformers"),
        ("another architecture", ["sentiment-consumer", "score"], "the engine that remains needs torch"),
        (
            "gradients",
            ["sentiment-consumer", "score", "--explain", "gradients"],
            "--explain gradients needs torch",
        ),
        ("the trainer", ["sentiment-trainer", "train"], "sentiment-trainer needs torch"),
    ],
)
def test_where_torch_is_needed_the_extra_is_named(
    *, what: str, arguments: Sequence[str], named: str, installed: Installed, counts_words: Path, tmp_path: Path
) -> None:
    """Given no torch, when it is needed, then one line names the extra, and the exit code is that of settings."""
    model = tiny_model_of(tmp_path / "albert", "albert") if what == "another architecture" else counts_words
    more = ["--model", str(model), "text"] if arguments[0] == "sentiment-consumer" else ["--data", "rows.csv"]
    done = installed.run(*arguments, *more)
    assert done.returncode == 78, done.stderr
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert named in line
    assert "pip install 'sentiment-stream[" in line


def _run(*command: str) -> None:
    done = subprocess.run(
        command, env=_variables(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr

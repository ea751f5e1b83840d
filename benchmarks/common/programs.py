"""The programs that are measured on Kafka: this project's consumer, peers' and a bare copy loop.

Everything that depends on how this project's consumer is started or put together is here and in
`null_consumer.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common.measure import ROOT
from benchmarks.common.streams import Command
from shared.model_folder.artifact import open_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.common.streams import Contender, Job
    from shared.inference.engines.select import Precision
    from shared.inference.types import Score, Unscorable

PEERS: Final = ROOT / "benchmarks" / "peers"
QUIX: Final = ROOT / ".cache" / "bench-peers"
"""Quix Streams pins an older confluent-kafka and pydantic than ours, so it has an environment of its own."""


def ours(model: Path, delivery: str, **settings: Any) -> Contender:
    """This project's consumer, as an operator starts it; settings as `limits__batch_records`."""
    return _consumer([str(Path(sys.executable).with_name("sentiment-consumer")), "run"], model, delivery, settings)


def null(model: Path, delivery: str, *, pass_ms: float = 0, **settings: Any) -> Contender:
    """The same consumer around a scorer that tokenises but has no model, and takes `pass_ms` for 32 texts."""
    command = [sys.executable, "-m", "benchmarks.common.null_consumer", str(pass_ms)]
    return _consumer(command, model, delivery, settings)


def peer(script: str, model: Path, *more: str, python: Path = Path(sys.executable)) -> Contender:
    """A program of `benchmarks/peers`."""

    def start(job: Job, _member: int) -> Command:
        arguments = [job.servers, job.source, job.target, job.group, str(model), *more]
        return Command([str(python), str(PEERS / script), *arguments], _clean())

    return start


def quix_python() -> Path:
    """The Python of Quix Streams' own environment, which is created if it is missing or its pins have changed."""
    pins = ROOT / "benchmarks" / "peers.txt"
    stamp, python = QUIX / "installed.txt", QUIX / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != pins.read_text():
        uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".cache/uv/bin")
        if uv is None:
            raise FileNotFoundError("no uv to install Quix Streams with; `make bench-setup` brings one")
        print(f"Installing {pins.relative_to(ROOT)} into {QUIX.relative_to(ROOT)}")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(QUIX)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(pins)]
        subprocess.run(install, check=True)
        shutil.copy(pins, stamp)
    return python


def quix_versions() -> dict[str, str]:
    """Versions in Quix Streams' environment that matter."""
    lines = (ROOT / "benchmarks" / "peers.txt").read_text().splitlines()
    pins = dict(line.partition(" ;")[0].split("==") for line in lines if "==" in line)
    return {name: pins[name] for name in ("confluent-kafka", "quixstreams", "torch", "transformers")}


def bare(
    model: Path, precision: Precision = "auto", window: int | None = None
) -> tuple[Callable[[Sequence[str]], list[Score | Unscorable]], str]:
    """This project's scorer without Kafka and cache, as `consumer.service` makes it, and its engine's name.

    With `window` it gets that number of texts at a time and sorts only those, as in the consumer; else all.
    Raises SentimentError for a precision that is not available with this model or machine.
    """
    from shared.inference.engines.select import load_scorer  # noqa: PLC0415 - seconds to import
    from shared.inference.scheduler import Scheduler  # noqa: PLC0415

    scorer = load_scorer(open_artifact(model), precision=precision)
    scoring = Scheduler(scorer, window=window)

    def score(texts: Sequence[str]) -> list[Score | Unscorable]:
        step = window or len(texts)
        futures = [scoring.submit(texts[start : start + step]) for start in range(0, len(texts), step)]
        return [answer for future in futures for answer in future.result()]

    return score, scorer.describe()["engine"]


def precisions(model: Path) -> list[Precision]:
    """This processor's own precision, and int8 if the model was exported."""
    from shared.inference.engines.openvino.runtime import native_precision  # noqa: PLC0415

    return [native_precision(), *(["int8"] if open_artifact(model).manifest.int8 else [])]  # type: ignore[list-item]


def _consumer(command: Sequence[str], model: Path, delivery: str, settings: dict[str, Any]) -> Contender:
    def start(job: Job, member: int) -> Command:
        environment = {
            "KAFKA__BOOTSTRAP_SERVERS": job.servers,
            "KAFKA__INSECURE": "true",
            "MODEL": str(model),
            "GROUP_ID": job.group,
            "INPUT_TOPICS": job.source,
            "OUTPUT_TOPIC": job.target,
            "DLQ_TOPIC": job.letters,
            "DELIVERY": delivery,
            "INSTANCE_ID": f"member-{member}",
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        return Command(command, _clean() | {f"SENTIMENT_{name}": value for name, value in environment.items()})

    return start


def _clean() -> dict[str, str]:
    """The environment without variables of this project; modules are found from here."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SENTIMENT_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}

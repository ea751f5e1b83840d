"""The shared parts of all benchmarks: rounds in turn, medians and ratios, and a JSON with place and version."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results"
WORK: Final = ROOT / ".cache" / "bench"
"""Files that benchmarks create: exported models, logs, and the results of quick runs."""
QUICK: Final = WORK / "quick"
ROUNDS: Final = 3

_PACKAGES: Final = (
    "confluent-kafka",
    "faststream",
    "nncf",
    "numpy",
    "onnxruntime",
    "openvino",
    "tokenizers",
    "torch",
    "transformers",
)

T = TypeVar("T")


def arguments(about: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has; from here on SIGTERM ends one as Ctrl-C does.

    So the programs that it started end with it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured rounds; one before is discarded")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, measures nothing")
    parser.add_argument("--model", type=Path, default=ROOT / ".demo/model", help="folder made by `make demo`")
    parser.add_argument("--texts", type=Path, help="own texts: one a line, or a Parquet file with a column text")
    parser.add_argument("--only", default="", metavar="WORDS", help="parts of contenders' names, by commas")
    return parser


def chosen(contenders: Mapping[str, T], only: str, always: Sequence[str] = ()) -> dict[str, T]:
    """The contenders that `--only` names; those in `always`, which others are compared with, stay."""
    words = [word.strip() for word in only.split(",")]
    return {
        name: contender
        for name, contender in contenders.items()
        if name in always or any(word in name for word in words)
    }


def interleaved(contenders: Mapping[str, Callable[[], T]], rounds: int, show: str = "{}") -> dict[str, list[T]]:
    """Runs all in turn, A B C A B C, a discarded round first; returns the measurements by name."""
    answers: dict[str, list[T]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            answer = contender()
            print(f"  {name}: {show.format(answer)}{'' if number else ' (discarded)'}", flush=True)
            if number:
                answers[name].append(answer)
    return answers


def spread(values: Sequence[float], digits: int = 1) -> dict[str, Any]:
    """Median, minimum and maximum."""
    return {
        "median": round(statistics.median(values), digits),
        "range": [round(min(values), digits), round(max(values), digits)],
    }


def ratio(values: Sequence[float], peer: Sequence[float]) -> float:
    """The median over rounds of a value divided by the peer's of the same round."""
    return round(statistics.median(a / b for a, b in zip(values, peer, strict=True)), 3)


def rates(values: Mapping[str, Sequence[float]], peer: str) -> dict[str, dict[str, Any]]:
    """Messages a second of each contender, and its ratio to the peer's."""
    return {
        name: {"messages_per_s": spread(own), "ratio": ratio(own, values[peer])} for name, own in values.items()
    }


def _commit() -> str:
    """The measured commit, marked if anything except the results of benchmarks differs from it."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def write(name: str, figures: Mapping[str, Any], options: argparse.Namespace, **about: Any) -> None:
    """Writes the figures with date, commit, machine and versions; those of quick runs stay out of `results/`."""
    result = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **versions(_PACKAGES)},
        "rounds": options.rounds,
        "quick": options.quick,
        **about,
        "figures": figures,
    }
    folder = QUICK if options.quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path}")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and the GPU if torch was loaded and sees one."""
    described: dict[str, Any] = {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_at_end": [round(load, 2) for load in os.getloadavg()],
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions; packages that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return ""

"""Hostile input in bulk: `python -m tests.chaos.hostile --examples 100000 --seed N --output FILE`.

Divides the examples among its parts, stops at the first broken promise, and writes what was tried as JSON. An
example that hangs ends the process with a traceback. The first line of the file that is printed at the start is
that example.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import mmap
import platform
import random
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.chaos.hostile.checks import check_environment, check_file, check_record, check_text
from tests.chaos.hostile.inputs import ENCODERS, FORMS, PROBABILITIES, RECORDS, TEXTS, mutated
from tests.chaos.hostile.settings import ENVIRONMENTS, FILES
from tests.support.fakes import record

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK: Final = 1_000
HANG_S: Final = 60.0
LAST_BYTES: Final = 4 * 2**20
GROWTH_MB: Final = 300
"""How much the process may grow after its first chunks. The largest texts take 100 MB while they are processed."""
PACKAGES: Final = ("hypothesis", "pydantic", "pydantic-core", "pyyaml", "emoji", "confluent-kafka")


@dataclass(slots=True)
class Watch:
    """Keeps the current example in a file, and the counts."""

    last: mmap.mmap
    """First line: the current example. A mapped file costs nothing and survives any end of the process."""
    examples: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    longest: tuple[float, str] = (0.0, "")
    armed_at: float = 0.0
    base_kb: int = 0
    """Peak memory after the first chunk of every part."""

    def run(self, part: str, check: Callable[..., None], *example: Any) -> None:
        """Checks one example; ends the process if that takes HANG_S."""
        line = repr(example).encode(errors="backslashreplace")[: LAST_BYTES - 1] + b"\n"
        self.last[: len(line)] = line
        began = time.perf_counter()
        if began - self.armed_at > 1:
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            self.armed_at = began
        check(*example)
        took = time.perf_counter() - began
        self.longest = max(self.longest, (took, part))
        self.examples[part] = self.examples.get(part, 0) + 1


def parts(watch: Watch, folder: Path) -> dict[str, Callable[[int, int], None]]:
    """Every part by name: a function that tries a number of examples with a seed."""
    encoders, forms = st.sampled_from(ENCODERS), st.sampled_from(FORMS)
    strategies: dict[str, tuple[st.SearchStrategy[tuple[Any, ...]], Callable[..., None]]] = {
        "records": (st.tuples(RECORDS, forms, encoders, PROBABILITIES), check_record),
        "texts": (st.tuples(TEXTS), check_text),
        "environments": (st.tuples(ENVIRONMENTS), check_environment),
        "files": (st.tuples(st.just(folder / "settings.yaml"), FILES), check_file),
    }

    def generated(name: str) -> Callable[[int, int], None]:
        strategy, check = strategies[name]

        def run(examples: int, number: int) -> None:
            @seed(number)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            )
            @given(strategy)
            def attempt(example: tuple[Any, ...]) -> None:
                watch.run(name, check, *example)

            attempt()

        return run

    def mutations(examples: int, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - to be repeated, not to be secret
        for _ in range(examples):
            one = record(mutated(chance), key=chance.randbytes(3), headers=(("trace", chance.randbytes(2)),))
            watch.run("bytes", check_record, one, chance.choice(FORMS), chance.choice(ENCODERS), (0.1, 0.2, 0.7))

    return {"bytes": mutations} | {name: generated(name) for name in strategies}


SHARES: Final = {"bytes": 0.35, "records": 0.35, "texts": 0.1, "environments": 0.1, "files": 0.1}
"""Of all examples; they sum to 1."""


def try_all(examples: int, first_seed: int, watch: Watch, folder: Path) -> None:
    """Runs all parts in turn, chunk by chunk, each chunk with a seed of its own."""
    left = {name: round(examples * share) for name, share in SHARES.items()}
    tried = parts(watch, folder)
    number = first_seed
    while any(left.values()):
        for name, run in tried.items():
            count = min(CHUNK, left[name])
            if count:
                began = time.perf_counter()
                run(count, number)
                watch.seconds[name] = watch.seconds.get(name, 0.0) + time.perf_counter() - began
                left[name] -= count
        number += 1
        watch.base_kb = watch.base_kb or _peak_kb()
        total = sum(watch.examples.values())
        print(f"\r{total:>8,} examples, longest {watch.longest[0]:.2f} s", end="", flush=True)
    print()


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report(first_seed: int, watch: Watch) -> dict[str, Any]:
    """The figures of the run."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "seed": first_seed,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "examples": watch.examples,
        "total": sum(watch.examples.values()),
        "failures": 0,
        "seconds": {name: round(took, 1) for name, took in watch.seconds.items()},
        "longest_example": {"seconds": round(watch.longest[0], 3), "part": watch.longest[1]},
        "peak_memory_growth_mb": round((_peak_kb() - watch.base_kb) / 1024, 1),
        "bounds": {"peak_memory_growth_mb": GROWTH_MB, "example_s_hang": HANG_S},
    }


def main() -> None:
    """Tries, checks the memory, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    last = folder / "last-example.txt"
    last.write_bytes(bytes(LAST_BYTES))
    print(f"the current example: {last}")
    with last.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        watch = Watch(mapped)
        try_all(arguments.examples, arguments.seed, watch, folder)
    faulthandler.cancel_dump_traceback_later()
    result = report(arguments.seed, watch)
    assert result["peak_memory_growth_mb"] <= GROWTH_MB, f"memory grew by {result['peak_memory_growth_mb']} MB"
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Messages a second from topic to topic, and the memory, of model folders of any kind: what each costs to serve.

    python -m benchmarks.kafka.served_models nbsvm=models/nbsvm minilm=models/minilm mpnet=models/mpnet

All are served by the same consumer with exactly-once delivery, in the precision that it chooses, and read the same
tweets. With `--processes 1,4` each is served by one process, and by four of a group that share the machine or its
GPU. The discarded round takes FIRST messages and tells how many a model gets in `--seconds`; `streams.run`
describes how the time is measured. Ratios are to the model that is named last.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from benchmarks.common.measure import arguments, interleaved, rates, spread, write
from benchmarks.common.programs import bare, ours
from benchmarks.common.streams import PARTITIONS, run
from benchmarks.common.texts import distinct, of_file, tweets
from sentiment_testing.kafka import REAL, start_kafka
from shared.model_folder.artifact import open_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.common.streams import Run

FIRST: Final = 1_024
MOST: Final = 200_000
"""Messages of one run: the input topic holds all of them in one transaction."""
WARM_UP: Final = 4_096
"""Messages before the clock starts: an engine prepares itself for each new shape of a pass."""


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER", help="models to serve")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a run, about")
    parser.add_argument("--processes", default="1", help="consumers of a group, by commas")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    folders = {name: Path(folder) for name, _, folder in (one.partition("=") for one in options.models)}
    cases = {
        name if count == 1 else f"{name}, {count} processes": (folder, count)
        for name, folder in folders.items()
        for count in map(int, options.processes.split(","))
    }
    source = of_file(options.texts) if options.texts else tweets()
    most = FIRST if options.quick else MOST
    texts = distinct(source, WARM_UP + most)
    seen: dict[str, list[Run]] = {name: [] for name in cases}
    with start_kafka(REAL) as kafka:
        measured = interleaved(
            {
                name: partial(_rate, kafka.bootstrap_servers, case, texts, seen[name], options.seconds)
                for name, case in cases.items()
            },
            options.rounds,
            "{:,.1f} messages a second",
        )
        figures = rates(measured, list(cases)[-1])
        for name, (folder, _) in cases.items():
            figures[name] |= _costs(seen[name][1:], folder)
        write("served_models", figures, options, kafka=kafka.description)


def _rate(servers: str, case: tuple[Path, int], texts: Sequence[str], seen: list[Run], seconds: float) -> float:
    folder, members = case
    count = FIRST if not seen else min(max(FIRST, round(seen[0].rate * seconds)), len(texts) - WARM_UP)
    program, partitions = ours(folder, "exactly-once"), max(PARTITIONS, members)
    seen.append(
        run(servers, program, texts[: WARM_UP + count], partitions=partitions, members=members, warm_up=WARM_UP)
    )
    return seen[-1].rate


def _costs(runs: Sequence[Run], folder: Path) -> dict[str, Any]:
    return {
        "messages": runs[-1].messages,
        "cpu_us": spread([one.cpu_us for one in runs]),
        "memory_mib": spread([max(resident for _, resident in one.memory) for one in runs]),
        "folder_mib": round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20, 1),
        "engine": bare(folder)[1],
        "model": open_artifact(folder).version,
    }


if __name__ == "__main__":
    main()

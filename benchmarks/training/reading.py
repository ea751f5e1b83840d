"""Time and memory of reading files: 1.6 million rows of CSV as Sentiment140 has them, and 5 GB of JSON Lines.

    python -m benchmarks.training.reading [--quick] [--only csv,json]

The files are generated under .cache/bench and removed. Each contender is a process of its own, so that its peak of
memory is its own. CSV: nothing is said but the names of the columns, so the dialect and the encoding are guessed.
"""

from __future__ import annotations

import csv
import json
import random
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainer.data.examples import Examples

CSV_ROWS: Final = 1_600_000
JSON_BYTES: Final = 5_000_000_000
_COLUMNS: Final = "label,id,created_at,flag,user,text"
_SEED: Final = 7
_STEPS: Final[dict[str, float]] = {}
"""Seconds of steps that are timed apart."""


def write_csv(path: Path, rows: int) -> None:
    """Sentiment140: all quoted, ISO 8859-1, no header; some texts hold quotes, commas and backslashes."""
    random_ = random.Random(_SEED)  # noqa: S311
    words = _words(random_)
    with path.open("w", encoding="latin-1", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for row in range(rows):
            text = " ".join(random_.choices(words, k=13))
            if row % 20 == 0:
                text += ' "so", caf\u00e9 :\\ \\o/ '
            user = f"{random_.choice(words)}{row}"
            label, moment = random_.choice("04"), f"2009-04-06T22:{row % 60:02}:45Z"
            writer.writerow((label, 1_467_810_000 + row, moment, "NO_QUERY", user, text))


def write_json(path: Path, size: int) -> int:
    """Objects like those of Twitter's API 1.1, of which the text is a small part; returns their number."""
    random_ = random.Random(_SEED)  # noqa: S311
    words = _words(random_)
    rows = written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            user = {f"profile_{word}": random_.choice(words) * 4 for word in words[:40]}
            entities = {
                "urls": [{"url": f"https://t.example/{word}", "indices": [3, 26]} for word in words[:8]],
                "hashtags": [{"text": word, "indices": [0, 9]} for word in random_.choices(words, k=6)],
            }
            text = " ".join(random_.choices(words, k=13))
            tweet = {"id_str": str(rows), "full_text": text, "user": user, "entities": entities, "lang": "en"}
            retweeted = {"id_str": f"r{rows}", "full_text": text, "user": user, "entities": entities}
            written += file.write(json.dumps(tweet | {"label": rows % 3, "retweeted_status": retweeted}) + "\n")
            rows += 1
    return rows


def _words(random_: random.Random) -> list[str]:
    return ["".join(random_.choices("abcdefghijklmnopqrstuvwxyz", k=random_.randint(2, 9))) for _ in range(5_000)]


def read_csv_columns(path: Path) -> int:
    """Reads and maps all rows into memory."""
    from trainer.data.tables import ReadOptions, read_columns  # noqa: PLC0415

    options = ReadOptions(columns=tuple(_COLUMNS.split(",")))
    return len(read_columns(path, ("text", "label", "id", "created_at"), options)["text"])


def read_csv_examples(path: Path) -> int:
    """The same, and the labels and times into numbers."""
    return len(_examples(path))


def read_csv_unique(path: Path) -> int:
    """The same, and exact duplicates removed; prints the time of that step alone."""
    from trainer.data.duplicates import remove_duplicates  # noqa: PLC0415

    examples = _examples(path)
    with _timed("exact duplicates"):
        return len(remove_duplicates(examples).examples)


def read_csv_groups(path: Path) -> int:
    """The same, and near-duplicates grouped; prints the time of that step alone."""
    from trainer.data.near_duplicates import near_duplicate_groups  # noqa: PLC0415

    texts = _examples(path).texts
    with _timed("near-duplicates"):
        return len(set(near_duplicate_groups(texts).tolist()))


def _examples(path: Path) -> Examples:
    from trainer.data.readers import column_names, read_examples  # noqa: PLC0415
    from trainer.settings import TrainerSettings  # noqa: PLC0415

    return read_examples(path, column_names(TrainerSettings(columns=_COLUMNS)))


@contextmanager
def _timed(step: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    _STEPS[step] = round(time.perf_counter() - begun, 1)


def read_json_batches(path: Path) -> int:
    """Streams texts, labels and ids, by paths with a choice."""
    from trainer.data.tables import read_batches  # noqa: PLC0415

    texts = "retweeted_status.full_text, full_text"
    return sum(len(batch[texts]) for batch in read_batches(path, (texts, "label", "id_str")))


_READERS: Final[dict[str, Callable[[Path], int]]] = {
    "csv, columns": read_csv_columns,
    "csv, examples": read_csv_examples,
    "csv, without duplicates": read_csv_unique,
    "csv, near-duplicates": read_csv_groups,
    "json, stream": read_json_batches,
}


def measured(name: str, path: Path) -> dict[str, Any]:
    """Runs one reader in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training.reading", "--reader", name, "--file", str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=measure.ROOT,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name}: {found}", flush=True)
    return found


def main() -> None:
    """Generates the files, reads them and writes the figures."""
    parser = measure.arguments(__doc__)
    parser.add_argument("--reader", help="for the program itself")
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.reader:
        begun = time.perf_counter()
        rows = _READERS[options.reader](options.file)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found = {"rows": rows, "s": round(time.perf_counter() - begun, 1), "peak_gib": round(peak, 2)}
        print(json.dumps(found | _STEPS))
        return
    measure.WORK.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    for kind, write in (("csv", write_csv), ("json", write_json)):
        readers = measure.chosen({name: name for name in _READERS if name.startswith(kind)}, options.only)
        path = measure.WORK / f"reading.{kind}"
        size = (CSV_ROWS if kind == "csv" else JSON_BYTES) // (1_000 if options.quick else 1)
        try:
            if readers:
                write(path, size)
            for name in readers:
                figures[name] = {"bytes": path.stat().st_size} | measured(name, path)
        finally:
            path.unlink(missing_ok=True)
    options.rounds = 0  # one run of each: bounds are asked for, not ratios
    measure.write("reading", figures, options)


if __name__ == "__main__":
    main()

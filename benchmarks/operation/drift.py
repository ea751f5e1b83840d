"""Drift without labels: how many windows alarm, of rows like the model's validation part and of others.

    python -m benchmarks.operation.drift MODEL HELD-BACK SHIFTED [--sizes 250 500 1000]

HELD-BACK is a data set that the model was not trained on. Half of its rows, drawn at random, give the reference
statistics, as the trainer makes them; windows are drawn without replacement from the other half, and from SHIFTED.
A window of more rows than there are is not drawn. Shifts that are made of the held-back half say how large a shift
has to be. One JSON line each; then all rows of both files are compared, and the last lines say what larger samples
of the same two populations would give.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from consumer.drift import FALSE_ALARMS, DriftWatch
from consumer.events import DriftMeasured
from shared.drift.distances import distances, thresholds
from shared.drift.features import FEATURES, Bins, Results, reference_of
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.logs import configure_logs
from shared.model_folder.artifact import open_artifact
from trainer.data.readers import read_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumer.events import Event
    from shared.model_folder.artifact import Artifact

DRAWS: Final = 100
HALVES: Final = 3
"""Random halves of HELD-BACK, since one may lie off the other by chance."""
SHARES: Final = (0.05, 0.1, 0.2)
"""Of the texts of a window that are replaced by others."""
LARGER: Final = (2_000, 5_000, 10_000, 20_000)
UNREADABLE: Final = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u6563\u6b65"
"""A sentence about the weather in Chinese, most of which the tokenizer of an English model does not know."""


def main() -> None:
    """Prints one JSON line for each kind of window and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("held_back", type=Path)
    parser.add_argument("shifted", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 500, 1_000])
    args = parser.parse_args()
    configure_logs("warning")
    artifact = open_artifact(args.model)
    texts = {name: read_texts(getattr(args, name)) for name in ("held_back", "shifted")}
    joined = [f"{first} {second}" for first, second in zip(texts["held_back"], texts["shifted"], strict=False)]
    scheduler = Scheduler(load_scorer(artifact, "auto", "fp32"))
    held_back, shifted, long, unreadable = (
        _scores(scheduler, rows) for rows in (texts["held_back"], texts["shifted"], joined, [UNREADABLE])
    )
    scheduler.close(10.0)
    for half in range(HALVES):
        generator = np.random.default_rng(half)
        order = generator.permutation(len(held_back))
        first, second = ([held_back[row] for row in rows] for rows in np.array_split(order, 2))
        known = _with_reference(artifact, first)
        for size in args.sizes:
            windows = {
                "held back": [_drawn(generator, second, size) for _ in range(DRAWS)],
                args.shifted.name: [_drawn(generator, shifted, size) for _ in range(DRAWS)],
                **_made(generator, second, {"long texts": long, "unreadable texts": unreadable}, size),
            }
            for name, drawn in windows.items():
                if all(drawn):
                    print(
                        json.dumps({"half": half, "size": size, "rows": name} | _alarms(known, drawn)), flush=True
                    )
    _compare_all(artifact, held_back, shifted)


def _scores(scheduler: Scheduler, texts: Sequence[str]) -> list[Score]:
    return [answer for answer in scheduler.score(texts) if isinstance(answer, Score)]


def _with_reference(artifact: Artifact, scores: Sequence[Score]) -> Artifact:
    reference = reference_of(Results.of(scores), artifact.manifest.labels)
    if reference is None:
        raise SystemExit("too few held-back rows for a reference")
    return replace(artifact, manifest=artifact.manifest.model_copy(update={"reference": reference}))


def _drawn(generator: np.random.Generator, rows: Sequence[Score], size: int) -> list[Score]:
    """Rows of a window; none if there are fewer."""
    return [rows[row] for row in generator.permutation(len(rows))[:size]] if len(rows) >= size else []


def _made(
    generator: np.random.Generator, rows: Sequence[Score], others: dict[str, list[Score]], size: int
) -> dict[str, list[list[Score]]]:
    """Windows of held-back rows in which some rows are of one label alone, or are other texts."""
    labels = rows[0].model.labels
    others = {
        f"rows of {label}": [one for one in rows if one.label == at] for at, label in enumerate(labels)
    } | others
    return {
        f"{share:.0%} {name}": [
            [
                *_drawn(generator, rows, size - round(share * size)),
                *_repeated(generator, found, round(share * size)),
            ]
            for _ in range(DRAWS)
        ]
        for name, found in others.items()
        for share in SHARES
        if found and len(rows) >= size
    }


def _repeated(generator: np.random.Generator, rows: Sequence[Score], count: int) -> list[Score]:
    return [rows[row] for row in generator.integers(0, len(rows), count)]


def _alarms(known: Artifact, windows: Sequence[Sequence[Score]]) -> dict[str, Any]:
    """Alarms of the consumer's own watch."""
    events: list[Event] = []
    watch = DriftWatch(known, len(windows[0]), events.append)
    for window in windows:
        watch.add(window)
    measured = [event for event in events if isinstance(event, DriftMeasured)]
    by = Counter(name for event in measured for name in event.drifted)
    return {"windows": len(measured), "alarms": sum(bool(event.drifted) for event in measured), "by": dict(by)}


def _compare_all(artifact: Artifact, held_back: Sequence[Score], shifted: Sequence[Score]) -> None:
    reference = _with_reference(artifact, held_back).manifest.reference
    assert reference is not None  # noqa: S101 - made above
    bins = Bins(reference, artifact.manifest.labels)
    counts = bins.counts(Results.of(shifted).values())
    level = FALSE_ALARMS / len(FEATURES)
    for name in FEATURES:
        limit = thresholds(bins.reference[name], len(shifted), level)
        found = distances(counts[name], bins.reference[name])
        print(json.dumps({"all rows": name, "psi": round(found.psi, 4), "limit": round(limit.psi, 4)}))
    for rows in LARGER:
        print(json.dumps({"if both were samples of": rows} | dict(_larger(bins, counts, rows, level))))


def _larger(bins: Bins, counts: Any, rows: int, level: float) -> Iterator[tuple[str, float]]:
    """The share of windows of as many rows that would alarm, were the files' shares those of the populations."""
    generator = np.random.default_rng(0)
    for name in FEATURES:
        ours, theirs = (one / one.sum() for one in (counts[name], bins.reference[name]))
        references = generator.multinomial(rows, theirs, size=DRAWS)
        limit = thresholds(references[0], rows, level)
        windows = generator.multinomial(rows, ours, size=DRAWS)
        found = [distances(*pair) for pair in zip(windows, references, strict=True)]
        yield name, sum(one.psi > limit.psi or one.js > limit.js for one in found) / DRAWS


if __name__ == "__main__":
    main()

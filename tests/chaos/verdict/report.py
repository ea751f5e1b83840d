"""Formats the records of chaos runs as one page: the faults and the findings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEAD = """# What was done to it, and what was found

Written by `make chaos` and `make mutants` from the JSON files in this folder, which hold every fault with its
time and seed. A run is a group of consumers (the product's own wiring around a scorer whose answers follow from
the text) on three nodes of Apache Kafka behind a proxy, all on one machine. An independent reader, which shares no
code with the consumer, reads everything back afterwards and judges it. In `real-exactly-once` the consumers score
tweets with MiniLM, in `real-baselines-exactly-once` with models of words (NBSVM, and logistic regression after a
swap); their answers are compared with those of the same scorer outside of Kafka, within 1e-4.

Some faults require an immediate reaction; the invariant *faults answered* counts missing reactions:

- A member whose log is not read, has no reader or is on a full disk works on, and stops within 10 s of SIGTERM.
  Any other member stops within this time too.
- A pass that hangs ends the process with 71. An outage that is longer than recoveries allow ends it with 75, as
  often as necessary; no text is dead-lettered for it.
- A record that no member can unpack (a quarter of a megabyte on the wire, 250 MB in memory, in members that are
  killed above 200 MB) ends the group with 76. The command that the last line names is run unchanged and moves the
  group past the record.
- All messages of a topic or partition that is added while the group runs are scored, and so are those of a topic
  that was deleted and created again. Of a deleted topic only the messages committed by then must be scored.
- A text that kills every process that scores it becomes a dead letter, and no other text does.

If a group begins at the end (`latest`: the second and third run), its first messages arrive while all its members
are down.
"""


RECOVERIES = """Recoveries are the times from a process's death until every partition with work had advanced,
median / p95 / maximum; *undisturbed* means that the group was not recovering from another death already, and that
no fault struck or ended in this time."""

MUTANTS = """Known bugs put into the consumer on purpose: {caught} of {count} caught, each by the expected
invariant; under the same faults the product itself passes. {date}, commits {commits}."""


def write(folder: Path) -> Path:
    """Writes README.md in the folder from the records in it; returns its path."""
    runs = [_load(file) for file in sorted(folder.glob("*-once-*.json"))]
    runs += [_load(file) for file in sorted(folder.glob("fifty-*.json"))]
    runs += [_load(file) for file in sorted(folder.glob("real-*.json"))]
    lines = [HEAD]
    if runs:
        lines += _runs(runs)
        lines += _faults(runs)
        lines += _invariants(runs)
    mutants = folder / "mutants.json"
    if mutants.is_file():
        lines += _mutants(_load(mutants))
    page = folder / "README.md"
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return page


def _load(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _runs(runs: list[dict[str, Any]]) -> list[str]:
    rows = [
        [
            f"[{run['part']}]({run['part']}.json)",
            run["protocol"],
            run["seed"],
            f"{run['date'][:10]}, {run['commit']}",
            f"{run['messages']:,}",
            f"{sum(run['faults'].values()):,}",
            f"{run['seconds'] / 60:.1f} min",
            _seconds(run["recoveries"]["undisturbed"]),
            _seconds(run["recoveries"]["disturbed"]),
            f"{run['longest_stall_s']} s",
            "all hold" if run["holds"] else "**broken**",
        ]
        for run in runs
    ]
    total = sum(sum(run["faults"].values()) for run in runs)
    messages = sum(run["messages"] for run in runs)
    return [
        "## Runs",
        "",
        f"{total:,} faults during {messages:,} messages. {runs[0]['machine']}.",
        "",
        RECOVERIES,
        "",
        *_table(
            [
                "run",
                "protocol",
                "seed",
                "date, commit",
                "messages",
                "faults",
                "time",
                "undisturbed",
                "disturbed",
                "longest stall",
                "",
            ],
            rows,
        ),
    ]


def _faults(runs: list[dict[str, Any]]) -> list[str]:
    kinds = list(dict.fromkeys(kind for run in runs for kind in sorted(run["faults"])))
    rows = [[kind, *(run["faults"].get(kind, 0) for run in runs)] for kind in kinds]
    return ["## Faults by kind", "", *_table(["fault", *(run["part"] for run in runs)], rows)]


def _invariants(runs: list[dict[str, Any]]) -> list[str]:
    lines = ["## Invariants", ""]
    for run in runs:
        lines += [f"### {run['part']}", ""]
        rows = [
            [one["name"], "holds" if one["holds"] else "**broken**", one["detail"]] for one in run["invariants"]
        ]
        lines += _table(["invariant", "", "found"], rows)
    return lines


def _mutants(records: list[dict[str, Any]]) -> list[str]:
    rows = [
        [
            f"`{one['module']}`",
            one["bug"],
            one["faults"],
            one["caught_by"] if one["caught"] else "**nothing**",
            one["detail"],
        ]
        for one in records
    ]
    caught = sum(one["caught"] for one in records)
    date = max(one["date"] for one in records)[:10]
    commits = ", ".join(sorted({one["commit"] for one in records}))
    return [
        "## Mutants",
        "",
        MUTANTS.format(caught=caught, count=len(rows), date=date, commits=commits),
        "",
        *_table(["mutant", "bug", "faults", "caught by", "found"], rows),
    ]


def _seconds(figures: dict[str, float]) -> str:
    if not figures["count"]:
        return "none"
    return f"{figures['median_s']} / {figures['p95_s']} / {figures['max_s']} s of {figures['count']}"


def _table(head: list[str], rows: Iterable[Iterable[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows), ""]

"""The measurements of the run, computed from `sentiments` alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel
from rich.table import Table
from sklearn.metrics import f1_score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from demo.replay import Replay
    from demo.show import Arrival

SUMMARY = "summary.json"


class Latency(BaseModel):
    """Milliseconds from a producer's timestamp to this subscriber, over the paced part."""

    median_ms: float
    p99_ms: float


class Summary(BaseModel):
    """Figures that were all measured in this run."""

    finished_at: datetime
    messages: int
    rate_per_s: float | None
    """Results per second of the part that was sent at once; None without such a part."""
    latency: Latency
    labels: dict[str, int]
    accuracy: float
    macro_f1: float
    model_name: str
    model_version: str
    model_folder: str
    delivery: str = "at-least-once"
    broker: str = "librdkafka mock cluster"


def summarise(arrivals: Sequence[Arrival], replay: Replay, model: Path, folder: Path) -> Summary:
    """Computes the summary and writes it to summary.json; a repeated result counts once."""
    first = {arrival.result.id: arrival for arrival in reversed(arrivals)}
    paced = [arrival.latency_ms for key, arrival in first.items() if key in replay.paced_ids]
    burst = [arrival.at for key, arrival in first.items() if key not in replay.paced_ids]
    truth = [replay.labels[key] for key in first]
    labels = [arrival.result.label for arrival in first.values()]
    ref = arrivals[-1].result.model
    summary = Summary(
        finished_at=datetime.now(UTC),
        messages=len(arrivals),
        rate_per_s=round(len(burst) / (max(burst) - replay.burst_at), 1) if burst else None,
        latency=Latency(
            median_ms=round(float(np.median(paced)), 1), p99_ms=round(float(np.percentile(paced, 99)), 1)
        ),
        labels=dict(sorted(Counter(labels).items())),
        accuracy=round(float(np.mean([a == b for a, b in zip(truth, labels, strict=True)])), 4),
        macro_f1=round(float(f1_score(truth, labels, average="macro")), 4),
        model_name=ref.name,
        model_version=ref.version,
        model_folder=str(model),
    )
    (folder / SUMMARY).write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return summary


def print_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Prints the figures and what to run next."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    rows = [
        ("messages", f"{summary.messages} results read back from sentiments"),
        (
            "rate",
            f"{summary.rate_per_s} a second, of the part sent at once" if summary.rate_per_s else "paced only",
        ),
        (
            "latency",
            f"median {summary.latency.median_ms:.0f} ms, p99 {summary.latency.p99_ms:.0f} ms, paced part",
        ),
        ("labels", ", ".join(f"{count} {label}" for label, count in summary.labels.items())),
        ("accuracy", f"{summary.accuracy:.3f} (macro-F1 {summary.macro_f1:.3f}) against the held-out labels"),
        ("model", f"{summary.model_folder} ({summary.model_name} {summary.model_version})"),
        ("written to", str(folder / SUMMARY)),
    ]
    for name, value in rows:
        table.add_row(f"[bold]{name}[/]", value)
    console.print("\n[bold]Summary[/]")
    console.print(table)
    console.print(
        "\n[bold]Next[/]\n"
        f"  score a sentence   .venv/bin/sentiment-consumer score --model {summary.model_folder} 'I love this'\n"
        "  a real Kafka       make kafka, and in another terminal the commands that it prints\n"
        "  your own data      README.md, Train on your own data"
    )

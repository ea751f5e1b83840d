"""`python -m consumer.monitoring.reference FILE`: writes the table of all metrics into a Markdown page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumer.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.metrics import Metric

BEGIN: Final = "<!-- metrics -->"
END: Final = "<!-- end metrics -->"


def page(text: str) -> str:
    """The page with a new table between BEGIN and END."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(_table())
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _table() -> Iterator[str]:
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in METRICS:
        yield f"| `{metric.name}` | {metric.kind} | {_labels(metric)} | {metric.meaning} |"


def _labels(metric: Metric) -> str:
    return "; ".join(
        f"`{label.name}`" + (f": {', '.join(label.values)}" if label.values else "") for label in metric.labels
    )


def main() -> None:
    """Writes the page anew."""
    file = Path(sys.argv[1])
    file.write_text(page(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a report is made from: the readable files of a model folder, and texts only if they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from trainer.evaluation.html.charts.plot import SERIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.model_folder.manifest import Manifest
    from trainer.evaluation.diagnostics.stored import Diagnostics
    from trainer.evaluation.report import Report

# The colours that the terminal and the consumer's pages have for them.
_SERIES_OF: Final = {"positive": 0, "negative": 1, "neutral": 5}
MOST_CURVES: Final = 8
"""Labels in one chart; the tables have all."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that sections read."""

    manifest: Manifest
    version: str
    report: Report
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """metrics.json as it is, for parts that not every model has."""
    diagnostics: Diagnostics | None = None
    comparison: Mapping[str, Any] | None = None
    """Of `compare`, if it was added to the folder."""
    inspection: Mapping[str, Any] | None = None
    """Of `inspect`, the same."""
    texts: Mapping[str, str] | None = None
    """Texts by row id; None: the report shows none."""

    def series(self) -> dict[str, int]:
        """The colour of each label."""
        free = [index for index in range(SERIES) if index not in _SERIES_OF.values()]
        known = set(self.manifest.labels) <= set(_SERIES_OF)
        return {
            label: _SERIES_OF[label] if known else index if index < SERIES else free[index % len(free)]
            for index, label in enumerate(self.manifest.labels)
        }


def at(tree: Any, *path: str) -> Any:
    """The value at a path of names in nested mappings; None where there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def mapping(tree: Any, *path: str) -> dict[str, Any]:
    """The mapping at a path; an empty one where there is none."""
    found = at(tree, *path)
    return found if isinstance(found, dict) else {}


def listing(tree: Any, *path: str) -> list[Any]:
    """The list at a path; an empty one where there is none."""
    found = at(tree, *path)
    return found if isinstance(found, list) else []


def number(value: Any) -> str:
    """A figure for display; `-` for what is not known."""
    if isinstance(value, bool) or value is None:
        return "-" if value is None else "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def interval(bounds: tuple[float, float]) -> str:
    """A 95 % interval."""
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}"

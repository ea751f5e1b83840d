"""The newest records that a viewer's filters let through. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.views.selection import Selection
    from dashboard.window.recent import Entry, Recent

SHOWN: Final = 25
"""Records of a frame."""


def sample(recent: Recent, selection: Selection, shown: int = SHOWN) -> list[dict[str, Any]]:
    """Newest first; of the chosen stretch of time, where one is chosen."""
    return [_row(entry) for entry in islice(_matching(recent, selection), shown)]


def _matching(recent: Recent, selection: Selection) -> Iterator[Entry]:
    text = selection.text.casefold()
    for entry in recent.newest_first():
        one = entry.record
        if (
            selection.label in {"", one.label}
            and selection.model in {"", f"{one.model_name} {one.model_version}"}
            and selection.group in {"", one.group}
            and selection.topic in {"", one.source.topic if one.source else ""}
            and (selection.start is None or selection.start * 1000 <= one.event_ms)
            and (selection.end is None or one.event_ms < selection.end * 1000)
            and (not text or text in entry.text.casefold())
        ):
            yield entry


def _row(entry: Entry) -> dict[str, Any]:
    one = entry.record
    return {
        "number": entry.number,
        "id": one.id,
        "at_ms": one.event_ms,
        "scored_ms": one.scored_ms,
        "label": one.label,
        "score": one.score,
        "probabilities": one.probabilities,
        "uncertain": one.uncertain,
        "truncated": one.truncated,
        "segments": one.segments,
        "model": f"{one.model_name} {one.model_version}",
        "group": one.group,
        "state": entry.state,
        "text": entry.text,
        "cut_chars": entry.cut_chars,
        "source": None if one.source is None else list(one.source),
        "place": list(one.place),
    }

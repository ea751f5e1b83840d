"""How dead letters are shown: aligned lines or JSON Lines on standard output, and nothing a terminal obeys.

Whoever can write to an input topic chooses these texts, so every text goes through `printable`.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from shared.reasons import kind_of
from shared.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from consumer.dlq.letters import Index, Wanted
    from consumer.dlq.replay import Outcome
    from shared.dlq.letters import Envelope, Letter
    from shared.messages import Headers

SHOWN: Final = 20
"""Letters listed unless --limit says otherwise."""


def print_index(index: Index, wanted: Wanted, limit: int | None) -> None:
    """Prints counts of the letters that are wanted, and the newest of them, newest first."""
    console = _console()
    found = _newest_first(index, wanted)
    replayed = sum(envelope.origin in index.replayed for envelope in found)
    other = f", and {index.foreign} other records" if index.foreign else ""
    console.print(f"{len(found)} of {len(index.envelopes)} letters{other}; {replayed} replayed")
    if not found:
        return
    console.print()
    _print_table(console, ("letters", "replayed", "newest", "stage", "error", "reason"), _groups(index, found))
    listed = found[: SHOWN if limit is None else limit]
    if listed:
        console.print()
        _print_table(
            console,
            ("letter", "input", "written", "stage", "error", "replayed to", "reason"),
            [_row(envelope, index) for envelope in listed],
        )
    if len(listed) < len(found):
        console.print(f"\n{len(found) - len(listed)} older letters are not listed; --limit shows more")


def print_json(index: Index, wanted: Wanted, limit: int | None) -> None:
    """Prints the letters that are wanted as JSON Lines in ASCII, newest first."""
    for envelope in _newest_first(index, wanted)[:limit]:
        origin = envelope.origin
        fields = {
            "letter": str(envelope.place),
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "timestamp": origin.timestamp_ms,
            "written_at": _time(envelope.written_ms),
            "stage": envelope.stage,
            "error": envelope.error,
            "reason": envelope.reason,
            "value_left_bytes": envelope.value_left_bytes,
            "replayed_to": index.replayed.get(origin, []),
        }
        # ASCII, so that no control or direction character reaches a terminal.
        print(json.dumps(fields))  # noqa: T201


def print_letter(letter: Letter, replayed: Sequence[str], *, content: bool) -> None:
    """Prints one letter; key and value only with `content`, as one line each."""
    envelope, console = letter.envelope, _console()
    left = envelope.value_left_bytes
    lines: list[tuple[str, str]] = [
        ("letter", str(envelope.place)),
        ("written", _time(envelope.written_ms)),
        ("input", str(envelope.origin)),
        ("stage", envelope.stage),
        ("error", envelope.error),
        ("reason", envelope.reason),
        ("replayed to", ", ".join(replayed) or "-"),
        ("key", _size(letter.key)),
        ("value", _size(letter.value) if left is None else f"stayed behind: {left} bytes at the input's place"),
    ]
    if content:
        lines += [("key text", _decoded(letter.key)), ("value text", _decoded(letter.value))]
    _print_pairs(console, lines)
    for title, headers in (("headers of the input", letter.headers), ("headers of the service", letter.added)):
        console.print(f"\n{title}: {len(headers)}")
        _print_pairs(console, _header_lines(headers))


def print_outcome(outcome: Outcome, *, dry_run: bool = False) -> None:
    """Says which letters cannot be replayed and why, then how many were, or would be, replayed."""
    console, todo = _console(), outcome.plan
    for envelope, reason in todo.left_behind:
        console.print(_whole(f"{envelope.place} cannot be replayed: {reason}; its input was {envelope.origin}"))
    done = outcome.replayed
    each = ", ".join(f"{printable(topic).plain} {count}" for topic, count in sorted(done.items()))
    parts = [
        f"{'would replay' if dry_run else 'replayed'} {done.total()} letters{f': {each}' if each else ''}",
        *([f"{outcome.unsent} left, as it was stopped or they are gone"] if outcome.unsent else []),
        *([f"{len(todo.left_behind)} cannot be"] if todo.left_behind else []),
        *([f"{todo.replayed_before} skipped: already replayed"] if todo.replayed_before else []),
        *([f"{todo.repeated} repeat an input"] if todo.repeated else []),
    ]
    console.print(Text("; ".join(parts)))


def _newest_first(index: Index, wanted: Wanted) -> list[Envelope]:
    return [envelope for envelope in reversed(index.envelopes) if envelope in wanted]


def _groups(index: Index, newest_first: Iterable[Envelope]) -> list[tuple[str, ...]]:
    """Counts by stage, error and reason, newest first; reasons that differ only in numbers are one group."""
    newest: dict[tuple[str, str, str], int] = {}
    letters: Counter[tuple[str, str, str]] = Counter()
    replayed: Counter[tuple[str, str, str]] = Counter()
    for envelope in newest_first:
        group = envelope.stage, envelope.error, kind_of(envelope.reason)
        newest.setdefault(group, envelope.written_ms)
        letters[group] += 1
        replayed[group] += envelope.origin in index.replayed
    return [(str(letters[group]), str(replayed[group]), _time(at), *group) for group, at in newest.items()]


def _row(envelope: Envelope, index: Index) -> tuple[str, ...]:
    replayed = ", ".join(index.replayed.get(envelope.origin, [])) or "-"
    why = (envelope.stage, envelope.error, replayed, envelope.reason)
    return (str(envelope.place), str(envelope.origin), _time(envelope.written_ms), *why)


def _print_table(console: Console, titles: tuple[str, ...], rows: Collection[tuple[str, ...]]) -> None:
    """Aligned columns; the last one is never padded or cut, so that lines can be searched in a pipe."""
    harmless = [tuple(_whole(cell).plain for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *harmless, strict=True)]
    widths[-1] = 0
    for style, row in [("bold", titles), *(("", row) for row in harmless)]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(Text(line, style))


def _print_pairs(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    width = max((len(_whole(name).plain) for name, _ in pairs), default=0)
    for name, value in pairs:
        console.print(Text.assemble((f"{_whole(name).plain:<{width}}", "bold"), "  ", _whole(value)))


def _header_lines(headers: Headers) -> list[tuple[str, str]]:
    return [(f"  {name}", "null" if value is None else _decoded(value)) for name, value in headers]


def _decoded(content: bytes | None) -> str:
    """Decodes for `printable`; bytes that are not UTF-8 become escapes."""
    return "null" if content is None else content.decode(errors="backslashreplace")


def _whole(text: str) -> Text:
    return printable(text, max_chars=len(text))


def _size(content: bytes | None) -> str:
    return "null" if content is None else f"{len(content)} bytes"


def _time(epoch_ms: int) -> str:
    """RFC 3339, or the number for what no calendar holds: a producer may write any into a timestamp."""
    try:
        at = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms"
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _console() -> Console:
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

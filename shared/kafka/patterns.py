"""Patterns of input topics that mean the same in both group protocols, and their matching.

With `classic` librdkafka matches in the client: a POSIX extended expression of libc that may match any part of a
name. With `consumer` the broker matches: RE2, and the whole name must match. So a pattern is `^`, then only syntax
that both read alike, then `$` or `.*`.
"""

from __future__ import annotations

import re
from typing import Final

MAX_LENGTH: Final = 249
"""Maximum characters of a pattern, as for the name of a topic."""

_CLASS: Final = r"\[\^?-?(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[A-Za-z0-9._])+-?\]"
_ONE: Final = rf"[A-Za-z0-9_-]|\\\.|\.|{_CLASS}"
# RE2 repeats at most 1,000 times, and reads {,3} as plain characters, libc as a range.
_PIECE: Final = rf"(?:{_ONE})(?:[*+?]|\{{[1-9][0-9]{{0,2}}\}})?"
_GROUP: Final = rf"\((?:{_PIECE})+(?:\|(?:{_PIECE})+)*\)\??"
_ITEM: Final = re.compile(rf"{_PIECE}|{_GROUP}")
_BODY: Final = re.compile(rf"\^(?:{_ITEM.pattern})+")
_PARTS: Final = re.compile(rf"({_ONE})(?:([*+?])|\{{([0-9]+)\}})?")
_OPEN_END: Final = re.compile(r"(?<!\\)\.\*$")
_ALLOWED: Final = (
    r"letters, digits, _ - \. . [a-z0-9] [^a-z] (one|other), repeated by * + ? {3}; a group only by ?"
)


def check_pattern(pattern: str) -> None:
    """Raises ValueError with both meanings if the two protocols could read the pattern differently."""
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a pattern has {MAX_LENGTH} characters at most, and this one {len(pattern)}")
    body = _BODY.match(pattern)
    end = body.end() if body else 1
    rest = pattern[end:]
    if body and rest.startswith("|"):
        raise ValueError(
            f"{pattern!r}: with group_protocol classic each side of | may fit any part of a name, with consumer a "
            "side must fit the whole name; put the alternatives into parentheses: ^(one|other)$"
        )
    if body and not rest and not _OPEN_END.search(pattern):
        raise ValueError(
            f"{pattern!r}: with group_protocol classic it matches every topic whose name begins so, with consumer "
            "only a topic of exactly this name; end it with .* or $"
        )
    if not body or rest not in {"", "$"}:
        raise ValueError(
            f"{pattern!r}: not accepted from character {end + 1} on; librdkafka (group_protocol classic) reads "
            "patterns as POSIX extended expressions, the broker (consumer) as RE2, and only what both read alike "
            f"is accepted: {_ALLOWED}"
        )
    try:
        re.compile(pattern)
    except re.error as error:  # a range such as z-a
        raise ValueError(f"{pattern!r}: {error}") from None


def matches(pattern: str, topic: str) -> bool:
    """Whether a checked pattern matches the name of a topic, as in both protocols.

    It tracks all positions in the name at once. Python's `re` backtracks, which takes a minute for five `[a-z]+`
    and a name of 249 characters, and anybody may have created such a topic.
    """
    places = {0}
    for item in _ITEM.findall(pattern, 1):
        if item.startswith("("):
            ways = [_after(way, topic, places) for way in item[1 : item.rindex(")")].split("|")]
            places = set().union(*ways, places if item.endswith("?") else ())
        else:
            places = _after(item, topic, places)
    return len(topic) in places


def _after(pieces: str, topic: str, places: set[int]) -> set[int]:
    """The positions at which a match of all pieces can end if it begins at one of `places`."""
    for one, repeat, count in _PARTS.findall(pieces):
        if repeat == "?":
            places = places | _step(one, topic, places)
        elif repeat:
            reached = new = places if repeat == "*" else _step(one, topic, places)
            while new:
                new = _step(one, topic, new) - reached
                reached = reached | new
            places = reached
        else:
            for _ in range(int(count or 1)):
                places = _step(one, topic, places)
    return places


def _step(one: str, topic: str, places: set[int]) -> set[int]:
    character = re.compile(one)
    return {place + 1 for place in places if character.match(topic, place)}

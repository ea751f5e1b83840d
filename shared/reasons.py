"""Stages and reasons of dead letters.

A letter of stage `publish` has the broker's error name instead of a `Reason`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, Self

_NUMBER: Final = re.compile(r"(?<![\w-])[0-9]+")  # not that of UTF-8


class Stage(StrEnum):
    """The step at which a record failed."""

    DECODE = "decode"
    SCORE = "score"
    ENCODE = "encode"
    PUBLISH = "publish"


class Reason(StrEnum):
    """Why a record was not scored, as `dlq list` shows it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Makes a member whose value is the name in the header, with an explanation in `meaning`."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    BAD_RECORD = "BadRecord", "the value holds no text that can be read"
    NULL_RECORD = "NullRecord", "a deletion, with --on-null dead-letter"
    ALREADY_SCORED = "already_scored", "a result of this service that came back as an input"
    FORWARD_PASS_FAILED = "ForwardPassFailed", "the model fails on this text alone"
    OUT_OF_MEMORY = "OutOfMemory", "this text alone takes more memory than the device has"
    NOT_FINITE = "NotFinite", "the model's answer to this text is not a number"
    TOKENIZER_FAILED = "TokenizerFailed", "the tokenizer fails on this text alone"
    PROCESS_DIED = "ProcessDied", "processes crashed again and again while they scored this record alone"
    RECORD_WITHOUT_KEY = "RecordWithoutKey", "the output topic is compacted and the input has no key"
    RECORD_TOO_LARGE = "RecordTooLarge", "the result is larger than the output topic takes"


def kind_of(reason: str) -> str:
    """The reason of a letter with N for its numbers: letters that differ only in a position are of one kind."""
    return _NUMBER.sub("N", reason)

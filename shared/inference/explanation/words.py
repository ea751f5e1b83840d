"""The words of a text that an explanation gives a weight to, and the scale of these weights."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Method(StrEnum):
    """How the weights are found."""

    OCCLUSION = "occlusion"
    GRADIENTS = "gradients"


MAX_WORDS: Final = 128
"""Words with a weight of their own; in a longer text neighbours share one, which bounds the passes of a text."""
DECIMALS: Final = 4
LEAST: Final = 1e-9
"""Probabilities are kept that far from 0 and 1: results have six decimals, and log-odds stay finite."""

# Scripts without spaces: each sign by itself.
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['\u2019][^\W{_UNSPACED}]+)*|[^\w\s]+")


class Span(NamedTuple):
    """Characters of a text, from `start` to before `end`."""

    start: int
    end: int


class Word(NamedTuple):
    """A word, or neighbours that share a weight."""

    text: str
    weight: float
    """What it adds to the log-odds of the label; negative if it speaks against the label."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its label."""

    method: Method
    label: str
    log_odds: float
    """Of the label, by the published probability p: log(p / (1 - p))."""
    words: tuple[Word, ...]
    """In the order of the normalised text."""

    def rounded(self) -> dict[str, Any]:
        """What JSON says of it, in DECIMALS decimals."""
        words = [{"text": word.text, "weight": round(word.weight, DECIMALS)} for word in self.words]
        log_odds = round(self.log_odds, DECIMALS)
        return {"method": self.method, "label": self.label, "log_odds": log_odds, "words": words}


def spans(text: str) -> list[Span]:
    """The words of a normalised text, at most MAX_WORDS of them."""
    found = [Span(*one.span()) for one in _WORD.finditer(text)]
    if len(found) <= MAX_WORDS:
        return found
    edges = [number * len(found) // MAX_WORDS for number in range(MAX_WORDS + 1)]
    return [Span(found[first].start, found[after - 1].end) for first, after in pairwise(edges)]


def log_odds(probabilities: Sequence[float], label: int) -> float:
    """log(p / (1 - p)) of a label."""
    share = min(max(probabilities[label], LEAST), 1 - LEAST)
    return math.log(share / (1 - share))

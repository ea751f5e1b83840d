"""The whole suite: the same sentences on every machine and in every run."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Final

from shared.text import normalise
from trainer.evaluation.behaviour.capabilities import (
    emoji,
    identity,
    links,
    names,
    negation,
    opinion_holder,
    question_answer,
    temporal,
    typos,
    vocabulary,
)

if TYPE_CHECKING:
    from trainer.evaluation.behaviour.cases import Capability

_MODULES: Final = (
    vocabulary,
    negation,
    temporal,
    opinion_holder,
    question_answer,
    typos,
    names,
    links,
    emoji,
    identity,
)


@cache
def suite() -> tuple[Capability, ...]:
    """All capabilities, in the order of `cases.NAMES`."""
    return tuple(module.capability() for module in _MODULES)


@cache
def sentences() -> tuple[str, ...]:
    """Every text of the suite once, in order."""
    return tuple(dict.fromkeys(text for one in suite() for test in one.tests for text in test.texts))


@cache
def suite_version() -> str:
    """First 12 hex digits of a SHA-256 over all cases and expectations; compare figures of one version only."""
    tested = repr(
        [
            (one.name, test.name, test.kind, sorted(test.expected), test.cases)
            for one in suite()
            for test in one.tests
        ]
    )
    return hashlib.sha256(tested.encode()).hexdigest()[:12]


@cache
def held_out_texts() -> frozenset[str]:
    """Keys of all sentences, as `remove_duplicates` makes them: training rows with such a key are left out."""
    return frozenset(normalise(text).casefold() for text in sentences())

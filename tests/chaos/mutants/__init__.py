"""Known bugs, put into the consumer on purpose, and the faults under which the suite has to catch each.

A mutant is a module with `apply()`, which a member of the chaos suite calls before it wires the product. A bug
that no fault of the suite reveals in reasonable time names the unit test that has to fail instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug: its module, a description, the invariant that has to fail, and the faults that reveal it."""

    module: str
    bug: str
    caught_by: str
    sign: str
    """What the failed invariant has to report: records lost, or seen more than once."""
    plan: Mapping[str, int] = field(default_factory=dict)
    messages: int = 8_000
    pass_s: float = 0.04
    """Duration of a forward pass in seconds."""
    gap_s: tuple[float, float] = (0.2, 1.2)
    """Seconds between two faults."""
    at_once: bool = True
    """Whether all messages are sent before the first fault."""
    pattern: bool = False
    """Whether there are topics in addition to the main one."""
    reset: str = "earliest"
    """Where a group without commits begins."""
    stretch_s: float = 0.0
    """Seconds for which every transaction is half written, so that a late EndTxn finds it so."""


@dataclass(frozen=True, slots=True)
class UnitMutant:
    """One bug: its module, a description, and the unit tests of which one has to fail."""

    module: str
    bug: str
    tests: str
    """A file, or one test in it."""


ONCE: Final = "everything once"
ANSWERED: Final = "faults answered"
LOST: Final = "lost"
UNDONE: Final = "left undone"
TWICE: Final = "more than once"

_FENCE: Final = {"duplicate transactional.id": 4}

MUTANTS: Final = (
    Mutant("delivery.commit_position", "commits the client's position", ONCE, LOST, {"consumer kill -9": 6}),
    Mutant("delivery.no_rewind", "goes on after a failed publish without going back", ONCE, LOST, _FENCE),
    Mutant(  # rows of every partition have to be in flight for longer than it takes to reach the new owner
        "delivery.no_token",
        "publishes rows of a revoked partition",
        ONCE,
        TWICE,
        {"replica added or removed": 8},
        messages=2_500,
        pass_s=0.25,
        gap_s=(3.0, 4.0),
        at_once=False,
    ),
    Mutant("delivery.offsets_outside", "commits offsets after the transaction", ONCE, TWICE, {"failpoint": 8}),
    Mutant(
        "delivery.letters_outside",
        "writes dead letters outside of the transaction",
        ONCE,
        TWICE,
        {"failpoint": 13},
    ),
    Mutant(
        "delivery.no_recycle",
        "keeps its producer after a slow commit",
        ONCE,
        TWICE,
        {"delayed EndTxn": 8},
        stretch_s=0.25,
    ),
    Mutant(  # messages arrive in many small portions, so that reads wait for more while they hold some
        "delivery.raising_callback",
        "goes on after a callback of the client has raised",
        ONCE,
        LOST,
        {"connections reset": 16},
        pass_s=0.01,
        gap_s=(0.5, 1.0),
        at_once=False,
    ),
    Mutant(  # a fence is met at the next portion, which is skipped; only the commit after that makes it a loss
        "delivery.latest_rewind",
        "goes back to the end, not to the commit",
        ONCE,
        LOST,
        _FENCE | {"connections reset": 8},
        messages=10_000,
        gap_s=(1.5, 2.5),
        at_once=False,
    ),
    Mutant(
        "rules.orderly_end_counted",
        "counts an end in order as a crash",
        ONCE,
        "in the wrong topic",
        {"outage": 1},
        messages=3_000,
        at_once=False,
    ),
    Mutant(  # the group is killed before its first message
        "rules.pin_not_committed",
        "does not commit where a new group begins",
        ONCE,
        UNDONE,
        {"consumer kill -9": 1},
        messages=3_000,
        at_once=False,
        reset="latest",
    ),
    Mutant(
        "rules.loop_guard_off",
        "scores results that come back",
        ONCE,
        "in the wrong topic",
        {"consumer kill -9": 1},
    ),
    Mutant(
        "rules.log_before_act",
        "logs a signal before it stops",
        ANSWERED,
        "that were not answered",
        {"stderr blocked": 3},
        at_once=False,
    ),
)

UNIT_MUTANTS: Final = (
    UnitMutant(
        "rules.hash_before_load",
        "loads other bytes than those that were hashed",
        "tests/unit/shared/model_folder/test_model_swap.py::test_what_answers_is_what_was_hashed[torch-model.safetensors]",
    ),
)

"""The operator reads what an error says is to be done."""

from __future__ import annotations

import pytest

from tests.chaos.operators import Move, move_of

WHOLE = (
    "error: texts[3]: 3 processes ended at offset 7; kafka-consumer-groups --group g --reset-offsets "
    "--topic texts:3 --to-offset 8 --execute moves the group past it"
)
TARGET_ALONE = (
    "error: side-1[0]: the committed offset 60 no longer exists; move the group on with "
    "kafka-consumer-groups --reset-offsets --to-earliest"
)


@pytest.mark.parametrize(
    ("line", "move"),
    [
        (WHOLE, Move("texts:3", ("--to-offset", "8"))),
        (TARGET_ALONE, Move("side-1:0", ("--to-earliest",))),
        ("error: no such topic: texts", None),
    ],
)
def test_a_command_is_read_from_an_error(line: str, move: Move | None) -> None:
    """Given the last line of a process, then its command is found, its topic elsewhere in the line if need be."""
    assert move_of(line) == move

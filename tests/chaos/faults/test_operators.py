"""The operator extracts the required action from an error."""

from __future__ import annotations

import pytest

from tests.chaos.faults.operators import Move, move_of

COMMAND = "kafka-consumer-groups --bootstrap-server SERVER --group g --topic texts:3 --reset-offsets"
BOMB = (
    f"error: texts[3]: 3 processes ended before they had read the record at offset 7. To try again: {COMMAND} "
    "--to-offset 7 --execute. To go on without it: the same with --to-offset 8, or later. Then start again"
)
RECREATED = (
    f"error: the topic texts was created again. Run {COMMAND.replace(':3', '')} --to-earliest --execute, then"
)


@pytest.mark.parametrize(
    ("line", "move"),
    [
        (BOMB, Move("texts:3", ("--to-offset", "8"))),
        (RECREATED, Move("texts", ("--to-earliest",))),
        ("error: no such topic: texts", None),
    ],
)
def test_a_command_is_read_from_an_error(line: str, move: Move | None) -> None:
    """Given the last line of a process, then its command is found; of several, the one that continues."""
    assert move_of(line) == move

"""Members of a chaos run: who is held does not start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.chaos.faults.members import RESTART_S, Exit, Member

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 10
STOP_S = 10.0


def test_a_member_held_while_it_starts_is_stopped_or_does_not_start(tmp_path: Path) -> None:
    """An operator who lets the group go and stops it again at once must not leave one running."""
    exits: list[Exit] = []
    member = Member(
        "m0",
        tmp_path,
        {},
        command=("-c", "import time; time.sleep(600)"),
        ended=exits.append,
        clock=time.monotonic,
    )
    try:
        for _ in range(ROUNDS):
            member.hold()
            assert member.stop_by(STOP_S) is not None
            time.sleep(2 * RESTART_S)
            assert not member.alive
            member.release()
    finally:
        member.abandon()
    assert all(one.took_s is not None and one.took_s < STOP_S for one in exits if one.asked)

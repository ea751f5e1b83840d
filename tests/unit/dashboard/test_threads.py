"""A thread that fails is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard import threads
from dashboard.threads import start_guarded
from shared.logs import EXIT_UNFORESEEN

if TYPE_CHECKING:
    import pytest


def test_a_thread_that_fails_ends_the_process_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given work that raises, then its name and the kind of the error are said, and the exit code is 70."""
    said: list[str] = []
    codes: list[int] = []
    monkeypatch.setattr(threads, "say_error", said.append)

    def fail() -> None:
        raise ZeroDivisionError("a text that must not be shown")

    start_guarded(fail, "pulse", codes.append).join(5)

    assert codes == [EXIT_UNFORESEEN]
    assert len(said) == 1
    assert said[0].startswith("the thread pulse of the dashboard has ended: unforeseen ZeroDivisionError")
    assert "must not be shown" not in said[0]


def test_a_thread_that_ends_by_itself_ends_nothing_else() -> None:
    """Given work that returns, then the process goes on."""
    codes: list[int] = []
    start_guarded(lambda: None, "reader", codes.append).join(5)
    assert codes == []

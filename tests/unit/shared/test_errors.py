"""Exit codes tell an operator, or a supervisor, why a process ended."""

from __future__ import annotations

import inspect

from shared import errors
from shared.errors import BadRecord, SentimentError

ENDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SentimentError)]


def test_every_end_has_an_exit_code_of_its_own() -> None:
    """Given all errors that end a process, when compared, then no two share a code, nor 0, 1, 2 or a signal's."""
    codes = {kind.exit_code for kind in ENDS}

    assert len(codes) == len(ENDS) == 12
    assert all(2 < code < 128 for code in codes)


def test_the_module_lists_every_error_with_its_code() -> None:
    """Given the tree at the top of the module, when read, then it names each error and its code."""
    for kind in ENDS:
        assert any(
            kind.__name__ in line and str(kind.exit_code) in line for line in (errors.__doc__ or "").splitlines()
        )


def test_a_bad_record_ends_no_process() -> None:
    """Given bad data of the stream, when it is raised, then no handler for the end of the process catches it."""
    assert not issubclass(BadRecord, SentimentError)

"""Patterns mean the same in libc, in RE2 and here, or they are refused with both interpretations."""

from __future__ import annotations

import ctypes
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.patterns import MAX_LENGTH, check_pattern, matches

POSIX = ctypes.CDLL(None)
REG_EXTENDED, REG_NOSUB = 1, 8


def libc_matches(pattern: str, topic: str) -> bool:
    """What librdkafka uses: `regcomp` and `regexec` of libc, extended, anywhere in the name."""
    compiled = ctypes.create_string_buffer(1024)  # regex_t has 64 bytes in glibc
    assert POSIX.regcomp(compiled, pattern.encode(), REG_EXTENDED | REG_NOSUB) == 0, pattern
    try:
        return bool(POSIX.regexec(compiled, topic.encode(), 0, None, 0) == 0)
    finally:
        POSIX.regfree(compiled)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("^texts-.*", ["texts-", "texts-1"], ["texts", "x-texts-1"]),
        ("^texts$", ["texts"], ["texts-1", "x-texts"]),
        (r"^a\.b$", ["a.b"], ["axb"]),
        (r"^a\.+$", ["a.", "a.."], ["a", "ab"]),
        ("^(texts|tweets)-eu$", ["texts-eu", "tweets-eu"], ["texts-us", "texts"]),
        ("^texts(-v[0-9]+)?$", ["texts", "texts-v12"], ["texts-v", "texts-"]),
        ("^day-[0-9]{4}-[0-9]{2}$", ["day-2026-11"], ["day-26-11"]),
        ("^[^a-z]x$", ["-x", "Ax"], ["ax", "x"]),
        ("^[a-c._-]+$", ["a.b-c_"], ["d", ""]),
        ("^.*", ["", "anything"], []),
    ],
)
def test_what_a_pattern_covers(pattern: str, yes: list[str], no: list[str]) -> None:
    """Given an accepted pattern, then it covers these names and not those, as in libc."""
    check_pattern(pattern)

    for topic in [*yes, *no]:
        assert matches(pattern, topic) is libc_matches(pattern, topic) is (topic in yes), topic


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("^texts", "classic it matches every topic whose name begins so, with consumer only a topic of exactly"),
        (r"^texts\.*", "end it with .* or $"),
        ("^a$|b$", "not accepted from character 3"),
        ("^a|b$", "put the alternatives into parentheses"),
        ("^", "not accepted from character 2"),
        ("^$", "not accepted from character 2"),
        ("^[", "only what both read alike"),
        ("^in(?<!x)-.*", "not accepted from character 4"),
        ("^in-(?!x).*", "not accepted from character 5"),
        ("^(?i:IN)-.*", "not accepted from character 2"),
        ("^(?P<n>in)-.*", "not accepted from character 2"),
        (r"^in-\d+$", "not accepted from character 5"),
        (r"^in-\w.*", "not accepted from character 5"),
        (r"^(a)\1$", "not accepted from character 5"),
        ("^in-[[:alpha:]]+$", "not accepted from character 5"),
        ("^[]a]$", "not accepted from character 2"),
        ("^in-.{0,5000}$", "not accepted from character 6"),
        ("^in-.{,3}$", "not accepted from character 6"),
        ("^a{0}$", "not accepted from character 3"),
        ("^a**$", "not accepted from character 4"),
        ("^a*?$", "not accepted from character 4"),
        ("^(a)+$", "not accepted from character 5"),
        ("^(a|)$", "not accepted from character 2"),
        ("^(a(b))$", "not accepted from character 2"),
        ("^a^b$", "not accepted from character 3"),
        ("^a b$", "not accepted from character 3"),
        ("^a\n$", "not accepted from character 3"),
        ("^[z-a]$", "bad character range z-a"),
        ("^x{99999999999999999999}", "not accepted from character 3"),
        ("^" + "(" * 9_000, f"a pattern has {MAX_LENGTH} characters at most"),
    ],
)
def test_what_the_two_protocols_could_read_differently_is_refused(pattern: str, reason: str) -> None:
    """Given a pattern of one dialect only, or without an end, then it is refused with the reason."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        check_pattern(pattern)


ONE = st.sampled_from([*"ab0_-", ".", r"\.", "[a-b]", "[^a]", "[0.-]"])
PIECE = st.builds(str.__add__, ONE, st.sampled_from(["", "", "", "*", "+", "?", "{2}"]))
PIECES = st.lists(PIECE, min_size=1, max_size=3).map("".join)
GROUP = st.builds(
    "({}){}".format, st.lists(PIECES, min_size=1, max_size=3).map("|".join), st.sampled_from(["", "?"])
)
PATTERN = st.builds(
    "^{}{}".format, st.lists(PIECES | GROUP, min_size=1, max_size=4).map("".join), st.sampled_from(["$", ".*"])
)
TOPIC = st.text("ab0_-.", max_size=8)


@given(pattern=PATTERN, topics=st.lists(TOPIC, min_size=1, max_size=20))
def test_an_accepted_pattern_means_the_same_in_libc_and_as_a_whole_match(pattern: str, topics: list[str]) -> None:
    """Given an accepted pattern, then libc finds it in exactly those names that it matches as a whole."""
    check_pattern(pattern)

    for topic in topics:
        found = matches(pattern, topic)
        assert found is libc_matches(pattern, topic)
        assert found is (re.fullmatch(pattern, topic) is not None)


@given(st.text("^$.*+?{}()[]|\\-,0ab:!<\n", max_size=12).map("^{}".format))
def test_whatever_is_accepted_means_the_same_in_libc(pattern: str) -> None:
    """Given any characters of patterns, when accepted, then libc agrees; else the refusal is one line."""
    try:
        check_pattern(pattern)
    except ValueError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017 - the accepted are checked, too
    else:
        for topic in ("", "a", "b", "ab", "aab", "0-a", ".", "a.b"):
            assert matches(pattern, topic) is libc_matches(pattern, topic)


@pytest.mark.parametrize(
    "pattern", ["^" + "[a-z]+" * 40 + "$", "^" + "a?" * 80 + "$", "^" + "(a*|.*)" * 30 + "b$"]
)
def test_no_name_takes_long(pattern: str) -> None:
    """Given patterns that take Python minutes on the longest names, then an answer comes within a second."""
    check_pattern(pattern)
    began = time.monotonic()

    assert not matches(pattern, "a" * 248 + ".")
    assert time.monotonic() - began < 1

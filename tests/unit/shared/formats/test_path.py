"""Paths to a text: what they find, what they say when there is nothing, and that they read back as written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRecord, NullRecord, SettingsError
from shared.formats.path import Path, Selector, parse_selector

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(st.text(max_size=6), min_size=1, max_size=3).map(lambda names: Path(tuple(names)))
SELECTORS = st.lists(st.lists(PATHS, min_size=1, max_size=2), min_size=1, max_size=3).map(
    lambda choices: ", ".join(" + ".join(map(str, choice)) for choice in choices)
)


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [
        ("text", {"text": "good"}, "good"),
        ("data.text", {"data": {"text": "good"}}, "good"),
        ("`data.text`", {"data.text": "good", "data": {"text": "bad"}}, "good"),
        ("`a``b`.c", {"a`b": {"c": "good"}}, "good"),
        ("review text", {"review text": "good"}, "good"),
        ("items.1.text", {"items": [{}, {"text": "good"}]}, "good"),
        ("items.1", {"items": {"1": "good"}}, "good"),
        ("0.text", [{"text": "good"}], "good"),
        ("extended_tweet.full_text, text", {"text": "cut", "extended_tweet": {"full_text": "whole"}}, "whole"),
        ("extended_tweet.full_text, text", {"text": "good"}, "good"),
        ("full,text", {"text": "good", "full": "  "}, "good"),
        ("full,text", {"text": "good", "full": 7}, "good"),
        ("title + text", {"title": "Nice", "text": "works well"}, "Nice works well"),
        ("title + text", {"title": None, "text": "works well"}, "works well"),
        ("title + text, summary", {"title": 7, "text": "x", "summary": "good"}, "good"),
        ("payload.after.text", {"payload": {"after": '{"text": "good"}'}}, "good"),
        ("text", json.dumps({"text": "good"}), "good"),
        ("text", json.dumps(json.dumps({"text": "good"})), "good"),
    ],
)
def test_the_text_that_a_selector_finds(spec: str, value: Any, text: str) -> None:
    """Names, indices, quoting, choices, joining, and JSON within strings."""
    assert parse_selector(spec).text(value) == text


@pytest.mark.parametrize(
    ("spec", "value", "reason"),
    [
        ("text", {"body": "secret", "id": 1}, "no text at text: the value is an object with the fields body, id"),
        ("a.b", {"a": {"c": "secret"}}, "no text at a.b: a is an object with the fields c"),
        ("a.b", {"a": 7}, "no text at a.b: a is a number"),
        ("a.b", {"a": "secret"}, "no text at a.b: a is a string without JSON"),
        ("a.5", {"a": ["secret"]}, "no text at a.5: a is an array of 1"),
        ("text", {"text": "  "}, "no text at text: it is a blank string"),
        ("text", {"text": None}, "no text at text: it is null"),
        ("text", {"text": ["secret"]}, "no text at text: it is an array of 1"),
        (
            "x, y + z",
            {"x": 1, "y": True, "z": ""},
            "at x: it is a number; at y: it is a boolean; at z: it is a blank",
        ),
        ("a", {"b.c": 1}, "an object with the fields `b.c`"),
        ("a", {f"n{n:02}": 1 for n in range(20)}, "n06, n07 and 12 more"),
        ("a", {"b": 1, "secret@x.example": 2}, "an object with the fields b and 1 whose names may be data"),
        ("a", {"the secret": 1, "s" * 41: 2}, "an object with 2 fields whose names may be data"),
        ("a.b, c", {"a": None, "c": ""}, "no text at a.b: a is null; at c: it is a blank string"),
    ],
)
def test_why_there_is_no_text(spec: str, value: Any, reason: str) -> None:
    """The reason names the step that was not there and what was, without any value."""
    with pytest.raises(BadRecord) as caught:
        parse_selector(spec).text(value)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not isinstance(caught.value, NullRecord)


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ("text", None),
        ("text", "null"),
        ("after.text", {"after": None}),
        ("payload.after.text", {"payload": {"after": "null"}}),
        ("payload.after.text, text", {"payload": None}),
    ],
)
def test_a_null_in_place_of_what_would_hold_the_text_deletes_a_row(spec: str, value: Any) -> None:
    """Such a record is not faulty: a changelog has one for each row that was deleted."""
    with pytest.raises(NullRecord):
        parse_selector(spec).text(value)


@pytest.mark.parametrize(
    ("spec", "value", "found"),
    [
        ("id", {"id": 7}, 7),
        ("id_str, id", {"id": 7}, 7),
        ("id_str, id", {"id": 7, "id_str": "7"}, "7"),
        ("id", {"id": None}, None),
        ("id", {"id": [1]}, [1]),
        ("meta.id", {"meta": 3}, None),
    ],
)
def test_the_value_that_a_selector_finds(spec: str, value: Any, found: Any) -> None:
    """The first that is there, of any kind."""
    assert parse_selector(spec).value(value) == found


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "expected the name of a field at character 1"),
        ("a.", "expected the name of a field at character 3"),
        ("a,,b", "expected the name of a field at character 3"),
        ("a + ", "expected the name of a field at character 5"),
        ("`a", "expected the name of a field at character 1"),
        ("a`b`", r"expected '.', ',' or '+' at character 2"),
        ("a\udcff", "expected UTF-8 at character 2"),
    ],
)
def test_a_selector_with_a_fault_is_refused_with_its_position(spec: str, says: str) -> None:
    """The error shows the selector, and how a name with a sign is written."""
    with pytest.raises(SettingsError) as caught:
        parse_selector(spec)
    assert says in str(caught.value)
    assert "back-ticks" in str(caught.value) or "UTF-8" in says


def test_the_columns_of_a_selector() -> None:
    """What a reader of columns has to read; the plain case is one field of the value itself."""
    selector = parse_selector("a.b, c + `a`.d, `e.f`")
    assert (selector.columns, selector.column) == (("a", "c", "e.f"), None)
    assert parse_selector(" `e.f` ").column == "e.f"
    assert parse_selector("a.b").column is None


@given(SELECTORS)
def test_a_selector_reads_back_as_written(spec: str) -> None:
    """Given any names, when written and parsed, then the same selector."""
    selector = parse_selector(spec)
    assert str(selector) == spec
    assert parse_selector(str(selector)) == selector


@given(SELECTORS.map(parse_selector), VALUES)
def test_any_value_gives_a_text_or_a_reason(selector: Selector, value: Any) -> None:
    """Given any JSON value and any path, then there is a text that is not blank, or a BadRecord."""
    try:
        found = selector.text(value)
    except BadRecord as reason:
        found = str(reason).removeprefix("no text at ")
    assert found.strip()


@given(st.lists(st.text(max_size=4) | st.integers(0, 3), min_size=1, max_size=4), st.text(min_size=1, max_size=5))
def test_a_text_is_found_where_it_was_put(way: list[str | int], text: str) -> None:
    """Given a text in nested objects and arrays, some of them as JSON in strings, then its path finds it."""
    tree: Any = text
    for number, name in enumerate(reversed(way)):
        tree = {name: tree} if isinstance(name, str) else [None] * name + [tree]
        if number % 2:
            tree = json.dumps(tree)
    assert Path(tuple(map(str, way))).find(tree) == text

"""Reading an input value: strict, and silent about its content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import BadRecord, NullRecord
from shared.formats import InputFormat, parse_input
from shared.formats.parsed import ParsedInput

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "id", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PRIVATE = "hunter2-very-private"
FORMS = [InputFormat(), InputFormat(kind="text"), InputFormat(text_field="text.x", id_field="id.x", max_bytes=40)]


@settings(deadline=None)
@given(value=st.binary() | JSON.map(lambda tree: json.dumps(tree).encode()), form=st.sampled_from(FORMS))
@example(value=b'{"text": "a", "id": ' + b"9" * 4300 + b"}", form=InputFormat())
@example(value=b'{"text": "a", "id": ' + b"9" * 5000 + b"}", form=InputFormat())
@example(value=b"[" * 100_000, form=InputFormat())
@example(value=b'{"text": "\\ud800"}', form=InputFormat())
def test_any_bytes_are_a_text_or_a_bad_record(value: bytes, form: InputFormat) -> None:
    """Given any bytes, when parsed, then there is a text that can be written as UTF-8, or BadRecord."""
    try:
        parsed = parse_input(value, form)
    except BadRecord:
        pass
    else:
        assert parsed.text.strip()
        parsed.text.encode()
        assert parsed.id is None or 0 < len(parsed.id) <= 512


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null (a tombstone)"),
        (b"", "not JSON"),
        (b"x" * 101, "101 bytes, more than the limit of 100"),
        (b"\xff\xfe", "not UTF-8: invalid start byte at byte 0"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b"\x00\x00\x00\x00\x01abc", "schema registry"),
        (b"{", "not JSON"),
        (b'{"text": "a"} trailing', "not JSON"),
        (b'{"text": NaN}', "not JSON"),
        (b'"text"', "a JSON string, not an object"),
        (b'["text"]', "a JSON array, not an object"),
        (b"true", "a JSON boolean, not an object"),
        (b"1.5", "a JSON number, not an object"),
        (b"{}", "'text' is missing or null"),
        (b'{"text": null}', "'text' is missing or null"),
        (b'{"text": 3}', "'text' is a JSON number, not a string"),
        (b'{"text": {"a": 1}}', "'text' is a JSON object, not a string"),
        (b'{"text": ["a"]}', "'text' is a JSON array, not a string"),
        (b'{"text": ""}', "'text' is empty or only white space"),
        (b'{"text": " \\n\\t "}', "'text' is empty or only white space"),
        (b'{"text": "a", "id": true}', "'id' is a JSON boolean, not a string or an integer"),
        (b'{"text": "a", "id": 1.5}', "'id' is a JSON number, not a string or an integer"),
        (b'{"text": "a", "id": []}', "'id' is a JSON array"),
        (b'{"text": "a", "id": ""}', "'id' is empty or longer than 512"),
    ],
)
def test_bad_values_say_why(value: bytes | None, reason: str) -> None:
    """Given an unscorable value, when parsed, then the reason says what is wrong with it."""
    with pytest.raises(BadRecord) as raised:
        parse_input(value, InputFormat(max_bytes=100))

    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "value",
    [
        f'{{"text": {PRIVATE}}}',
        f'{{"text": "{PRIVATE}',
        f'{{"{PRIVATE}": "a"}}',
        f'["{PRIVATE}"]',
        f'{{"text": "a", "id": "{PRIVATE * 100}"}}',
        f'{{"text": {{"{PRIVATE}": 1}}}}',
        f"{PRIVATE}\xff",
    ],
)
def test_a_reason_never_quotes_the_payload(value: str) -> None:
    """Given a private value that is bad in some way, when parsed, then the reason contains no part of it."""
    with pytest.raises(BadRecord) as raised:
        parse_input(value.encode("latin-1"), InputFormat())

    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("tree", "form", "expected"),
    [
        ({"text": "a"}, InputFormat(), ParsedInput("a", None)),
        ({"text": " a ", "id": None, "other": 1}, InputFormat(), ParsedInput(" a ", None)),
        ({"text": "a", "id": "x-1"}, InputFormat(), ParsedInput("a", "x-1")),
        ({"text": "a", "id": -7}, InputFormat(), ParsedInput("a", "-7")),
        ({"text": "a", "id": "i" * 512}, InputFormat(), ParsedInput("a", "i" * 512)),
        (
            {"data": {"body": {"text": "a"}}, "meta": {"key": 1}},
            InputFormat(text_field="data.body.text", id_field="meta.key"),
            ParsedInput("a", "1"),
        ),
        ({"text": "\u00fc\u4e16", "id": "\u00e9"}, InputFormat(), ParsedInput("\u00fc\u4e16", "\u00e9")),
    ],
)
def test_text_and_id_are_found(tree: dict[str, Any], form: InputFormat, expected: ParsedInput) -> None:
    """Given an object with text and id at their paths, when parsed, then both are read unchanged."""
    assert parse_input(json.dumps(tree).encode(), form) == expected


def test_a_path_through_what_is_no_object_finds_nothing() -> None:
    """Given a path that leads through a string, when parsed, then the field counts as missing."""
    with pytest.raises(BadRecord, match=r"'data\.text' is missing"):
        parse_input(b'{"data": "text"}', InputFormat(text_field="data.text"))


@pytest.mark.parametrize("text", ["plain", '{"text": "stays as it is"}', "\u00fc\u4e16", "\x00starts with a zero"])
def test_bare_text_is_taken_whole(text: str) -> None:
    """Given the format `text`, when parsed, then the whole value is the text, whatever it looks like."""
    assert parse_input(text.encode(), InputFormat(kind="text")) == ParsedInput(text, None)


@pytest.mark.parametrize("value", [b"", b" \n", b"\xff"])
def test_bare_text_must_be_readable(value: bytes) -> None:
    """Given the format `text`, when the value is blank or not UTF-8, then it is a bad record."""
    with pytest.raises(BadRecord):
        parse_input(value, InputFormat(kind="text"))


NAMES = st.sampled_from(["a", "b", "text", "before"])
PATHS = st.lists(NAMES, min_size=1, max_size=5)
SIBLINGS = st.dictionaries(NAMES, JSON, max_size=3)


@settings(deadline=None)
@given(path=PATHS, data=st.data(), siblings=st.lists(SIBLINGS, min_size=5, max_size=5))
def test_a_null_before_the_end_of_the_path_is_a_deletion(
    path: list[str], data: st.DataObject, siblings: list[dict[str, Any]]
) -> None:
    """Given any tree with a null anywhere above the text, when parsed, then it is a NullRecord that says where."""
    depth = data.draw(st.integers(0, len(path) - 1), label="depth of the null")

    tree = nested(path[:depth], None, siblings)
    with pytest.raises(NullRecord) as raised:
        parse_input(json.dumps(tree).encode(), InputFormat(text_field=".".join(path)))

    assert repr(".".join(path[:depth])) in str(raised.value) or depth == 0


@settings(deadline=None)
@given(path=PATHS, data=st.data(), siblings=st.lists(SIBLINGS, min_size=5, max_size=5))
def test_no_other_lack_of_a_text_is_a_deletion(
    path: list[str], data: st.DataObject, siblings: list[dict[str, Any]]
) -> None:
    """Given a null as the text, or a path that ends early or runs into a scalar, then it is a bad record."""
    depth = data.draw(st.integers(1, len(path)), label="depth of the fault")
    fault: Any = data.draw(st.sampled_from(["missing", 1, True, [], ["text"], ""]), label="fault")
    if depth == len(path):
        fault = data.draw(st.sampled_from([None, "missing"]), label="fault at the end")

    tree = nested(path[:depth], fault, siblings)
    if fault == "missing":
        parent = tree
        for name in path[: depth - 1]:
            parent = parent[name]
        del parent[path[depth - 1]]
    with pytest.raises(BadRecord) as raised:
        parse_input(json.dumps(tree).encode(), InputFormat(text_field=".".join(path)))

    assert not isinstance(raised.value, NullRecord)


def nested(path: list[str], leaf: Any, siblings: list[dict[str, Any]]) -> Any:
    """An object with `leaf` at the path, and other fields around it at every depth."""
    tree = leaf
    for name, others in zip(reversed(path), siblings, strict=False):
        tree = {**others, name: tree}
    return tree


@pytest.mark.parametrize("value", [None, b"null"])
def test_a_null_value_is_a_deletion(value: bytes | None) -> None:
    """Given a null, Kafka's own or that of JSON, when parsed, then it is a NullRecord."""
    with pytest.raises(NullRecord, match="null"):
        parse_input(value, InputFormat())

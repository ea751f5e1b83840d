"""Reading an input value: strict, and silent about its content."""

from __future__ import annotations

import gzip
import json
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import BadRecord, NullRecord
from shared.formats import InputFormat, Kind, parse_input
from shared.formats.parsed import ParsedInput
from shared.formats.path import parse_selector

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "id", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PRIVATE = "hunter2, very private"
NAMES = ["text", "id", "x", "hunter2, very private", "hunter2@example.com", "4711 4711"]
FORMS = [
    InputFormat(),
    InputFormat(kind="text"),
    InputFormat(text=parse_selector("text.x"), id=parse_selector("id.x"), max_bytes=40),
]


FORMATTED = [InputFormat(kind=kind, max_bytes=1_000_000) for kind in get_args(Kind)]


@settings(deadline=None)
@given(
    value=st.binary()
    | st.builds(
        bytes.__add__, st.sampled_from([b"\xef\xbb\xbf", b"\0\0\0\0\5", b"\1" * 17, b'{"text": "']), st.binary()
    )
    | st.builds(
        lambda tree, encoding: json.dumps(tree, ensure_ascii=encoding == "ascii").encode(
            encoding, "surrogatepass"
        ),
        JSON,
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le", "ascii"]),
    ),
    form=st.sampled_from(FORMS + FORMATTED),
)
@example(value=b'{"text": "a", "id": ' + b"9" * 5000 + b"}", form=InputFormat())
@example(value=b"[" * 100_000, form=FORMATTED[0])
@example(value=b'{"text": "\\ud800"}', form=InputFormat())
@example(value=b'{"text": "\xed\xa0\xbd"}', form=InputFormat())
def test_any_bytes_are_a_text_or_a_bad_record(value: bytes, form: InputFormat) -> None:
    """Given any bytes, when parsed, then there is a text that can be written as UTF-8, or a reason that can."""
    parsed = parsed_or_reason(value, form)
    if isinstance(parsed, str):
        assert len(parsed.encode()) < 1_000
    else:
        assert parsed.text.strip()
        parsed.text.encode()
        assert parsed.id is None or 0 < len(parsed.id.encode("utf-32-le")) <= 4 * 512


PRIVATE_JSON = st.recursive(
    st.sampled_from([PRIVATE, f"{PRIVATE}\ud83d", 4_711_4711, None, True, f'{{"{PRIVATE} x": "{PRIVATE}"}}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    value=PRIVATE_JSON.map(json.dumps)
    | st.sampled_from([f'{{"text": "{PRIVATE}', f"{PRIVATE}: {PRIVATE}", f"{{{PRIVATE}}}"]),
    cut=st.integers(0, 40),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
    form=st.sampled_from(FORMS + FORMATTED),
)
def test_a_reason_never_quotes_a_value(value: str, cut: int, encoding: str, form: InputFormat) -> None:
    """Given private values anywhere, whole or cut off, when there is no text, then the reason has no part of them.

    Nor has it the name of a field that may be data.
    """
    reason = parsed_or_reason(value[: max(0, len(value) - cut)].encode(encoding), form)
    assert not isinstance(reason, str) or ("hunter2" not in reason and "4711" not in reason)


def parsed_or_reason(value: bytes, form: InputFormat) -> ParsedInput | str:
    """What a value holds, or why it holds nothing."""
    try:
        return parse_input(value, form)
    except BadRecord as reason:
        return str(reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null (a tombstone)"),
        (b"", "not JSON: Expecting value at line 1 column 1"),
        (b"x" * 101, "101 bytes, more than the limit of 100"),
        (b"\xff{", "the value is not UTF-8: invalid start byte at byte 0"),
        (b'{"text": "\xff"}', "the text is not UTF-8: invalid start byte at byte 10"),
        (b"\xff\xfe{\0", "the value is not JSON"),
        (b"{\0}\0x\0", "the value is not JSON"),
        (b"\xff\xfe{", "not UTF-16-LE: truncated data"),
        (
            b"\0\0\0\0\1abc",
            "framed by a schema registry and not JSON, so Avro or Protobuf; this service reads JSON",
        ),
        (b'\0\0\0\0\1{"text": "a"}', "--format json-schema reads it"),
        (b'{"text": "a', "not JSON: Unterminated string starting at line 1 column 10"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at line 1 column 2"),
        (b'{"text": "a"} trailing', "not JSON: Extra data"),
        (b'{"text": "a"}\n{"text": "b"}', "several JSON documents"),
        (b"{'text': 'a'}", "Python dictionary"),
        (b"a lovely day", "not JSON: Expecting value at line 1 column 1; if it is the text itself, --format text"),
        (b"[" * 100, "not JSON"),
        (gzip.compress(b"{}", mtime=0), "compressed with gzip; write it uncompressed"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed with zstd"),
        (b"\x82\xa4text\xa1a\xa2id\x01", "the value is MessagePack"),
        (b"\x11\0\0\0\x02text\0\x02\0\0\0a\0\0", "the value is BSON"),
        (b'"text"', "the value is a string without JSON"),
        (b'["text"]', "the value is an array of 1"),
        (b"true", "the value is a boolean"),
        (b"1.5", "the value is a number"),
        (b"{}", "no text at text: the value is an empty object"),
        (b'{"text": null}', "no text at text: it is null"),
        (b'{"text": 3}', "it is a number"),
        (b'{"text": ["a"]}', "it is an array of 1"),
        (b'{"text": " \\n\\t "}', "it is a blank string"),
        (b'{"text": "\\ud83d"}', "the text is empty or only white space"),
    ],
)
def test_bad_values_say_why(value: bytes | None, reason: str) -> None:
    """Given an unscorable value, when parsed, then the reason says what is wrong with it."""
    with pytest.raises(BadRecord) as raised:
        parse_input(value, InputFormat(max_bytes=100))

    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('\ufeff{"text": "caf\u00e9"}'.encode(), "caf\u00e9"),
        ('{"text": "caf\u00e9"}'.encode("utf-16"), "caf\u00e9"),
        ('{"text": "caf\u00e9"}'.encode("utf-16-le"), "caf\u00e9"),
        ('{"text": "caf\u00e9"}'.encode("utf-16-be"), "caf\u00e9"),
        ('{"text": "caf\u00e9"}'.encode("utf-32"), "caf\u00e9"),
        ('{"text": "caf\u00e9"}'.encode("utf-32-be"), "caf\u00e9"),
        (b'{"text": "great match \\ud83d"}', "great match "),
        (b'{"text": "great \\ud83d\\ude00 \\ude00match"}', "great \U0001f600 match"),
        ('{"text": "great \ud83d\ude00 \ud83d"}'.encode("utf-8", "surrogatepass"), "great \U0001f600 "),
        (b'{"text": "a", "n": [NaN, Infinity, -Infinity, 1e999, ' + b"9" * 5_000 + b"]}", "a"),
        (b'{"text": "a", "n": "\xe9t\xe9"}', "a"),
        (b'{"text": "a\tb", "n": "\n"}', "a\tb"),
        (b'{"text": "a", "n": ' + b"[" * 400 + b"]" * 400 + b"}", "a"),
        (b'{"text": "b", "text": "a"}', "a"),
        (b' \n{"text": "a"}\n', "a"),
        (b'"{\\"text\\": \\"a\\"}"', "a"),
    ],
)
def test_what_is_not_read_never_costs_the_text(value: bytes, text: str) -> None:
    """Given JSON in any Unicode encoding, or with faults outside of the text, when parsed, then the text is read.

    A lone surrogate in the text is left out, as the normaliser does. The last of fields of one name counts.
    """
    assert parse_input(value, InputFormat()).text == text


@pytest.mark.parametrize(
    "identity",
    ["true", "1.5", "[]", '{"$oid": "65f0"}', '""', f'"{"x" * 513}"', "9" * 513, "NaN", '"\\ud83d"', '"\xff"'],
)
def test_an_id_of_any_kind_never_costs_the_text(identity: str) -> None:
    """Given an id that cannot be one, when parsed, then there is none, and that is said."""
    parsed = parse_input(f'{{"text": "a", "id": {identity}}}'.encode("latin-1"), InputFormat())

    assert (parsed.text, parsed.id, parsed.id_unusable) == ("a", None, True)


@pytest.mark.parametrize(
    ("tree", "form", "expected"),
    [
        ({"text": "a"}, InputFormat(), ParsedInput("a", None)),
        ({"text": " a ", "id": None, "other": 1}, InputFormat(), ParsedInput(" a ", None)),
        ({"text": "a", "id": "x-1"}, InputFormat(), ParsedInput("a", "x-1")),
        ({"text": "a", "id": -7}, InputFormat(), ParsedInput("a", "-7")),
        ({"text": "a", "id": 10**511}, InputFormat(), ParsedInput("a", str(10**511))),
        ({"text": "a", "id": "i" * 512}, InputFormat(), ParsedInput("a", "i" * 512)),
        (
            {"data": {"body": {"text": "a"}}, "meta": {"key": 1}},
            InputFormat(text=parse_selector("data.body.text"), id=parse_selector("meta.key")),
            ParsedInput("a", "1"),
        ),
        ({"text": "\u00fc\u4e16", "id": "\u00e9"}, InputFormat(), ParsedInput("\u00fc\u4e16", "\u00e9")),
    ],
)
def test_text_and_id_are_found(tree: dict[str, Any], form: InputFormat, expected: ParsedInput) -> None:
    """Given an object with text and id at their paths, when parsed, then both are read unchanged."""
    assert parse_input(json.dumps(tree).encode(), form) == expected._replace(fields=tree)


def test_a_path_through_what_is_no_object_finds_nothing() -> None:
    """Given a path that leads through a string, when parsed, then the reason says where it ends."""
    with pytest.raises(BadRecord, match=r"no text at data\.text: data is a string without JSON"):
        parse_input(b'{"data": "text"}', InputFormat(text=parse_selector("data.text")))


@pytest.mark.parametrize("text", ["plain", '{"text": "stays as it is"}', "\u00fc\u4e16", "\x00starts with a zero"])
def test_bare_text_is_taken_whole(text: str) -> None:
    """Given the format `text`, when parsed, then the whole value is the text, whatever it looks like."""
    assert parse_input(text.encode(), InputFormat(kind="text")) == ParsedInput(text, None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_bare_text_may_be_in_any_encoding_of_unicode(encoding: str) -> None:
    """Given a text in another encoding, when its first bytes show which, then it is read."""
    assert parse_input("A caf\u00e9".encode(encoding), InputFormat(kind="text")) == ParsedInput("A caf\u00e9")


@pytest.mark.parametrize("value", [b"", b" \n", b"\xff", b"caf\xe9", b"\xff\xfea", gzip.compress(b"a", mtime=0)])
def test_bare_text_must_be_readable(value: bytes) -> None:
    """Given the format `text`, when the value is blank or not UTF-8, then it is a bad record."""
    with pytest.raises(BadRecord):
        parse_input(value, InputFormat(kind="text"))


STEPS = st.sampled_from(["a", "b", "text", "before"])
PATHS = st.lists(STEPS, min_size=1, max_size=5)
SIBLINGS = st.dictionaries(STEPS, JSON, max_size=3)


@settings(deadline=None)
@given(path=PATHS, data=st.data(), siblings=st.lists(SIBLINGS, min_size=5, max_size=5))
def test_a_null_before_the_end_of_the_path_is_a_deletion(
    path: list[str], data: st.DataObject, siblings: list[dict[str, Any]]
) -> None:
    """Given any tree with a null anywhere above the text, when parsed, then it is a NullRecord that says where."""
    depth = data.draw(st.integers(0, len(path) - 1), label="depth of the null")

    tree = nested(path[:depth], None, siblings)
    with pytest.raises(NullRecord) as raised:
        parse_input(json.dumps(tree).encode(), InputFormat(text=parse_selector(".".join(path))))

    assert f"{'.'.join(path[:depth]) or 'the value'} is null" in str(raised.value)


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
        parse_input(json.dumps(tree).encode(), InputFormat(text=parse_selector(".".join(path))))

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

"""A label's key and value: what is written is read again, and nothing else is taken for a label."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.messages import Label, LabelKey, ModelRef, SourceRef, text_sha256
from shared.messages.labels import MAX_LABEL_BYTES, BadLabel
from tests.support.labels import KEYS, MOMENT, label


@given(key=KEYS)
@example(LabelKey("a-1-2", 3, 4, "x"))
@example(LabelKey("a", 1, 2, "b-3-4|x"))
@example(LabelKey("...", 0, 0, "|"))
@example(LabelKey("-", 2**31 - 1, 2**63 - 1, "-1-2|-3-4|"))
@example(LabelKey("a", 1, 2, "\N{HEBREW LETTER ALEF}<script>'\";--\\\N{PILE OF POO}"))
def test_a_key_is_read_as_it_was_written(key: LabelKey) -> None:
    """Topics with dots and hyphens, annotators with anything that can be seen: one key, one meaning."""
    assert LabelKey.decode(key.encode()) == key


@given(one=KEYS, other=KEYS)
def test_two_keys_are_never_written_alike(one: LabelKey, other: LabelKey) -> None:
    """Otherwise a label of one annotator would replace that of another."""
    assert (one.encode() == other.encode()) == (one == other)


@given(content=st.binary(max_size=60) | KEYS.map(LabelKey.encode).flatmap(st.permutations).map(bytes))
def test_other_bytes_are_no_key_or_the_only_spelling_of_one(content: bytes) -> None:
    """Two spellings of a key would be two records for Kafka and one label for a reader."""
    try:
        key = LabelKey.decode(content)
    except BadLabel:
        return
    assert key.encode() == content


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"texts-0-7",
        b"texts-0-7|",
        b"texts-07-7|ann",
        b"texts-0-+7|ann",
        b"texts-2147483648-7|ann",
        b"texts-0-9223372036854775808|ann",
        "texts-0-\N{ARABIC-INDIC DIGIT SEVEN}|ann".encode(),
        "t\N{LATIN SMALL LETTER E WITH ACUTE}xts-0-7|ann".encode(),
        b"te xts-0-7|ann",
        b"texts-0-7|\xff",
        b"t" * 250 + b"-0-7|ann",
        b"texts-0-7|" + b"a" * 201,
        b"texts-0-7| ann",
    ],
)
def test_what_is_no_key_is_refused(key: bytes | None) -> None:
    """Without quoting it: a key may hold anything."""
    with pytest.raises(BadLabel, match=r"the key is not topic-partition-offset\|annotator") as refused:
        LabelKey.decode(key)
    assert "ann" not in str(refused.value).replace("annotator", "")


HOSTILE = {
    "empty": "",
    "blank": " ",
    "line end": "ann\nbob",
    "terminal escape": "\x1b[2Jann",
    "null": "ann\0",
    "right-to-left override": "ann\u202ebob",
    "zero-width space": "ann\u200b",
    "line separator": "ann\u2028",
    "lone surrogate": "ann\ud83d",
    "decomposed": unicodedata.normalize("NFD", "J\u00f6rg"),
    "no-break space at the end": "ann\u00a0",
    "too long": "a" * 201,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_annotator_is_refused_everywhere(name: str) -> None:
    """In a label and in a key: names that look alike are one annotator, or none."""
    with pytest.raises(ValidationError):
        label(LabelKey("texts", 0, 7, name))
    with pytest.raises(BadLabel):
        LabelKey.decode(b"texts-0-7|" + name.encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema_version": 2},
        {"verdict": ""},
        {"verdict": " "},
        {"verdict": "a\x1bb"},
        {"verdict": "a" * 101},
        {"text_sha256": "A" * 64},
        {"text_sha256": "a" * 63},
        {"purpose": "test"},
        {"purpose": "audit"},
        {"selection_probability": 0},
        {"selection_probability": 1.1},
        {"selection_probability": "nan"},
        {"labelled_at": "2026-11-26T12:00:00"},
        {"source": {"topic": "te/xts", "partition": 0, "offset": 0}},
        {"source": {"topic": "texts", "partition": -1, "offset": 0}},
        {"source": {"topic": "texts", "partition": 0, "offset": 2**63}},
        {"model": {"name": "a" * 501, "version": "1"}},
        {"model": {"name": "a"}},
    ],
    ids=str,
)
def test_a_field_out_of_its_bounds_is_refused(wrong: dict[str, Any]) -> None:
    """Every field has bounds; an audit is worth nothing without its probability."""
    with pytest.raises(ValidationError):
        label(**wrong)


@given(key=KEYS, verdict=st.sampled_from(["positive", "unsure", "\N{SMILING FACE WITH SMILING EYES}"]))
def test_a_value_is_read_as_it_was_written(key: LabelKey, verdict: str) -> None:
    """Within the limit of what is read, whatever the annotator is called."""
    written = label(key, verdict, purpose="audit", selection_probability=0.01)
    assert Label.decode(key, written.encode()) == written


def test_the_largest_label_is_below_the_limit() -> None:
    """All fields at their bounds, in characters that take most bytes of JSON."""
    widest = "\N{PILE OF POO}"
    key = LabelKey("t" * 249, 2**31 - 1, 2**63 - 1, widest * 200)
    largest = label(key, widest * 100, model={"name": '"' * 500, "version": widest * 500})
    assert Label.decode(key, largest.encode()) == largest
    assert len(largest.encode()) < MAX_LABEL_BYTES / 2


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'{"verdict": "secret-text"}',
        label(LabelKey("texts", 0, 8, "ann")).encode(),
        label(LabelKey("texts", 0, 7, "bob")).encode(),
        b" " * (MAX_LABEL_BYTES + 1),
    ],
    ids=range(9),
)
def test_a_value_that_is_no_label_of_its_key_is_refused(value: bytes) -> None:
    """Nothing of it is quoted."""
    with pytest.raises(BadLabel) as refused:
        Label.decode(LabelKey("texts", 0, 7, "ann"), value)
    assert "secret" not in str(refused.value)


@given(value=st.binary(max_size=80))
def test_no_bytes_are_too_odd_for_an_answer(value: bytes) -> None:
    """Any value is a label or BadLabel."""
    with pytest.raises(BadLabel):
        Label.decode(LabelKey("texts", 0, 7, "ann"), value)


def test_fields_of_later_versions_are_passed_over() -> None:
    """A reader ignores what it does not know."""
    value = json.dumps(json.loads(label().encode()) | {"comment": "x"}).encode()
    assert Label.decode(label().key, value) == label()


def test_source_and_model_of_a_result_are_taken_as_they_are() -> None:
    """As the page has them; the timestamp is not part of a label."""
    source = SourceRef(topic="texts", partition=0, offset=7, timestamp=1)
    given_ = label().model_dump() | {"source": source, "model": ModelRef(name="demo", version="431a2a6b0e10")}
    assert Label(**given_) == label()
    assert set(json.loads(label().encode())) == {
        *("schema_version", "source", "verdict", "text_sha256", "annotator", "purpose"),
        *("selection_probability", "model", "labelled_at"),
    }
    assert json.loads(label().encode())["labelled_at"] == MOMENT.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        (" What\ta  day! ", "What a day!"),
        ('"Cafe\u0301 &amp; tea"\u200b @ann see https://a.b/c', '"Caf\u00e9 & tea" @user see http'),
        ("so \\u0041 \N{GRINNING FACE} happy", "so A grinning face happy"),
    ],
)
def test_the_digest_of_a_text_does_not_change(text: str, normalised: str) -> None:
    """If the normaliser changes, labels in topics have digests of the old one: raise LABEL_SCHEMA_VERSION."""
    assert text_sha256(text) == hashlib.sha256(normalised.encode()).hexdigest()


@given(text=st.text() | st.text(st.characters(categories=["Cs"])))
def test_every_text_has_a_digest(text: str) -> None:
    """Lone surrogates included."""
    assert len(text_sha256(text)) == 64

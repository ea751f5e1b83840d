"""A slice of the hostile input of `python -m tests.chaos.hostile`, and cases that chance would rarely hit."""

from __future__ import annotations

import gc
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from consumer.stream.decode import decode
from consumer.stream.encode import Moment
from consumer.stream.records import DeadLetter, Document, Outgoing
from shared.formats import InputFormat
from shared.inference.types import Score
from tests.chaos.hostile.checks import AT, check_environment, check_file, check_record, check_text, wire_bytes
from tests.chaos.hostile.inputs import (
    ENCODERS,
    FORMS,
    MARKER,
    MODEL,
    PROBABILITIES,
    RECORDS,
    TEXTS,
    mutated,
    picked,
)
from tests.chaos.hostile.settings import ENVIRONMENTS, FILES
from tests.support.fakes import oracle, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consumer.stream.encode import Encoder
    from consumer.stream.records import Record


@pytest.fixture(autouse=True, scope="module")
def frozen_heap() -> Iterator[None]:
    """As the service does: a collection of all that earlier tests left took 2 s, which counted as an example's."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


SLICE = settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
CERTAIN = (1.0, 0.0, 0.0)
SMALL = ENCODERS[0]


@SLICE
@given(one=RECORDS, form=picked(FORMS), encoder=picked(ENCODERS), probabilities=PROBABILITIES)
def test_any_record_becomes_a_valid_result_or_letter(
    one: Record, form: InputFormat, encoder: Encoder, probabilities: tuple[float, ...]
) -> None:
    """Given any record, when decoded and encoded, then every promise of `check_record` holds."""
    check_record(one, form, encoder, probabilities)


@pytest.mark.parametrize("seed", range(4))
def test_any_mutated_value_becomes_a_valid_result_or_letter(seed: int) -> None:
    """Given valid values with bytes flipped, spliced and cut, when decoded and encoded, then the same holds."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    for _ in range(200):
        value = mutated(chance)
        check_record(record(value), chance.choice(FORMS), chance.choice(ENCODERS), CERTAIN)


@SLICE
@given(text=TEXTS)
def test_any_text_is_normalised_in_bounds(text: str) -> None:
    """Given any text, when normalised, then it is one clean line, in bounded time and of bounded length."""
    check_text(text)


@SLICE
@given(environ=ENVIRONMENTS)
def test_any_environment_makes_settings_or_a_clear_error(environ: dict[str, str]) -> None:
    """Given any environment, when loaded, then there are settings or a SettingsError, and no secret is shown."""
    check_environment(environ)


@SLICE
@given(content=FILES)
def test_any_settings_file_makes_settings_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Given any settings file, when loaded, then there are settings or a SettingsError, and no secret is shown."""
    check_file(tmp_path_factory.getbasetemp() / "settings.yaml", content)


@pytest.mark.no_cover  # counting each line more than doubles the time that the product needs
@pytest.mark.parametrize(
    "text",
    [
        "&#" + "9" * 4_301 + ";",
        "&#" + "0" * 4_400 + "65;",
        "\u0301\u0316" * 65_536,
        "\\u0301\\u0316" * 21_000,
        "\U0001f469\u200d" * 37_000,
        "\U0001f469" + "\u200d\U0001f467" * 37_000,
        "\u200d" * 87_000,
        "\U0001f251" * 65_536,
        "\u0301" * 100_000,
    ],
    ids=[
        "number",
        "zeros",
        "marks",
        "escaped marks",
        "joiners",
        "family",
        "only joiners",
        "long names",
        "one mark",
    ],
)
def test_no_text_holds_the_scorer_up(text: str) -> None:
    """Given a text made to be slow or to fail, when normalised, then it takes less than two seconds.

    The first of them ended the process, and the same record ended it again after every restart; others took 50 s
    each.
    """
    check_text(text)


@pytest.mark.parametrize(
    "content",
    [
        "a: 2001-99-99",
        "a: !!bool x",
        'a: !!int ""',
        "a: !!timestamp x",
        'a: "\\UFFFFFFFF"',
        "a: 0x_",
        "[" * 600,
        "a: " + "9" * 4_301,
        "kafka: &a {properties: *a, b: *a}",
        "&a {kafka: *a}",
        f"kafka: {{sasl_password: {{{MARKER}}}}}",
        f"kafka: {{sasl_password:{MARKER}}}",
        f"kafka: {{properties: {{sasl.password:{MARKER}}}}}",
        "input_topics: ^x{99999999999999999999}",
        "input_topics: ^" + "(" * 9_000,
        'kafka: {properties: {"\\ud800": x}}',
        'kafka: {sasl_username: "\\ud800"}',
    ],
)
def test_no_settings_file_raises_anything_else(tmp_path: Path, content: str) -> None:
    """Given a file at which PyYAML or `re` raises its own error, when loaded, then SettingsError is raised."""
    check_file(tmp_path / "settings.yaml", content.encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sentiment.schema", b"9"),
        ("__connect.errors.stage", b"forged"),
        ("sentiment.value_bytes", b"7"),
        ("sentiment.original_timestamp", None),
    ],
)
def test_headers_like_ours_do_not_displace_ours(name: str, value: bytes | None) -> None:
    """Given an input with a header of ours, when encoded, then it is kept, and our own headers follow, complete.

    In a letter, our headers begin at the last `__connect.errors.topic`; in a result our header is the last one.
    """
    for content in (b'{"text": "a"}', b"bad"):
        one = record(content, headers=((name, value),), timestamp_ms=None)
        check_record(one, InputFormat(), SMALL, CERTAIN)


def test_many_small_headers_count() -> None:
    """Given 90,000 headers with hardly a byte in each, when encoded, then the output still fits.

    Their lengths alone take 180 kB. When they were not counted, they made a record that the client refuses to
    send, again after every restart.
    """
    limit = 300_000
    encoder = replace(SMALL, max_bytes=limit)
    one = record(headers=(("\u4e16", None),) * 90_000)

    refused = encoder.result(Document(one, "1", "a"), oracle("a"), Moment.of(AT))

    assert isinstance(refused, DeadLetter)
    letter = encoder.dead_letter(refused)
    assert wire_bytes(letter) <= letter.size <= limit


@pytest.mark.parametrize("timestamp_ms", [-1, -5, -(2**63), 2**63 - 1])
def test_a_timestamp_that_no_broker_takes_becomes_now(timestamp_ms: int) -> None:
    """Given a time before 1970 or far ahead, when encoded, then it is written as now and reported unchanged.

    A broker refuses the whole batch for one such record.
    """
    encoder = ENCODERS[1]
    assert encoder.timestamps == "input"
    result = encoder.result(Document(record(timestamp_ms=timestamp_ms), "1", "a"), oracle("a"), Moment.of(AT))

    assert isinstance(result, Outgoing)
    assert result.timestamp_ms == 0
    assert str(timestamp_ms).encode() in (result.value or b"")


def test_an_id_of_control_characters_is_carried_escaped() -> None:
    """Given an id of NUL, newline, escape and right-to-left text, when encoded, then the JSON has the same id."""
    check_record(
        record(b'{"text": "a", "id": "\\u0000\\n\\u001b[31m\\u202e\\u007f"}'), InputFormat(), ENCODERS[1], CERTAIN
    )
    document = decode(record(b'{"text": "a", "id": "\\u0000\\n"}'), InputFormat())
    assert isinstance(document, Document)
    result = ENCODERS[1].result(document, Score(CERTAIN, 0, 1, 1, truncated=False, model=MODEL), Moment.of(AT))
    assert isinstance(result, Outgoing)
    assert b'"id":"\\u0000\\n"' in (result.value or b"")


def test_headers_that_the_client_cannot_read_make_a_letter() -> None:
    """Given a record whose headers are lost, when decoded, then a letter says so, for any value."""
    one = record()._replace(headers_lost=True)

    letter = decode(one, InputFormat())

    assert isinstance(letter, DeadLetter)
    assert "not UTF-8" in letter.reason

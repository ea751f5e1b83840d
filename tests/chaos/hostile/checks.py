"""What must hold for any input; a check that fails raises AssertionError and names the broken promise."""

from __future__ import annotations

import hashlib
import json
import re
import time
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

from consumer.preflight.settings_rules import settings_problems
from consumer.settings import OTHER_COMMANDS, ConsumerSettings
from consumer.stream.decode import decode
from consumer.stream.encode import Moment
from consumer.stream.records import DeadLetter, Deletion, Document, Outgoing
from shared.errors import SettingsError
from shared.formats.parsed import MAX_ID_CHARS
from shared.inference.types import Score
from shared.messages import SCHEMA_HEADER, DeadLetterHeaders, Result
from shared.settings import effective, examine_file, load_settings
from shared.text import NormaliserOptions, normalise
from tests.chaos.hostile.inputs import ADDRESS, MARKER, MODEL
from trainer.settings import OTHER_COMMANDS as TRAINERS_OTHERS
from trainer.settings import TrainerEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from consumer.stream.encode import Encoder
    from consumer.stream.records import Record
    from shared.formats import InputFormat
    from shared.messages import Headers

AT: Final = datetime(2026, 9, 21, 12, tzinfo=UTC)
OPTIONS: Final = (NormaliserOptions(), NormaliserOptions(lowercase=True, remove_stop_words=True))
GROWTH: Final = 40
"""The largest factor by which normalising lengthens a text: the longest name of a one-character emoji."""
EXAMPLE_S: Final = 2.0
"""Processor time limit for one example; the worst known takes 0.6 s, and took 50 s before there were bounds."""
UNWANTED: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def check_record(record: Record, form: InputFormat, encoder: Encoder, probabilities: tuple[float, ...]) -> None:
    """From the bytes of a record to the bytes of its result or dead letter."""
    began = time.thread_time()
    decoded = decode(record, form)
    if isinstance(decoded, Document):
        assert 0 < len(decoded.id) <= MAX_ID_CHARS
        check_text(decoded.text)
        score = Score(probabilities, probabilities.index(max(probabilities)), 3, 3, truncated=False, model=MODEL)
        encoded = encoder.result(decoded, score, Moment.of(AT))
        if isinstance(encoded, Outgoing):
            _check_result(encoded, decoded, encoder)
        else:
            _check_letter(encoded, encoder)
    elif isinstance(decoded, DeadLetter):
        _check_letter(decoded, encoder)
    else:
        _check_deletion(decoded, form, encoder)
    assert time.thread_time() - began < EXAMPLE_S, "too slow"


def check_text(text: str) -> None:
    """A decoded text can be normalised, within bounds and into one clean line."""
    began = time.thread_time()
    for options in OPTIONS:
        clean = normalise(text, options)
        assert len(clean) <= GROWTH * len(text)
        assert UNWANTED.isdisjoint(map(unicodedata.category, set(clean)))
        assert clean == clean.strip()
        clean.encode()
    assert time.thread_time() - began < EXAMPLE_S, "too slow"


def _check_result(outgoing: Outgoing, document: Document, encoder: Encoder) -> None:
    record = document.record
    assert outgoing.value is not None
    tree = json.loads(outgoing.value.decode(), parse_constant=_no_constant)
    result = Result.model_validate_json(outgoing.value, strict=True)
    assert (tree["id"], result.id) == (document.id, document.id)
    assert ("text" in tree, result.text) == (encoder.include_text, document.text if encoder.include_text else None)
    assert result.source is not None
    assert (result.source.topic, result.source.partition, result.source.offset, result.source.timestamp) == (
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
    )
    assert outgoing.source is record
    _check_headers(outgoing, record)
    assert outgoing.timestamp_ms in {0, record.timestamp_ms}
    assert 0 <= outgoing.timestamp_ms < AT.timestamp() * 1000 + encoder.targets.output.newest_ms
    assert wire_bytes(outgoing) <= outgoing.size <= encoder.max_bytes


def _check_headers(outgoing: Outgoing, record: Record) -> None:
    kept = tuple(header for header in record.headers if header[0] != SCHEMA_HEADER)
    assert outgoing.headers == (*kept, (SCHEMA_HEADER, b"1"))


def _check_deletion(deletion: Deletion, form: InputFormat, encoder: Encoder) -> None:
    _check_reason(deletion.reason)
    if deletion.record.value is not None:
        assert form.kind != "text"
        assert "null" in deletion.reason
    forwarded = replace(encoder, on_null="forward").deletion(deletion, Moment.of(AT))
    if isinstance(forwarded, Outgoing):
        assert (forwarded.source, forwarded.value) == (deletion.record, None)
        _check_headers(forwarded, deletion.record)
        assert wire_bytes(forwarded) <= forwarded.size <= encoder.max_bytes
    else:
        assert forwarded is not None
        _check_letter(forwarded, encoder)


def _check_letter(letter: DeadLetter, encoder: Encoder) -> None:
    _check_reason(letter.reason)
    assert MARKER not in letter.error
    record, outgoing = letter.record, encoder.dead_letter(letter)
    count = len(record.headers)
    kept = outgoing.headers[:count] == record.headers and len(outgoing.headers) > count
    added = _added_headers(outgoing.headers[count:] if kept else outgoing.headers)
    assert added["__connect.errors.exception.message"] == letter.reason
    assert len(letter.reason.encode()) <= 1024
    assert (added["__connect.errors.topic"], added["__connect.errors.offset"]) == (
        record.topic,
        str(record.offset),
    )
    assert outgoing.source.partition == record.partition
    assert outgoing.timestamp_ms == 0
    if "sentiment.value_bytes" in added and record.value is None:  # only key and headers were left out
        assert (outgoing.source.key, outgoing.value, added["sentiment.value_bytes"]) == (None, None, "0")
        assert "sentiment.value_sha256" not in added
    elif "sentiment.value_bytes" in added:
        assert outgoing.value == b""
        assert added["sentiment.value_bytes"] == str(len(record.value or b""))
        assert added["sentiment.value_sha256"] == hashlib.sha256(record.value or b"").hexdigest()
    else:
        assert outgoing.value == record.value
    if record.size < encoder.max_bytes // 2:
        assert kept
        assert (outgoing.source.key, outgoing.value) == (record.key, record.value)
    assert wire_bytes(outgoing) <= outgoing.size <= encoder.max_bytes


def _check_reason(reason: str) -> None:
    """It quotes no value, and of names of fields only those that cannot be data."""
    assert ADDRESS not in reason
    assert MARKER not in re.sub("with the fields [^;]*", "", reason)


def _added_headers(headers: Headers) -> dict[str, str]:
    """Returns the added headers after checking that they are complete and valid text."""
    names = {field.alias: field.is_required() for field in DeadLetterHeaders.model_fields.values()}
    added = {name: (value or b"").decode() for name, value in headers}
    assert len(added) == len(headers)
    assert added.keys() <= names.keys()
    assert {name for name, required in names.items() if required} <= added.keys()
    return added


def wire_bytes(outgoing: Outgoing) -> int:
    """Bytes of key, value and headers in Kafka's own format, including the lengths of the headers' parts."""
    total = len(outgoing.source.key or b"") + len(outgoing.value or b"")
    for name, value in outgoing.headers:
        for part in (name.encode(), value):
            size = -1 if part is None else len(part)
            total += max(size, 0) + max(1, -(-(abs(size) * 2).bit_length() // 7))
    return total


def check_environment(environ: Mapping[str, str]) -> None:
    """Any environment gives settings or a SettingsError, for either command, and shows no secret."""
    for load in (
        lambda: load_settings(ConsumerSettings, flags={}, environ=environ, others=OTHER_COMMANDS),
        lambda: load_settings(TrainerEnvironment, flags={}, environ=environ, others=TRAINERS_OTHERS),
    ):
        began = time.thread_time()
        try:
            shown = str(effective(load()))
        except SettingsError as error:
            shown = str(error)
        assert MARKER not in shown
        assert time.thread_time() - began < EXAMPLE_S, "too slow"


def check_file(path: Path, content: bytes) -> None:
    """Any settings file gives settings or a SettingsError, for all commands, and shows no secret."""
    path.write_bytes(content)
    check_environment({"SENTIMENT_CONFIG": str(path)})
    try:
        found = examine_file(ConsumerSettings, path, OTHER_COMMANDS)
        said = str([*settings_problems(found, path), *found.of_others])
    except SettingsError as error:
        said = str(error)
    assert MARKER not in said


def _no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not valid JSON")

"""Values of public bug reports, made here after their descriptions; docs/formats.md lists what happens to each."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Final

import pytest

from shared.errors import BadRecord
from shared.formats import InputFormat, Kind, parse_input
from shared.formats.path import parse_selector

PAGE: Final = Path(__file__).parents[4] / "docs" / "formats.md"
GOOD: Final = b'{"text": "good"}'
READ: Final[list[tuple[str, bytes, Kind]]] = [
    ("apache/openwhisk-package-kafka#319", b'{"a": [NaN, NaN, 123], "text": "good"}', "json"),
    ("apache/openwhisk-package-kafka#332", b'{"a": 1e999, "b": -1e999, "text": "good"}', "json"),
    ("apache/druid#10259", b'{\n        "byteCount": 0,\n        "text": "good"\n}\n', "json"),
    ("fluent/fluent-plugin-kafka#153", b'{"host": "caf\xe9", "text": "good"}', "json"),
    ("opensearch-project/data-prepper#6746", b'{"text": "good\xed\xaf\x88"}', "json"),
    ("mrniko/netty-socketio#633", b'{"user": "a\nb", "text": "good"}', "json"),
    ("vmware-archive/kubeless#56", json.dumps(GOOD.decode()).encode(), "json"),
    ("Apicurio/apicurio-registry#7546", GOOD, "json-schema"),
    ("Apicurio/apicurio-registry#7067", b"\0" + (15).to_bytes(8, "big") + GOOD, "json-schema"),
    ("confluentinc/schema-registry SchemaId", b"\1" + bytes(range(16)) + GOOD, "json-schema"),
    ("MaterializeInc/materialize#37019", b"\3\0" + bytes(range(16)) + GOOD, "json-schema"),
    ("debezium: ids of MongoDB", b'{"_id": {"$oid": "65f0"}, "text": "good"}', "json"),
]
REFUSED: Final = [
    ("confluentinc/confluent-kafka-python#389", b"{'HOST': 'x', 'text': 'good'}", "a Python dictionary as text"),
    ("snowflakedb/snowflake-kafka-connector#719", GOOD + b"\n" + GOOD, "several JSON documents"),
    ("timeplus-io/proton#274", GOOD + b"\r\n" + GOOD + b"\r\n", "several JSON documents"),
    ("druid-io/tranquility#216", b"[" + GOOD + b", " + GOOD + b"]", "the value is an array of 2"),
    ("vectordotdev/vector#9924", gzip.compress(GOOD, mtime=0), "compressed with gzip"),
    ("MaterializeInc/materialize#37019, zlib", b"\3\5" + bytes(16) + b"\x78\x9c", "compressed by the serialiser"),
    ("azkaban/azkaban#953", b'{"text": "a "good" day"}', "not JSON: Expecting ',' delimiter at line 1 column 14"),
    ("llofberg/kafka-connect-rest#7", b'{ \\x0A  "text" : "good" ,\\x0A}', "not JSON: Expecting property name"),
    ("fluent/fluent-plugin-kafka#250", b'{"text": "caf\xe9"}', "the text is not UTF-8"),
    ("apache/openwhisk-package-kafka#295", b"plain words", "--format text reads it"),
]


@pytest.mark.parametrize(("source", "value", "kind"), READ)
def test_it_is_read(source: str, value: bytes, kind: Kind) -> None:
    """Given the value of a report, when read in its format or by its looks, then the text is found."""
    form = InputFormat(kind=kind, id=parse_selector("_id"))

    assert parse_input(value, form).text == "good"
    assert parse_input(value, InputFormat(kind="auto")).text == "good"
    assert f"| {source} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("source", "value", "said"), REFUSED)
def test_it_is_refused_with_what_to_do(source: str, value: bytes, said: str) -> None:
    """Given the value of a report, when it cannot be read, then the reason says what it is."""
    with pytest.raises(BadRecord) as caught:
        parse_input(value, InputFormat())

    assert said in str(caught.value)
    assert f"| {source} |" in PAGE.read_text(encoding="utf-8")

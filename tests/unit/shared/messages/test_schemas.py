"""The committed JSON Schemas and the models are one contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.messages import DeadLetterHeaders, schemas

COMMITTED = Path(__file__).parents[4] / "docs" / "schemas"


def test_the_committed_schemas_are_those_of_the_models() -> None:
    """Given docs/schemas, when the schemas are generated, then nothing differs; else run `make reference`."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.glob("*.schema.json")}

    assert committed == schemas()


@pytest.mark.slow
def test_the_module_writes_the_schemas(tmp_path: Path) -> None:
    """Given a folder, when the module is run with it, then it contains the schemas."""
    subprocess.run([sys.executable, "-m", "shared.messages", str(tmp_path)], check=True, timeout=60)

    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == schemas()


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("input", {"text"}),
        ("result", {"id", "label", "score", "probabilities", "uncertain", "truncated", "tokens", "model"}),
        ("dead-letter-headers", {"__connect.errors.topic", "__connect.errors.exception.message"}),
    ],
)
def test_a_schema_demands_what_readers_rely_on(name: str, required: set[str]) -> None:
    """Given a schema, when read, then the fields that every message has are required."""
    schema: dict[str, Any] = json.loads(schemas()[f"{name}.schema.json"])

    assert required <= set(schema["required"])
    assert required <= set(schema["properties"])


def test_dead_letter_headers_bear_the_names_of_kafka_connect() -> None:
    """Given the headers of a letter, when encoded, then only set fields appear, by their aliases, as UTF-8."""
    headers = DeadLetterHeaders(
        topic="texts",
        partition="3",
        offset="14",
        stage="decode",
        class_name="c",
        exception="BadRecord",
        message="\u00fcber",
        service_version="1",
        model_version="2",
    )

    assert headers.as_headers() == (
        ("__connect.errors.topic", b"texts"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"14"),
        ("__connect.errors.stage", b"decode"),
        ("__connect.errors.class.name", b"c"),
        ("__connect.errors.exception.class.name", b"BadRecord"),
        ("__connect.errors.exception.message", "\u00fcber".encode()),
        ("sentiment.service_version", b"1"),
        ("sentiment.model_version", b"2"),
    )

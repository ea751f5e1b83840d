"""Every message of a chaos run and its expected outcome: everything follows from the message's number.

Consumers and the independent reader both work from this module, and share nothing else.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

LABELS: Final = ("negative", "neutral", "positive")
NUMBER_HEADER: Final = "n"
"""Carries the message's number through results and dead letters alike."""
MARKER: Final = "text-that-no-log-may-hold"
"""Part of every text."""
SECRET: Final = "planted-secret-4f1d"  # noqa: S105 - planted, to be looked for
"""Part of every consumer's settings."""

POISON: Final = "poison"
NOT_FINITE: Final = "not-finite"
KILLER: Final = "killer"
"""A text with this word ends the process that scores it."""

KEYS: Final = 120
"""Partitions of the main topic."""
LANE: Final = 1_000_000
"""How many numbers a lane has: the main topic is the first lane, see tests/chaos/verdict/inputs.py."""
CULPRITS: Final = 1_000 * LANE
"""Numbers from here on belong to texts that end a process."""
BOMBS: Final = 2_000 * LANE
"""Numbers from here on belong to records that no process can unpack."""

UNDECODABLE: Final = "BadRecord"
PROCESS_DIED: Final = "ProcessDied"

ALREADY_SCORED: Final = "already_scored"

_LETTERS: Final = {7: UNDECODABLE, 24: "ForwardPassFailed", 41: "NotFinite", 58: ALREADY_SCORED}
"""By the number's last two digits: the error of its dead letter."""
_SCHEMA: Final = ("sentiment.schema", b"1")
"""The header of a result; a text may carry it as well, since other programs pass headers on."""
_SCHEMA_DIGITS: Final = frozenset({58, 59})


class Oracle:
    """Invented texts, and the answers of a scorer that needs no model."""

    tolerance = 1e-6
    """The largest difference between a probability and the oracle's."""

    def letter_of(self, number: int) -> str | None:
        """The error with which a message is dead-lettered; None for one that is scored. 4 of 100 are bad."""
        return PROCESS_DIED if number >= CULPRITS else _LETTERS.get(number % 100)

    def text_of(self, number: int) -> str:
        """The text of a message."""
        word = KILLER if number >= CULPRITS else {24: POISON, 41: NOT_FINITE}.get(number % 100, "fine")
        return f"message {number} is {word}, {MARKER}"

    def value_of(self, number: int) -> bytes:
        """The value of a message as it is produced."""
        if self.letter_of(number) == UNDECODABLE:
            return b"\xff" + self.text_of(number).encode()
        if self.letter_of(number) == ALREADY_SCORED:
            return json.dumps(_result_of(number, self.text_of(number))).encode()
        return json.dumps({"id": str(number), "text": self.text_of(number)}).encode()

    def probabilities(self, version: str, text: str) -> tuple[float, ...]:
        """The answer of a model version to a text, in the order of LABELS."""
        weights = [1 + byte for byte in hashlib.sha256(f"{version}:{text}".encode()).digest()[: len(LABELS)]]
        return tuple(weight / sum(weights) for weight in weights)

    def label(self, version: str, text: str) -> str:
        """The label of that answer."""
        probabilities = self.probabilities(version, text)
        return LABELS[probabilities.index(max(probabilities))]


def key_of(number: int) -> bytes:
    """The key of a message; messages of one key follow each other in the order of their numbers."""
    return f"key-{number % KEYS}".encode() if number < LANE else f"lane-{number // LANE}".encode()


def headers_of(number: int) -> list[tuple[str, bytes]]:
    """The headers of a message, with one name twice."""
    own = [(NUMBER_HEADER, str(number).encode()), ("twice", b"\x00\xff"), ("twice", b"")]
    return [*own, _SCHEMA] if number % 100 in _SCHEMA_DIGITS else own


def _result_of(number: int, text: str) -> dict[str, object]:
    """The result that another instance of the service would have written, which comes back as an input."""
    return {
        "schema_version": 1,
        "id": str(number),
        "text": text,
        "label": LABELS[0],
        "score": 0.8,
        "probabilities": dict(zip(LABELS, (0.8, 0.1, 0.1), strict=True)),
        "uncertain": False,
        "truncated": False,
        "tokens": 8,
        "model": {"name": "other", "version": "0123456789ab"},
        "source": None,
        "scored_at": "2026-01-01T00:00:00Z",
    }

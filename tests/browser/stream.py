"""A producer of inputs, results and dead letters, in transactions, as the consumer writes them."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from confluent_kafka import Producer

from shared.messages import DeadLetterHeaders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka import KafkaError, Message

LABELS: Final = ("negative", "neutral", "positive")
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """A text and what the model made of it."""

    text: str
    label: str = "positive"
    score: float = 0.9
    age_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = "v1"
    segments: int | None = None
    source: tuple[str, int, int] | None = None
    """Another place of the input than that of `text`, which is then not written."""


class Stream:
    """Writes to the topics of one test."""

    def __init__(self, login: Mapping[str, str], texts: str, results: str, letters: str) -> None:
        self.texts, self.results, self.letters = texts, results, letters
        self.login = login
        self.sent: Counter[str] = Counter()
        """Committed results by label."""
        self._producer = Producer({**login, "transactional.id": f"test-{uuid4()}", "linger.ms": 1})
        self._producer.init_transactions(TIMEOUT_S)

    def say(self, *said: Said, abort: bool = False) -> float:
        """Writes inputs, then their results in one transaction; returns the monotonic time of its commit."""
        places = self._inputs(one for one in said if one.source is None)
        now = time.time()
        self._producer.begin_transaction()
        for one in said:
            source = one.source or (self.texts, 0, next(places))
            at_ms = round((now - one.age_s) * 1000)
            self._producer.produce(
                self.results,
                json.dumps(_result(one, source, at_ms)).encode(),
                headers=[(name, value.encode()) for name, value in one.headers.items()],
                timestamp=at_ms,
            )
        if abort:
            self._producer.abort_transaction(TIMEOUT_S)
        else:
            self._producer.commit_transaction(TIMEOUT_S)
            self.sent.update(one.label for one in said)
        return time.monotonic()

    def reject(self, error: str, reason: str) -> None:
        """Writes a dead letter."""
        added = DeadLetterHeaders(
            topic=self.texts,
            partition="0",
            offset="5",
            stage="decode",
            class_name="consumer",
            exception=error,
            message=reason,
            service_version="0",
            model_version="v1",
        )
        self._producer.begin_transaction()
        self._producer.produce(self.letters, b"{}", headers=list(added.as_headers()), timestamp=_now_ms())
        self._producer.commit_transaction(TIMEOUT_S)

    def _inputs(self, said: Iterable[Said]) -> Any:
        offsets: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None
            offset = message.offset()
            assert offset is not None
            offsets.append(offset)

        self._producer.begin_transaction()
        for one in said:
            # Some hostile texts hold half of an emoji, which is JSON but not UTF-8.
            value = json.dumps({"text": one.text}).encode()
            self._producer.produce(self.texts, value, partition=0, timestamp=_now_ms(), on_delivery=delivered)
            self._producer.poll(0)
        self._producer.commit_transaction(TIMEOUT_S)
        return iter(sorted(offsets))


def _result(one: Said, source: tuple[str, int, int], at_ms: int) -> dict[str, Any]:
    rest = round((1 - one.score) / 2, 6)
    return {
        "schema_version": 1,
        "id": "-".join(map(str, source)),
        "label": one.label,
        "score": one.score,
        "probabilities": {label: one.score if label == one.label else rest for label in LABELS},
        "uncertain": one.score < 0.6,
        "truncated": False,
        "tokens": 5,
        **({} if one.segments is None else {"segments": one.segments}),
        "model": {"name": "minilm", "version": one.model},
        "source": {"topic": source[0], "partition": source[1], "offset": source[2], "timestamp": at_ms},
        "scored_at": datetime.fromtimestamp(at_ms / 1000 + 0.05, UTC).isoformat(),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

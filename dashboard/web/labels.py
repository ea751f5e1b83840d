"""Labels that viewers give: saved once Kafka has acknowledged them, and taken back by a tombstone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dashboard.web.problems import Problem
from dashboard.window.records import Place
from shared.errors import SentimentError
from shared.kafka.labels.reader import LabelReader
from shared.kafka.labels.writer import LabelWriter
from shared.messages import Label, LabelKey
from shared.messages.labels import UNSURE

if TYPE_CHECKING:
    from dashboard.window.window import Window
    from shared.kafka.settings import KafkaSettings

log = structlog.get_logger()


class Given(BaseModel):
    """What a viewer sends: whose label of which text; without a verdict it takes the label back."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    topic: str = Field(min_length=1, max_length=249)
    partition: int = Field(ge=0, lt=2**31)
    offset: int = Field(ge=0, lt=2**63)
    annotator: str = Field(min_length=1, max_length=200)
    verdict: str | None = Field(default=None, min_length=1, max_length=100)


class Labels:
    """The labels topic as the page uses it. Any thread; calls block until Kafka has answered."""

    def __init__(self, kafka: KafkaSettings, topic: str, window: Window) -> None:
        self._kafka = kafka
        self._topic = topic
        self._window = window
        self._lock = threading.Lock()
        self._writer: LabelWriter | None = None

    def save(self, given: Given) -> None:
        """Writes or takes back a label; returns once it is acknowledged; raises Problem."""
        source = Place(given.topic, given.partition, given.offset)
        with self._window.open() as contents:
            candidate = contents.review.find(source)
            known = {kind.label for kind in contents.sums.rows.keys} | {UNSURE}
        if given.verdict is not None and given.verdict not in known:
            raise Problem(422, "invalid", "the verdict is none of the labels on the page")
        if candidate is None and given.verdict is not None:
            raise Problem(404, "not_found", "this text is not in the queue any more; take the next one")
        try:
            writer = self._ready()
            if candidate is None or given.verdict is None:
                writer.undo(LabelKey.decode(LabelKey(*source, given.annotator).encode()))
            else:
                writer.write(
                    Label.model_validate(
                        {
                            "source": source._asdict(),
                            "verdict": given.verdict,
                            "text_sha256": candidate.digest,
                            "annotator": given.annotator,
                            "purpose": "queue",
                            "model": {
                                "name": candidate.record.model_name,
                                "version": candidate.record.model_version,
                            },
                            "labelled_at": datetime.now(UTC),
                        }
                    )
                )
        except SentimentError as error:
            raise Problem(502, "not_saved", str(error)) from None
        except (ValidationError, ValueError):
            raise Problem(422, "invalid", "the name must be one line of visible characters") from None
        with self._window.open() as contents:
            (contents.review.reopen if given.verdict is None else contents.review.finish)(source)
            contents.version += 1

    def _ready(self) -> LabelWriter:
        """The writer; made at the first label, since Kafka may be away at the start."""
        with self._lock:
            if self._writer is None:
                self._writer = LabelWriter(self._kafka, self._topic)
            return self._writer

    def exclude_labelled(self) -> None:
        """Takes what has a label already out of the queue; call it once, on a thread of its own."""
        try:
            with LabelReader(self._kafka, self._topic) as reader:
                keys = set[LabelKey]()
                for key, label in reader.changes():
                    (keys.discard if label is None else keys.add)(key)
        except SentimentError as error:
            # A topic that does not exist yet is created with the first label.
            log.info("labels_not_read", topic=self._topic, error=str(error))
            return
        with self._window.open() as contents:
            contents.review.exclude(Place(*key[:3]) for key in keys)

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            if self._writer is not None:
                self._writer.__exit__()

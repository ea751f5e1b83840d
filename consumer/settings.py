"""Everything an operator may change, with its unit and its default."""

from __future__ import annotations

import re
import socket
from pathlib import Path  # noqa: TC003 - pydantic needs it at run time
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from shared.errors import SettingsError
from shared.kafka import KafkaSettings
from shared.logs import Level  # noqa: TC001
from shared.messages import InputFormat
from shared.settings import Settings, load_settings, sources

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER_COMMANDS: Final = ("trainer.", "dashboard.")
"""Starts of the settings of sister commands, which may stand in the same environment or file."""


def _split(value: object) -> object:
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


class Limits(Settings):
    """How much may be in hand at once, and how long anything may take."""

    batch_records: int = Field(default=1_024, gt=0, le=100_000)
    """Records of one micro-batch at most: the window within which texts are sorted by length."""
    batch_tokens: int | None = Field(default=None, gt=0)
    """Tokens of one forward pass, padding included; by default what the engine is best at: 1,024 with OpenVINO on
    a CPU, 32,768 on CUDA."""
    inflight_batches: int = Field(default=2, ge=1, le=64)
    """So many times `batch_records` may wait for their scores: one on the device and one ready for it."""
    inflight_bytes: int = Field(default=64 * 2**20, gt=0)
    """Bytes of input in hand; reading pauses above it."""
    max_record_bytes: int = Field(default=2**18, gt=0)
    """Larger input values are dead-lettered unread."""
    max_output_bytes: int = Field(default=1_000_000, ge=4_096)
    """Largest record written, key and headers included; below `max.message.bytes` of the topics written to.

    The headers of a dead letter take up to 1,900 bytes, so that with the least of limits any letter fits.
    """
    read_wait_s: float = Field(default=0.1, gt=0, le=1)
    """How long a read waits when there is nothing to do."""
    commit_interval_s: float = Field(default=0.1, ge=0, le=10)
    """Under load scores are published so often, all that there are in one transaction; else at once."""
    commit_timeout_s: float = Field(default=20, gt=0, le=50)
    """Deadline for the broker to acknowledge one micro-batch."""
    stall_timeout_s: float = Field(default=240, ge=30)
    """What makes no progress for so long hangs inside a library and ends the process: the loop with exit code 75,
    a step of the scorer with 71.

    A publish and a recovery may each take 160 s while brokers are away, so it is above that.
    """
    shutdown_s: float = Field(default=6, gt=0, le=60)
    """How long a stopping process waits for the batch in hand before it abandons it."""
    max_recoveries: int = Field(default=5, ge=0)
    """Failed publishes within `recovery_window_s` after which the process ends with exit code 75."""
    recovery_window_s: float = Field(default=300, gt=0)
    max_crashes: int = Field(default=3, ge=2)
    """Ends of a process on the same records after which these are scored one by one, to find the culprit."""
    dlq_window: int = Field(default=10_000, gt=0)
    """Records over which the share of dead letters is taken."""
    dlq_share: float = Field(default=0.2, gt=0, le=1)
    """More dead letters than this share of the last `dlq_window` records end the process."""
    dlq_in_a_row: int = Field(default=1_000, gt=0)
    """So many dead letters without one result between them end the process."""

    @property
    def most_in_hand(self) -> int:
        """Records that a process may have in hand."""
        return self.batch_records * self.inflight_batches


class ConsumerSettings(Settings):
    """Settings of `sentiment-consumer`."""

    model: Path | None = None
    """The model folder that sentiment-trainer wrote."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """Of the model's arithmetic; `auto` is the fastest that the device has, int8 only where it was exported."""
    cache: int = Field(default=50_000, ge=0)
    """Scores kept, so that an equal text need not be scored again; 20 MB at the default. 0 turns it off."""
    kafka: KafkaSettings = KafkaSettings()
    group_id: str = Field(default="sentiment", min_length=1)
    input_topics: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(default=("texts",), min_length=1)
    """Names, or one pattern that starts with ^; several are parted by commas."""
    output_topic: str = Field(default="sentiments", min_length=1)
    dlq_topic: str = Field(default="sentiments.dlq", min_length=1)
    group_protocol: Literal["classic", "consumer"] = "classic"
    """How the group shares partitions: `classic`, cooperative-sticky, or `consumer`, that of KIP-848."""
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    instance_id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    """Stable name of this process, unique in its group, for exactly-once; default: the hostname's ordinal,
    as in a StatefulSet's `consumer-2`, or else the whole hostname."""
    auto_offset_reset: Literal["earliest", "latest", "none"] = "earliest"
    """Where a group without any committed offset begins; `none` ends the process instead, with exit code 76."""
    format: Literal["json", "text"] = "json"
    text_field: str = Field(default="text", min_length=1)
    id_field: str = Field(default="id", min_length=1)
    on_null: Literal["skip", "forward", "dead-letter"] = "skip"
    """What becomes of a record that deletes a row of a changelog: it is counted and passed over, or becomes a null
    with its key in the output topic, or a dead letter that no limit counts."""
    timestamps: Literal["input", "now"] = "input"
    """The timestamp of results: the input record's, or the time of writing."""
    include_text: bool = False
    """Whether results carry the text."""
    uncertain_below: float = Field(default=0.5, ge=0, le=1)
    """Results whose score is lower are marked uncertain."""
    until_idle_s: float | None = Field(default=None, gt=0)
    """Ends after so many seconds without a record; for scripts."""
    max_messages: int | None = Field(default=None, gt=0)
    """Ends after so many records; for scripts."""
    log_level: Level = "info"
    limits: Limits = Limits()

    @field_validator("input_topics")
    @classmethod
    def _valid_topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            if topic.startswith("^"):
                try:
                    re.compile(topic)
                except (re.error, OverflowError, RecursionError) as error:
                    raise ValueError(f"{topic!r} is no valid pattern: {error}") from None
            elif not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic):
                raise ValueError(f"{topic!r} is no valid topic name")
        return topics

    @property
    def model_folder(self) -> Path:
        """The model folder; raises SettingsError where none was named."""
        if self.model is None:
            raise SettingsError(
                "no model folder: give --model or set SENTIMENT_MODEL (sentiment-trainer writes one)"
            )
        return self.model

    @property
    def input_format(self) -> InputFormat:
        """How input values are read."""
        return InputFormat(self.format, self.text_field, self.id_field, self.limits.max_record_bytes)

    @property
    def transactional_id(self) -> str:
        """Stable over restarts and unique per instance, so that a restart ends its own orphaned transaction."""
        host = socket.gethostname()
        ordinal = re.search(r"-(\d+)$", host)
        slot = self.instance_id or (ordinal[1] if ordinal else host)
        return f"sentiment-{self.group_id}-{slot}"


def load(flags: Mapping[str, object], config: Path | None = None) -> ConsumerSettings:
    """Reads flags, environment and settings file; raises SettingsError with what to correct."""
    return load_settings(ConsumerSettings, flags=flags, file=config, others=OTHER_COMMANDS)


def origins(flags: Mapping[str, object], config: Path | None = None) -> dict[str, str]:
    """By setting, the flag, variable or file that it comes from; those at their default are left out."""
    return sources(ConsumerSettings, flags=flags, file=config, others=OTHER_COMMANDS)

"""Everything an operator may change, with its unit, its default and its bounds."""

from __future__ import annotations

import re
import socket
from pathlib import Path  # noqa: TC003 - pydantic needs it at run time
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from shared.errors import SettingsError
from shared.kafka.patterns import check_pattern
from shared.kafka.properties import check_membership
from shared.kafka.settings import KafkaSettings
from shared.logs import Level  # noqa: TC001
from shared.messages import InputFormat
from shared.settings import Settings, load_settings, sources

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER_COMMANDS: Final = ("trainer.", "dashboard.")
"""Starts of the settings of sister commands, which may stand in the same environment or file."""


DAY_S: Final = 86_400
PUBLISH_S: Final = 100
"""How long a publish or a recovery may take in addition to three times `commit_timeout_s` (for a full queue, the
acknowledgements and the offsets): 60 s for a commit that is repeated or a new producer that ends its predecessor's
transaction, and what single calls overrun."""
_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


def _split(value: object) -> object:
    """Parts names at commas, in a text and in each of several: no name or pattern holds one."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        return value
    return [name.strip() for part in value for name in part.split(",")]


def _topic_name(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError(f"{name[:249]!r} is no valid topic name")
    return name


TopicName = Annotated[str, AfterValidator(_topic_name)]
FieldPath = Annotated[str, Field(min_length=1, max_length=1_000)]


class Limits(Settings):
    """How much may be in hand at once, and how long anything may take."""

    batch_records: int = Field(default=1_024, gt=0, le=100_000)
    """Records of one micro-batch at most: the window within which texts are sorted by length."""
    batch_tokens: int | None = Field(default=None, gt=0, le=4_194_304)
    """Tokens of one forward pass, padding included; by default what the engine is best at: 1,024 with OpenVINO on
    a CPU, 32,768 on CUDA."""
    inflight_batches: int = Field(default=2, ge=1, le=64)
    """So many times `batch_records` may wait for their scores: one on the device and one ready for it."""
    inflight_bytes: int = Field(default=64 * 2**20, gt=0, le=64 * 2**30)
    """Bytes of input in hand; reading pauses above it."""
    max_record_bytes: int = Field(default=2**18, gt=0, le=256 * 2**20)
    """Larger input values are dead-lettered unread."""
    max_output_bytes: int = Field(default=1_000_000, ge=4_096, le=256 * 2**20)
    """Largest record written, key and headers included; below `max.message.bytes` of the topics written to.

    The headers of a dead letter take up to 1,900 bytes, so that with the least of limits any letter fits.
    """
    read_wait_s: float = Field(default=0.1, gt=0, le=1)
    """How long a read waits when there is nothing to do."""
    commit_interval_s: float = Field(default=0.1, ge=0, le=10)
    """Under load scores are published so often, all that there are in one transaction; else at once."""
    commit_timeout_s: float = Field(default=20, ge=0.1, le=50)
    """Deadline for the broker to acknowledge one micro-batch; below the transaction timeout of 60 s."""
    stall_timeout_s: float = Field(default=240, gt=PUBLISH_S, le=3_600)
    """What makes no progress for so long hangs inside a library and ends the process: the loop with exit code 75,
    a step of the scorer with 71.

    While brokers are away a publish and a recovery may each take PUBLISH_S and three times `commit_timeout_s`, so
    it is at least that.
    """
    shutdown_s: float = Field(default=6, gt=0, le=60)
    """How long a stopping process waits for the batch in hand before it abandons it."""
    max_recoveries: int = Field(default=5, ge=0, le=1_000)
    """Failed publishes within `recovery_window_s` after which the process ends with exit code 75."""
    recovery_window_s: float = Field(default=300, gt=0, le=DAY_S)
    max_crashes: int = Field(default=3, ge=2, le=100)
    """Ends of a process on the same records after which these are scored one by one, to find the culprit."""
    dlq_window: int = Field(default=10_000, gt=0, le=1_000_000)
    """Records over which the share of dead letters is taken."""
    dlq_share: float = Field(default=0.2, gt=0, le=1)
    """More dead letters than this share of the last `dlq_window` records end the process."""
    dlq_in_a_row: int = Field(default=1_000, gt=0, le=1_000_000)
    """So many dead letters without one result between them end the process."""

    @property
    def most_in_hand(self) -> int:
        """Records that a process may have in hand."""
        return self.batch_records * self.inflight_batches


class ConsumerSettings(Settings):
    """Settings of `sentiment-consumer`."""

    model: Path | None = None
    """The model folder that sentiment-trainer wrote."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$")
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """Of the model's arithmetic; `auto` is the fastest that the device has, int8 only where it was exported."""
    cache: int = Field(default=50_000, ge=0, le=10_000_000)
    """Scores kept, so that an equal text need not be scored again; 20 MB at the default. 0 turns it off."""
    kafka: KafkaSettings = KafkaSettings()
    group_id: str = Field(default="sentiment", pattern=r"^[^\x00-\x1f\x7f]{1,249}$")
    input_topics: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=("texts",), min_length=1, max_length=1_000
    )
    """Names, and patterns from ^ to $ or .*, see `shared/kafka/patterns.py`; several are parted by commas."""
    output_topic: TopicName = "sentiments"
    dlq_topic: TopicName = "sentiments.dlq"
    group_protocol: Literal["classic", "consumer"] = "classic"
    """How the group shares partitions: `classic`, cooperative-sticky, or `consumer`, that of KIP-848."""
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    instance_id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,249}$")
    """Stable name of this process, unique in its group, for exactly-once; default: the whole hostname."""
    auto_offset_reset: Literal["earliest", "latest", "none"] = "earliest"
    """Where a group without any committed offset begins; `none` ends the process instead, with exit code 76."""
    format: Literal["json", "text"] = "json"
    text_field: FieldPath = "text"
    id_field: FieldPath = "id"
    on_null: Literal["skip", "forward", "dead-letter"] = "skip"
    """What becomes of a record that deletes a row of a changelog: it is counted and passed over, or becomes a null
    with its key in the output topic, or a dead letter that no limit counts."""
    timestamps: Literal["input", "now"] = "input"
    """The timestamp of results: the input record's, or the time of writing."""
    include_text: bool = False
    """Whether results carry the text."""
    uncertain_below: float = Field(default=0.5, ge=0, le=1)
    """Results whose score is lower are marked uncertain."""
    until_idle_s: float | None = Field(default=None, gt=0, le=7 * DAY_S)
    """Ends after so many seconds without a record; for scripts."""
    max_messages: int | None = Field(default=None, gt=0, le=10**12)
    """Ends after so many records; for scripts."""
    log_level: Level = "info"
    limits: Limits = Limits()

    @field_validator("input_topics")
    @classmethod
    def _valid_topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            if topic.startswith("^"):
                check_pattern(topic)
            else:
                _topic_name(topic)
        return topics

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        check_membership(self.kafka.properties, self.group_protocol)
        for name in ("output_topic", "dlq_topic"):
            if getattr(self, name) in self.input_topics:
                raise ValueError(
                    f"input_topics and {name} are both {getattr(self, name)}, so the service would read what it "
                    "writes without end; give each a topic of its own"
                )
        if self.output_topic == self.dlq_topic:
            raise ValueError(
                f"output_topic and dlq_topic are both {self.dlq_topic}; readers could not tell results from dead "
                "letters; give each a topic of its own"
            )
        least_s = PUBLISH_S + 3 * self.limits.commit_timeout_s
        if self.limits.stall_timeout_s < least_s:
            raise ValueError(
                f"limits.stall_timeout_s must be at least {least_s:g}: with limits.commit_timeout_s of "
                f"{self.limits.commit_timeout_s:g} a publish may take as long while brokers are away"
            )
        return self

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
    def instance(self) -> str:
        """The name of this process: `instance_id`, or else the hostname."""
        return self.instance_id or socket.gethostname()

    @property
    def transactional_id_prefix(self) -> str:
        """What the transactional ids of this group, and of no other, begin with: one ACL covers them."""
        return f"sentiment:{quote(self.group_id, safe='')}:"

    @property
    def transactional_id(self) -> str:
        """Stable over restarts, so that a restart ends its own orphaned transaction, and of no other process.

        Groups and instances are quoted as in a URL, so neither can hold the colon that parts them.
        """
        return f"{self.transactional_id_prefix}{quote(self.instance, safe='')}"


def load(flags: Mapping[str, object], config: Path | None = None) -> ConsumerSettings:
    """Reads flags, environment and settings file; raises SettingsError with what to correct."""
    return load_settings(ConsumerSettings, flags=flags, file=config, others=OTHER_COMMANDS)


def origins(flags: Mapping[str, object], config: Path | None = None) -> dict[str, str]:
    """By setting, the flag, variable or file that it comes from; those at their default are left out."""
    return sources(ConsumerSettings, flags=flags, file=config, others=OTHER_COMMANDS)

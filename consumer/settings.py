"""Everything an operator may change, with its unit, its default and its bounds."""

from __future__ import annotations

import socket
from pathlib import Path  # noqa: TC003 - pydantic needs it at run time
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self
from urllib.parse import quote

from pydantic import BeforeValidator, Field, field_validator, model_validator

from consumer.http.settings import HttpSettings
from consumer.monitoring.settings import MetricsSettings
from shared.errors import SettingsError
from shared.formats import FieldPath, InputFormat, Kind
from shared.formats.path import parse_selector
from shared.kafka.patterns import check_pattern
from shared.kafka.properties import check_membership
from shared.kafka.settings import KafkaSettings, TopicName, split_names, topic_name
from shared.logs import Format, Level  # noqa: TC001
from shared.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER_COMMANDS: Final = ("trainer.", "dashboard.")
"""Prefixes of the settings of other commands, which may be in the same environment or file."""


DAY_S: Final = 86_400
PUBLISH_S: Final = 100
"""How long a publish or a recovery may take in addition to three times `commit_timeout_s` (for a full queue, the
acknowledgements and the offsets): 60 s for a commit that is repeated or a new producer that ends its predecessor's
transaction, and what single calls overrun."""


class Limits(Settings):
    """How much may be in hand at once, and how long anything may take."""

    # 5 % more texts a second than 512, on two cores.
    batch_records: int = Field(default=1_024, gt=0, le=100_000)
    """Records of one micro-batch at most. It is also the window within which texts are sorted by length."""
    batch_tokens: int | None = Field(default=None, gt=0, le=4_194_304)
    """Tokens of one forward pass, padding included. Default: the engine's best, 1,024 with OpenVINO on a CPU and
    32,768 on CUDA."""
    inflight_batches: int = Field(default=2, ge=1, le=64)
    """Micro-batches of `batch_records` that may wait for their scores: one on the device, one ready for it."""
    # In addition the Kafka client may hold a quarter as much, and one fetched batch.
    inflight_bytes: int = Field(default=64 * 2**20, gt=0, le=64 * 2**30)
    """Bytes of input in hand. Above it reading pauses."""
    # 262 kB of emoji become 2.8 million characters, which a tokenizer reads in about 5 s: lower it where producers
    # are not trusted.
    max_record_bytes: int = Field(default=2**18, gt=0, le=256 * 2**20)
    """Bytes of an input value. Larger ones become dead letters unread."""
    max_output_bytes: int = Field(default=1_000_000, ge=4_096, le=256 * 2**20)
    """Bytes of a record that is written, key and headers included. Keep it below the topics' `max.message.bytes`.

    The headers of a dead letter take up to 1,900 bytes, so that any letter fits the least value.
    """
    read_wait_s: float = Field(default=0.1, gt=0, le=1)
    """Seconds that a read waits when there is nothing to do."""
    # With a scorer of 1 ms for 32 messages this raised exactly-once from 0.80 to 0.88 of the at-least-once rate.
    commit_interval_s: float = Field(default=0.1, ge=0, le=10)
    """Seconds between two publishes under load. All scores that are ready share one transaction."""
    commit_timeout_s: float = Field(default=20, ge=0.1, le=50)
    """Seconds for the broker to acknowledge one publish. It is below the transaction timeout of 60 s."""
    stall_timeout_s: float = Field(default=240, gt=PUBLISH_S, le=3_600)
    """Seconds without progress after which the process ends: exit code 75 for the loop, 71 for the scorer.

    While brokers are away, a publish and a recovery may each take 100 s and three times `commit_timeout_s`, so it
    is at least that.
    """
    # Leaves 3 of the 9 s of `signals.GRACE_S` for closing the outbox and leaving the group.
    shutdown_s: float = Field(default=6, gt=0, le=8)
    """Seconds that a stopping process waits for the batch in hand before it abandons it."""
    max_recoveries: int = Field(default=5, ge=0, le=1_000)
    """Failed publishes within `recovery_window_s` that are recovered from. One more ends the process (75)."""
    recovery_window_s: float = Field(default=300, gt=0, le=DAY_S)
    """Seconds within which `max_recoveries` counts."""
    # From 2 on: nobody counts the first crash, so a limit of 1 would take every start for one after a crash.
    max_crashes: int = Field(default=3, ge=2, le=100)
    """Crashes on the same records after which these are scored one by one, to find the culprit."""
    dlq_window: int = Field(default=10_000, gt=0, le=1_000_000)
    """Records over which `dlq_share` is taken."""
    dlq_share: float = Field(default=0.2, gt=0, le=1)
    """Share of dead letters among the last `dlq_window` records above which the process ends (79)."""
    dlq_in_a_row: int = Field(default=1_000, gt=0, le=1_000_000)
    """Dead letters without one result between them at which the process ends (79)."""

    @property
    def most_in_hand(self) -> int:
        """Records that a process may have in hand."""
        return self.batch_records * self.inflight_batches


class DriftSettings(Settings):
    """How results are compared with the validation part of the model."""

    enabled: bool = True
    """Whether results are watched for drift, where the model has reference statistics."""
    # Windows of 100 texts find another collection or language, and little else (docs/drift.md).
    window: int = Field(default=500, ge=100, le=1_000_000)
    """Results of one comparison. A larger window finds smaller shifts, later."""


class TracingSettings(Settings):
    """Traces by OpenTelemetry, whose own environment variables say where they go and how many are taken.

    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER and others: docs/traces.md.
    """

    enabled: bool = False
    """Export spans, and put the trace context of each result into its headers (docs/traces.md)."""


class ConsumerSettings(Settings):
    """Settings of `sentiment-consumer`."""

    model: Path | None = None
    """Model folder written by sentiment-trainer."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$")
    """Where the model runs: auto, cpu, cuda or cuda:N."""
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """Of the model's arithmetic. auto is the fastest of the device; it takes int8 only where that was exported."""
    # With 50,000 the dictionary has its final size before 100,000 messages, and is rebuilt in less memory.
    cache: int = Field(default=50_000, ge=0, le=10_000_000)
    """Scores kept, so that an equal text is not scored again; 20 MB at the default. 0 keeps none."""
    kafka: KafkaSettings = KafkaSettings()
    group_id: str = Field(default="sentiment", pattern=r"^[^\x00-\x1f\x7f]{1,249}$")
    """Consumer group."""
    input_topics: Annotated[tuple[str, ...], BeforeValidator(split_names)] = Field(
        default=("texts",), min_length=1, max_length=1_000
    )
    """Topics to read: names, or patterns from ^ to $ or .*; separate several by commas, or repeat the option.

    `shared/kafka/patterns.py` says which patterns both group protocols read alike.
    """
    output_topic: TopicName = "sentiments"
    """Topic for results."""
    dlq_topic: TopicName = "sentiments.dlq"
    """Topic for dead letters."""
    # `consumer` needs librdkafka 2.15: with 2.12 members stood still for 1 to 3 minutes (its issue 5541).
    group_protocol: Literal["classic", "consumer"] = "classic"
    """How the group shares partitions: classic (cooperative-sticky), or consumer (KIP-848)."""
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    """exactly-once publishes in transactions; at-least-once may repeat results after a crash."""
    instance_id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,249}$")
    """Name of this process for exactly-once: stable over restarts, unique in its group. Default: the hostname."""
    auto_offset_reset: Literal["earliest", "latest", "none"] = "earliest"
    """Where a group without committed offsets begins. none ends the process instead (76)."""
    format: Kind = "json"
    """What an input value is: JSON, bare text, JSON framed by a schema registry, or what its first bytes show."""
    text_field: FieldPath = "text"
    """Where a JSON value has the text: data.text, items.0.text, `a.b` for a name with a dot, "full, text" for the
    first that is there, "title + text" for both joined."""
    id_field: FieldPath = "id"
    """Where a JSON value has the id, as for the text. Without a usable one the record's coordinates are taken."""
    # As dead letters, 20 % of deletions in a changelog ended the service.
    on_null: Literal["skip", "forward", "dead-letter"] = "skip"
    """What a deletion of a changelog becomes: nothing but a count, a null with its key in the output topic, or a
    dead letter that no limit counts."""
    timestamps: Literal["input", "now"] = "input"
    """Timestamp of a result: the input record's, or the time of writing."""
    include_text: bool = False
    """Put the text into results."""
    uncertain_below: float | None = Field(default=None, ge=0, le=1)
    """Results with a lower score are marked uncertain. Default: the threshold in the model's manifest, which its
    training chose, or 0.5 if it has none."""
    # Of 60,567 English tweets and reviews none had an unknown token of MiniLM; Chinese has 0.5 to 0.8, Thai 1.
    max_unknown_share: float = Field(default=0.2, ge=0, le=1)
    """Share of a text's tokens that the model does not know, above which the result is uncertain and has
    `unknown_share`. 1 marks none."""
    until_idle_s: float | None = Field(default=None, gt=0, le=7 * DAY_S)
    """End after this many seconds without a record, once every partition of this process is read to its end."""
    max_messages: int | None = Field(default=None, gt=0, le=10**12)
    """End after this many records."""
    log_level: Level = "info"
    """Least level of the log lines."""
    log_format: Format = "auto"
    """Log lines as JSON, or as text for people; auto: text on a terminal, JSON elsewhere."""
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    limits: Limits = Limits()
    http: HttpSettings = HttpSettings()
    drift: DriftSettings = DriftSettings()

    @field_validator("input_topics")
    @classmethod
    def _valid_topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            if topic.startswith("^"):
                check_pattern(topic)
            else:
                topic_name(topic)
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
        if self.metrics.port is not None and self.metrics.port == self.http.port:
            raise ValueError(f"metrics.port and http.port are both {self.http.port}; give each a port of its own")
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
        """How input values are read; made anew at each call."""
        text, identity = parse_selector(self.text_field), parse_selector(self.id_field)
        return InputFormat(self.format, text, identity, self.limits.max_record_bytes)

    @property
    def instance(self) -> str:
        """The name of this process: `instance_id`, or else the hostname."""
        # The whole name: its last number alone made `ip-10-0-1-25` and `ip-10-0-2-25` one instance.
        return self.instance_id or socket.gethostname()

    @property
    def consumer_client_id(self) -> str:
        """The client id of the group member."""
        return f"sentiment-consumer-{self.instance}"

    @property
    def transactional_id_prefix(self) -> str:
        """What the transactional ids of this group, and of no other, begin with: one ACL covers them."""
        # With dashes in place of the colons, group `g` with `eu-1` had the id of group `g-eu` with `1`.
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

"""Settings of the dashboard, with bounds and defaults; see `shared.settings` for the order of precedence.

Names outside of `dashboard.` are those of the consumer, so that one environment serves both.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic needs it at run time
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from shared.formats import FieldPath, InputFormat, Kind
from shared.formats.path import parse_selector
from shared.http.listening import Secret, require_secret
from shared.http.scrape import MAX_TARGETS, parse_target
from shared.kafka.settings import KafkaSettings, TopicName, split_names
from shared.logs import Format, Level  # noqa: TC001 - pydantic needs it at run time
from shared.settings import Settings

OTHER_COMMANDS: Final = ("",)
"""Any other name is ignored, unless it looks like a misspelling: most names of the consumer are unknown here."""
_URL: Final = r"^https?://[A-Za-z0-9.:_\[\]-]{1,255}(/[A-Za-z0-9._~/-]{0,255})?$"

Topics = Annotated[tuple[TopicName, ...], BeforeValidator(split_names)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_names)]


class DashboardSettings(Settings):
    """What the page reads and shows, and who may see it."""

    port: int = Field(default=8000, ge=1, le=65_535)
    """Port of the page."""
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_-]{1,255}$")
    """Address to listen on. Any but a loopback address needs `dashboard.token`; 0.0.0.0 is all of IPv4."""
    token: Secret = None
    """What a viewer must know: opened once as `/?token=...`, then kept in a cookie. 16 to 1,024 printable ASCII
    characters. Default: none is asked for."""
    trusted_hosts: Words = Field(default=(), max_length=100)
    """Host names under which viewers reach the page, besides `dashboard.host` and localhost."""
    result_topics: Topics = Field(default=("sentiments",), min_length=1, max_length=100)
    """Topics of results."""
    letter_topics: Topics = Field(default=("sentiments.dlq",), max_length=100)
    """Topics of dead letters; one that does not exist is shown as not connected."""
    history_h: float = Field(default=24, ge=0, le=48)
    """Hours of results that are read at the start. 0: only what comes from then on."""
    history_mib: int = Field(default=1_024, ge=1, le=1_048_576)
    """MiB of results that are read at the start at most; the newest are taken."""
    group_by: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    """A header of the results, or a dotted field of their values, by which results are split and compared."""
    labels_topic: TopicName | None = None
    """Topic for labels that viewers give, made as docs/labels.md says. Default: the page takes no labels."""
    labels_per_minute: int = Field(default=300, ge=1, le=10_000)
    """Labels that all viewers together may give or take back in a minute."""
    redact: bool = False
    """Show no texts and no terms; none is read from the input topics."""
    model: Path | None = None
    """Model folder, for its card and for the polarity of its labels. Default: no card."""
    score_url: str | None = Field(default=None, pattern=_URL, max_length=600)
    """Base URL of a consumer's HTTP, such as http://127.0.0.1:8080, which scores what a viewer types. Default: the
    page has no such field."""
    score_key: SecretStr | None = None
    """The key that `score_url` asks for: the consumer's `http.api_key`."""
    metrics_urls: Words = Field(default=(), max_length=MAX_TARGETS)
    """Metrics of consumers: ports, host:port or URLs, for rebalances, recoveries and drift."""
    metrics_token: SecretStr | None = None
    """The token that the metrics ask for: the consumer's `metrics.token`."""
    viewers: int = Field(default=50, ge=1, le=1_000)
    """Pages that are open at once. One more is refused."""
    tries_per_minute: int = Field(default=30, ge=1, le=10_000)
    """Texts that all viewers together may have scored in a minute."""

    @property
    def max_connections(self) -> int:
        """Open connections: of each page the stream and a few requests."""
        return 4 * self.viewers + 16

    @property
    def shutdown_delay_s(self) -> float:
        """Seconds after a signal during which requests are taken: none, since no load balancer has to follow."""
        return 0.0

    @field_validator("metrics_urls")
    @classmethod
    def _targets(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parse_target(url)
        return urls

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.redact and self.labels_topic is not None:
            raise ValueError(
                "dashboard.redact shows no texts, so none can be labelled: leave out dashboard.labels_topic"
            )
        require_secret(self, "dashboard.host", "dashboard.token", otherwise="read the texts")
        return self


class DashboardEnvironment(Settings):
    """Settings of `sentiment-dashboard`."""

    kafka: KafkaSettings = KafkaSettings()
    group_id: str = Field(default="sentiment", pattern=r"^[^\x00-\x1f\x7f]{1,249}$")
    """Consumer group whose lag is shown."""
    format: Kind = "json"
    """What an input value is, as for the consumer: texts are read from the input topics."""
    text_field: FieldPath = "text"
    """Where a JSON value of an input topic has the text, as for the consumer."""
    dashboard: DashboardSettings = DashboardSettings()
    log_level: Level = "info"
    """Least level of the log lines."""
    log_format: Format = "auto"
    """Log lines as JSON, or as text for people; auto: text on a terminal, JSON elsewhere."""

    @property
    def input_format(self) -> InputFormat:
        """How input values are read."""
        return InputFormat(self.format, parse_selector(self.text_field))

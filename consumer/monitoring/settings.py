"""Settings of the metrics: where they are served, and to whom."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from shared.http.listening import Secret, require_secret
from shared.settings import Settings


class MetricsSettings(Settings):
    """Where the metrics are served, for Prometheus and for `sentiment-consumer top`."""

    port: int | None = Field(default=None, ge=1, le=65_535)
    """Port to serve metrics on, one for each process. Default: none are served."""
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_-]{1,255}$")
    """Address to listen on. Any but a loopback address needs `metrics.token`; 0.0.0.0 is all of IPv4."""
    token: Secret = None
    """Bearer token that a request for metrics must send, 16 to 1,024 printable ASCII characters. Default: none is
    asked for."""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        require_secret(self, "metrics.host", "metrics.token", otherwise="read the metrics")
        return self

"""Settings of the HTTP server: where it listens, what a client may send, and how long anything may take."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, model_validator

from shared.http.listening import Secret, require_secret
from shared.settings import Settings

DEFAULT_PORT: Final = 8080
"""Of `serve` and `health`, where none is set."""


class HttpSettings(Settings):
    """Scores and health over HTTP."""

    port: int | None = Field(default=None, ge=1, le=65_535)
    """Port for health checks and scoring over HTTP. Default: none for `run`, 8080 for `serve` and `health`."""
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_-]{1,255}$")
    """Address to listen on. Any but a loopback address needs `http.api_key`; 0.0.0.0 is all of IPv4."""
    api_key: Secret = None
    """What clients send as the header X-API-Key to score texts, 16 to 1,024 printable ASCII characters. Health
    checks need none."""
    # A body is held in memory while it is read: `max_requests` times this is the most.
    max_body_bytes: int = Field(default=2**20, ge=1_024, le=64 * 2**20)
    """Bytes of a request's body. Larger ones are answered with 413."""
    max_texts: int = Field(default=256, gt=0, le=10_000)
    """Texts of one request. More are answered with 422."""
    # The stream's texts wait while one is tokenised: 262 kB of emoji take about 5 s, so these take about 0.3 s.
    max_text_bytes: int = Field(default=16_384, gt=0, le=2**20)
    """Bytes of one text in UTF-8. A request with a larger one is answered with 422."""
    max_waiting_texts: int = Field(default=1_024, gt=0, le=1_000_000)
    """Texts of all requests that wait for their scores. A request above it is answered with 429."""
    max_requests: int = Field(default=128, gt=0, le=10_000)
    """Scoring requests in hand. One more is answered with 429."""
    max_connections: int = Field(default=512, gt=0, le=60_000)
    """Open connections. Further ones are closed at once, health checks included."""
    timeout_s: float = Field(default=10, ge=0.1, le=300)
    """Seconds from the head of a request to its scores. Later it is answered with 503 and texts are dropped."""
    # A request of one text takes 0.8 ms of a core for HTTP itself, which comes on top.
    stream_share: float = Field(default=0.02, gt=0, le=0.5)
    """Share of the stream's tokens that requests may take in addition, under load. A stream that leaves the device
    idle leaves it to them."""
    # Endpoints of a Kubernetes service follow the readiness probe seconds later.
    shutdown_delay_s: float = Field(default=2, ge=0, le=5)
    """Seconds after SIGTERM during which requests are taken: /readyz fails at once, load balancers follow."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        require_secret(self, "http.host", "http.api_key", otherwise="score texts")
        if self.max_texts > self.max_waiting_texts:
            raise ValueError("http.max_texts is above http.max_waiting_texts, so such a request is never scored")
        return self

"""Asks processes for their metrics, as Prometheus does. What they answer is untrusted: bounded and parsed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http.client import HTTPResponse

# A scrape asks Kafka for the ends of partitions (1 s) and for timestamps (1 s).
ANSWER_S: Final = 4.0
"""Most seconds for a whole answer."""
MAX_BYTES: Final = 16 * 2**20
"""Most bytes of an answer; one of 1,000 series of every metric had 3 MB, with names of 32 characters."""
MAX_TARGETS: Final = 64
"""Most processes at once; each is asked on a thread."""
_PART: Final = 2**16
_OK: Final = 200

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""


class NoAnswer(Exception):  # noqa: N818 - a state of a process, shown in the table
    """A process gave no metrics; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where one process serves its metrics."""

    host: str
    port: int
    path: str = "/metrics"
    is_secure: bool = False

    @property
    def name(self) -> str:
        """Host and port, as Prometheus names an instance."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All samples of one process at one time."""

    at_s: float
    """Monotonic."""
    samples: Mapping[str, Mapping[Labels, float]] = field(repr=False)
    """By name, then by labels."""


def parse_target(given: str) -> Target:
    """Reads a port, host:port or a URL; raises ValueError."""
    if given.isdecimal():
        given = f"127.0.0.1:{given}"
    url = urlsplit(given if "://" in given else f"http://{given}")
    if url.scheme not in {"http", "https"} or not url.hostname or url.username or url.query or url.fragment:
        raise ValueError("give a port, HOST:PORT or http://HOST:PORT/metrics")
    is_secure = url.scheme == "https"
    port = url.port or (443 if is_secure else 80)
    return Target(url.hostname, port, url.path.rstrip("/") or "/metrics", is_secure)


def scrape_all(targets: Sequence[Target], token: str | None) -> list[Snapshot | NoAnswer]:
    """Asks all targets at once; the answers are in their order."""
    with ThreadPoolExecutor(max(1, len(targets))) as threads:
        return list(threads.map(lambda target: _scrape(target, token), targets))


def _scrape(target: Target, token: str | None) -> Snapshot | NoAnswer:
    try:
        return scrape(target, token)
    except NoAnswer as why:
        return why


def scrape(target: Target, token: str | None = None) -> Snapshot:
    """Asks one process; raises NoAnswer. A redirection is not followed: it could take the token elsewhere."""
    kind = HTTPSConnection if target.is_secure else HTTPConnection
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    began = time.monotonic()
    try:
        with closing(kind(target.host, target.port, timeout=ANSWER_S)) as connection:
            connection.request("GET", target.path, headers=headers)
            answer = connection.getresponse()
            if answer.status != _OK:
                raise NoAnswer("wants metrics.token" if answer.status == 401 else f"answers {answer.status}")  # noqa: PLR2004
            text = _read(answer, began + ANSWER_S)
    except (OSError, HTTPException) as error:
        raise NoAnswer(_reason(error)) from None
    return Snapshot(began, parse(text))


def parse(text: str) -> dict[str, dict[Labels, float]]:
    """The samples of an exposition; raises NoAnswer for what is none."""
    samples: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                samples.setdefault(sample.name, {})[labels] = float(sample.value)
    except (ValueError, IndexError, KeyError):
        raise NoAnswer("answers something else") from None
    return samples


def _read(answer: HTTPResponse, deadline: float) -> str:
    parts: list[bytes] = []
    size = 0
    # `read1` returns what is there: a sender of a byte a second never runs into the timeout of one read.
    while part := answer.read1(_PART):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise NoAnswer("answers too much")
        if time.monotonic() > deadline:
            raise NoAnswer("is too slow")
    return b"".join(parts).decode("utf-8", "replace")


def _reason(error: OSError | HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "is too slow"
    if isinstance(error, ConnectionRefusedError):
        return "is not there"
    return f"does not answer ({type(error).__name__})"

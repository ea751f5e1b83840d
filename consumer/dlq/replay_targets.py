"""Where letters go back to: whether a topic is there, and what it is known to refuse or to delete at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumer.preflight.problem import duration
from consumer.preflight.topic_config import TopicConfig
from shared.errors import KafkaRefused, KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.dlq.replay import Request
    from consumer.dlq.topic import DeadLetterTopic
    from shared.dlq.letters import Envelope

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Target:
    """One topic, and what the broker gives of its configuration."""

    name: str
    partitions: int
    config: TopicConfig

    def refusal(self, envelope: Envelope, now_ms: int) -> str | None:
        """Why the broker will refuse a letter's input, as far as its envelope shows; None if nothing is known."""
        stamp = envelope.origin.timestamp_ms
        if envelope.keyless and self.config.compacted:
            return f"it has no key, and {self.name} is compacted"
        if stamp is None:
            return None
        for setting, away_ms, bound_ms in (
            ("before", now_ms - stamp, self.config.before_ms),
            ("after", stamp - now_ms, self.config.after_ms),
        ):
            if away_ms > bound_ms:
                return (
                    f"its timestamp is {stamp}, and {self.name} has message.timestamp.{setting}.max.ms={bound_ms}"
                )
        return None

    def expired(self, envelopes: Iterable[Envelope], now_ms: int) -> int:
        """How many inputs are older than the topic keeps records."""
        stamps = (envelope.origin.timestamp_ms for envelope in envelopes)
        return sum(stamp is not None and self.config.deletes(now_ms - stamp) for stamp in stamps)


class Targets:
    """The topics of one replay, each asked for once; used by the reader's thread."""

    def __init__(self, topic: DeadLetterTopic, request: Request) -> None:
        """Raises an explained error where the one topic that is asked for cannot be written to."""
        self._topic = topic
        self._request = request
        # The topic of --to must exist. Whoever can write a dead letter chooses the other names, so none of those
        # may end a replay.
        self._found: dict[str, Target | str] = {} if request.to is None else {request.to: self._ask(request.to)}
        self._warned: set[str] = set()

    def of(self, envelope: Envelope) -> Target:
        """Where a letter goes; raises KafkaStateError for one that has a `refusal` for lack of such a topic."""
        target = self._target(self._request.target(envelope))
        if isinstance(target, str):
            raise KafkaStateError(target)
        return target

    def refusal(self, envelope: Envelope) -> str | None:
        """Why a letter cannot be replayed, as far as is known before it is tried."""
        target = self._target(self._request.target(envelope))
        return target if isinstance(target, str) else target.refusal(envelope, _now_ms())

    def warn_of_expiry(self, chosen: Iterable[Envelope]) -> None:
        """Warns, once for each topic, of letters whose inputs the broker will delete soon after the replay."""
        groups: dict[str, list[Envelope]] = {}
        for envelope in chosen:
            groups.setdefault(self._request.target(envelope), []).append(envelope)
        for name in sorted(groups.keys() - self._warned):
            target = self.of(groups[name][0])
            if old := target.expired(groups[name], _now_ms()):
                kept = duration(target.config.retention_ms or 0)
                problem = f"the broker deletes by timestamp, and {name} keeps records for {kept} only"
                log.warning("replayed_will_expire", letters=old, topic=name, problem=problem)
                self._warned.add(name)

    def _target(self, name: str) -> Target | str:
        """A topic, or why no letter can go there: whoever writes a dead letter chooses the name."""
        if name not in self._found:
            try:
                self._found[name] = self._ask(name)
            except (KafkaStateError, KafkaRefused) as error:
                self._found[name] = str(error)
        return self._found[name]

    def _ask(self, name: str) -> Target:
        if name == self._topic.name:
            raise KafkaStateError(f"{name} is where letters are read from; replay to another topic with --to")
        config = TopicConfig.of(name, self._topic.config_of(name))
        return Target(name, self._topic.partitions_of([name])[name], config)


def _now_ms() -> int:
    return int(time.time() * 1000)

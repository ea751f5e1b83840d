"""Places in a publish or a recovery at which a consumer of the chaos suite kills itself (SIGKILL).

The clients that the product imports are replaced by subclasses, so the product itself needs no such places. A
spec is `place:nth`, or `place:nth:fail` if a publish has to fail first to get there.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

import consumer.kafka.sender
import consumer.kafka.source
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Callable

DURING_S: Final = 0.002
"""How long after the start of a commit the process dies in the middle of it."""

STRETCH_AT: Final = 20
"""How many records of a transaction are written before its pause."""
STRETCH_FLUSH_S: Final = 5.0

TRANSACTION_PLACES: Final = (
    *(
        "after_offsets",
        "during_commit",
        "after_flush",
        "after_abort",
        "after_commit",
        "after_rewind",
        "in_produce",
    ),
    *("before_abort", "before_flush", "before_init", "after_init", "before_begin", "after_begin"),
)
GROUP_PLACES: Final = ("after_flush", "before_group_commit", "after_group_commit", "in_produce", "before_flush")
_RECOVERY: Final = frozenset({"before_abort", "after_abort", "before_init", "after_init", "after_rewind"})


def spec_of(place: str, nth: int) -> str:
    """Formats a failpoint; failpoints of a recovery need a publish that fails first."""
    return f"{place}:{nth}:fail" if place in _RECOVERY else f"{place}:{nth}"


class _Failpoint:
    def __init__(self, spec: str) -> None:
        place, nth, *fail = spec.split(":")
        self.place, self.left = place, int(nth)
        self.fail_flush = bool(fail)
        self.armed = not fail

    def at(self, place: str) -> None:
        if self.armed and place == self.place:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def fail_once(self) -> None:
        """Fails the nth publish; from then on the failpoints of the recovery are armed."""
        if not self.fail_flush:
            return
        self.left -= 1
        if self.left <= 0:
            self.fail_flush, self.armed, self.left = False, True, 1
            raise KafkaException(KafkaError(KafkaError._FAIL))  # noqa: SLF001 - the client's public constant


def install(spec: str) -> None:
    """Replaces the clients that the product is about to build."""
    point = _Failpoint(spec)
    replace(consumer.kafka.sender, "Producer", _producer(point))
    replace(consumer.kafka.source, "Consumer", _consumer(point))

    def rewound(self: consumer.kafka.source.KafkaSource) -> None:
        rewind(self)
        point.at("after_rewind")

    rewind = replace(consumer.kafka.source.KafkaSource, "rewind", rewound)


def stretch(seconds: float) -> None:
    """Adds a pause to every transaction, when part of it is acknowledged and part is still to be written."""

    def begin(self: Producer) -> None:
        Producer.begin_transaction(self)
        written.clear()

    def produce(self: Producer, *arguments: Any, **named: Any) -> None:
        if len(written) == STRETCH_AT:
            Producer.flush(self, STRETCH_FLUSH_S)
            time.sleep(seconds)
        written.append(None)
        Producer.produce(self, *arguments, **named)

    written: list[None] = []
    members: dict[str, Callable[..., Any]] = {"begin_transaction": begin, "produce": produce}
    replace(consumer.kafka.sender, "Producer", type("StretchedProducer", (Producer,), members))


def _producer(point: _Failpoint) -> type[Producer]:
    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: Producer, *arguments: Any, **named: Any) -> Any:
            point.at(f"before_{name}")
            result = call(self, *arguments, **named)
            point.at(f"after_{name}")
            return result

        return called

    def produce(self: Producer, *arguments: Any, **named: Any) -> None:
        point.at("in_produce")
        Producer.produce(self, *arguments, **named)

    def flush(self: Producer, timeout: float = -1) -> int:
        if timeout > 0:
            point.at("before_flush")
            point.fail_once()
        waiting = Producer.flush(self, timeout)
        if timeout > 0:
            point.at("after_flush")
        return waiting

    def commit(self: Producer, *arguments: Any) -> None:
        if point.place == "during_commit":
            threading.Timer(DURING_S, point.at, ("during_commit",)).start()
        Producer.commit_transaction(self, *arguments)
        point.at("after_commit")

    members: dict[str, Callable[..., Any]] = {
        "begin_transaction": around("begin", Producer.begin_transaction),
        "send_offsets_to_transaction": around("offsets", Producer.send_offsets_to_transaction),
        "abort_transaction": around("abort", Producer.abort_transaction),
        "init_transactions": around("init", Producer.init_transactions),
        "commit_transaction": commit,
        "produce": produce,
        "flush": flush,
    }
    return type("FailingProducer", (Producer,), members)


def _consumer(point: _Failpoint) -> type[Consumer]:
    def commit(self: Consumer, *arguments: Any, **named: Any) -> Any:
        point.at("before_group_commit")
        done: Any = Consumer.commit(self, *arguments, **named)
        point.at("after_group_commit")
        return done

    return type("FailingConsumer", (Consumer,), {"commit": commit})

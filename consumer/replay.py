"""Replays dead letters: each input goes back to a topic exactly once, whatever happens in between.

A replayed record and the receipt that says so are written in one transaction, and whoever has taken over
the transactional id reads all receipts anew before it writes. So neither a crash nor a second process can
write an input twice: what has no receipt was not replayed, and what was not replayed has none.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import structlog

from consumer.dead_letter_topic import DeadLetterTopic
from consumer.dead_letters import Wanted
from consumer.replay_writer import TransactionalWriter
from shared.errors import KafkaStateError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator

    from consumer.dead_letters import Envelope, Index, Letter, Origin
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()

CHUNK_LETTERS: Final = 500
CHUNK_BYTES: Final = 8 * 2**20
"""A transaction ends at so many letters or bytes: readers of the target wait for its end."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for."""

    wanted: Wanted = field(default_factory=Wanted)
    to: str | None = None
    """The topic to write to; None: where each input came from."""
    again: bool = False
    """Whether letters that have a receipt are replayed once more."""
    limit: int | None = None

    def target(self, envelope: Envelope) -> str:
        """The topic that a letter goes to."""
        return self.to or envelope.origin.topic


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about the letters that are wanted."""

    chosen: list[Envelope] = field(default_factory=list)
    left_behind: list[Envelope] = field(default_factory=list)
    """Letters without their value: these cannot be replayed."""
    replayed_before: int = 0
    repeated: int = 0
    """Further letters of an input that is chosen already, as a crash under at-least-once leaves them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay did; `plan` is what it found to do at its start."""

    plan: Plan
    replayed: Counter[str]
    """Letters by the topic that they were replayed to."""

    @classmethod
    def foreseen(cls, todo: Plan, request: Request) -> Self:
        """What a replay will have done if nothing comes in between."""
        return cls(todo, Counter(map(request.target, todo.chosen)))


class Pacer:
    """Spaces transactions so that no more than `per_s` letters a second go out on average.

    The waiting is between transactions, never inside one, and a transaction holds what one second allows:
    readers of the target wait for its end.
    """

    def __init__(
        self,
        per_s: float | None,
        *,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.chunk_letters = CHUNK_LETTERS if per_s is None else max(1, min(CHUNK_LETTERS, int(per_s)))
        self._per_s = per_s
        self._wait = wait
        self._clock = clock
        self._free_s = clock()

    def admit(self, letters: int) -> None:
        """Waits until so many letters may go out; time that was not used is not made up for."""
        if self._per_s is None:
            return
        now = self._clock()
        if self._free_s > now:
            self._wait(self._free_s - now)
        self._free_s = max(now, self._free_s) + letters / self._per_s


def plan(index: Index, request: Request, done: Collection[Origin] = ()) -> Plan:
    """Decides letter by letter, oldest first; `done` are inputs that this process has replayed already."""
    found: dict[Origin, Envelope] = {}
    left_behind: list[Envelope] = []
    before = repeated = 0
    for envelope in index.envelopes:
        if envelope not in request.wanted or envelope.origin in done:
            continue
        if envelope.origin in index.replayed and not request.again:
            before += 1
        elif envelope.origin in found:
            repeated += 1
        elif envelope.value_left_bytes is not None:
            left_behind.append(envelope)
        elif request.limit is None or len(found) + len(done) < request.limit:
            found[envelope.origin] = envelope
    return Plan(list(found.values()), left_behind, before, repeated)


def preview(settings: ConsumerSettings, request: Request) -> Plan:
    """What a replay would do, without writing anything; raises an explained error."""
    with DeadLetterTopic(settings) as topic:
        found = plan(topic.index(), request)
        _targets(topic, request, found)
        return found


def replay(settings: ConsumerSettings, request: Request, *, pacer: Pacer, stop: threading.Event) -> Outcome:
    """Replays until all is done or `stop` is set; raises an explained error, and what has a receipt is done.

    A commit that was slow enough to have been sent twice could end a later transaction too early: after
    one the producer is replaced, which shuts such stragglers out, and all receipts are read anew.
    """
    first: Plan | None = None
    done: dict[Origin, str] = {}
    with DeadLetterTopic(settings) as topic:
        while True:
            with TransactionalWriter(settings) as writer:
                todo = plan(topic.index(complete=True), request, done)
                first = first or todo
                partitions = _targets(topic, request, todo)
                letters = topic.letters([envelope.place for envelope in todo.chosen])
                for chunk in _admitted(_chunks(letters, pacer.chunk_letters), pacer, stop):
                    addressed = [(letter, request.target(letter.envelope)) for letter in chunk]
                    writer.write(addressed, partitions)
                    done |= {letter.envelope.origin: target for letter, target in addressed}
                    log.info("letters_replayed", letters=len(chunk), in_all=len(done))
                    if writer.suspect:
                        break
            if stop.is_set() or not writer.suspect:
                return Outcome(first, Counter(done.values()))


def _admitted(chunks: Iterator[list[Letter]], pacer: Pacer, stop: threading.Event) -> Iterator[list[Letter]]:
    for chunk in chunks:
        pacer.admit(len(chunk))
        if stop.is_set():
            return
        yield chunk


def _chunks(letters: Iterator[Letter], most: int) -> Iterator[list[Letter]]:
    """Cuts into lists of at most `most` letters that end once they hold CHUNK_BYTES."""
    chunk: list[Letter] = []
    size = 0
    for letter in letters:
        chunk.append(letter)
        size += letter.size
        if len(chunk) == most or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _targets(topic: DeadLetterTopic, request: Request, todo: Plan) -> dict[str, int]:
    """Counts the partitions of every topic to be written; warns where records would expire at once.

    Raises KafkaStateError for a topic that does not exist, and for letters that would become letters anew.
    """
    targets = {request.target(envelope) for envelope in todo.chosen}
    if topic.name in targets:
        raise KafkaStateError(f"{topic.name} is where letters are read from; replay to another topic with --to")
    partitions = topic.partitions_of(sorted(targets))
    now_ms = int(time.time() * 1000)
    for target in sorted(targets):
        keep_ms = topic.retention_ms(target)
        stamps = [e.origin.timestamp_ms for e in todo.chosen if request.target(e) == target]
        old = 0 if keep_ms is None else sum(stamp is not None and now_ms - stamp > keep_ms for stamp in stamps)
        if old:
            problem = f"the broker deletes by timestamp, and {target} keeps records for {keep_ms} ms only"
            log.warning("replayed_will_expire", letters=old, topic=target, problem=problem)
    return partitions

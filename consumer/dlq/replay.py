"""Replays dead letters: each input goes back to a topic exactly once, whatever happens in between.

A replayed record and the receipt that says so are written in one transaction, and whoever has taken over
the transactional id reads all receipts anew before it writes. So neither a crash nor a second process can
write an input twice: what has no receipt was not replayed, and what was not replayed has none.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import structlog

from consumer.dlq.letters import Wanted
from consumer.dlq.replay_targets import Targets
from consumer.dlq.replay_writer import RecordRefused, TransactionalWriter
from consumer.dlq.topic import DeadLetterTopic

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator

    from consumer.dlq.letters import Index
    from consumer.settings import ConsumerSettings
    from shared.dlq.letters import Envelope, Letter, Origin

log = structlog.get_logger()

CHUNK_LETTERS: Final = 500
CHUNK_BYTES: Final = 8 * 2**20
"""Letters and bytes of one transaction, at most: readers of the target wait for its end."""


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


class LeftBehind(NamedTuple):
    """A letter that cannot be replayed, and why."""

    envelope: Envelope
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about the letters that are wanted."""

    chosen: list[Envelope] = field(default_factory=list)
    left_behind: list[LeftBehind] = field(default_factory=list)
    replayed_before: int = 0
    repeated: int = 0
    """Further letters of an input that is chosen already, as a crash under at-least-once leaves them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay did; `plan` is the one of its last producer, with what Kafka refused since left behind."""

    plan: Plan
    replayed: Counter[str]
    """Letters by the topic that they were replayed to."""
    unsent: int = 0
    """Letters that it was stopped before, or that retention took meanwhile."""

    @classmethod
    def foreseen(cls, todo: Plan, request: Request) -> Self:
        """What a replay will have done if nothing comes in between and Kafka refuses none."""
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
        """Waits until that number of letters may go out; unused time is not carried over."""
        if self._per_s is None:
            return
        now = self._clock()
        if self._free_s > now:
            self._wait(self._free_s - now)
        self._free_s = max(now, self._free_s) + letters / self._per_s


def plan(
    index: Index,
    request: Request,
    done: Collection[Origin] = (),
    refusal: Callable[[Envelope], str | None] = lambda _: None,
) -> Plan:
    """Decides letter by letter, oldest first.

    `done` are inputs that this process has replayed already; `refusal` says why a letter cannot be replayed.
    """
    found: dict[Origin, Envelope] = {}
    met: set[Origin] = set()
    left_behind: list[LeftBehind] = []
    before = repeated = 0
    for envelope in index.envelopes:
        origin = envelope.origin
        if envelope not in request.wanted:
            continue
        # `done` have receipts by now as well, but of this run.
        if origin not in done and origin in index.replayed and not request.again:
            before += 1
        elif origin in met:
            repeated += 1
        elif origin in done:
            # In an earlier round: with `again` the receipt alone would not keep it out.
            met.add(origin)
        elif reason := _left_behind(envelope) or refusal(envelope):
            left_behind.append(LeftBehind(envelope, reason))
        elif request.limit is None or len(found) + len(done) < request.limit:
            met.add(origin)
            found[origin] = envelope
    return Plan(list(found.values()), left_behind, before, repeated)


def _left_behind(envelope: Envelope) -> str | None:
    if envelope.value_left_bytes is None:
        return None
    return f"it was too large to travel with the letter ({envelope.value_left_bytes} bytes of value)"


def preview(settings: ConsumerSettings, request: Request) -> Plan:
    """What a replay would do, as far as is known without writing anything; raises an explained error."""
    with DeadLetterTopic(settings) as topic:
        targets = Targets(topic, request)
        found = plan(topic.index(), request, refusal=targets.refusal)
        targets.warn_of_expiry(found.chosen)
        return found


class Replay:
    """Replays in rounds, each with a producer of its own that has read all receipts anew.

    The end of a transaction that was slow enough to have been sent twice could end a later transaction too early:
    a round ends after one, and the next producer shuts such stragglers out.

    Where Kafka refuses a record, all that are written with it are refused: they are halved until the record is
    alone. It is then left behind, and the others go on.
    """

    def __init__(
        self, settings: ConsumerSettings, request: Request, *, pacer: Pacer, stop: threading.Event
    ) -> None:
        self._settings = settings
        self._request = request
        self._pacer = pacer
        self._stop = stop
        self._most = pacer.chunk_letters
        """Letters of the next transaction; kept from round to round, so that halving comes to an end."""
        self._suspects = 0
        """How many of the next letters hold one that was refused with them."""
        self._plan = Plan()
        self._done: dict[Origin, str] = {}
        """Inputs with the topics that they were replayed to."""
        self._refused: dict[Origin, str] = {}
        """Inputs that Kafka refused by themselves, with its reasons."""

    def run(self) -> Outcome:
        """Replays until all is done or `stop` is set.

        Raises an explained error; what has a receipt by then is done.
        """
        with DeadLetterTopic(self._settings) as topic:
            targets = Targets(topic, self._request)
            while not (self._round(topic, targets) or self._stop.is_set()):
                pass
        return self._outcome()

    def _round(self, topic: DeadLetterTopic, targets: Targets) -> bool:
        """Replays with one producer; returns whether nothing is left to do."""
        refused = len(self._refused)
        with TransactionalWriter(self._settings) as writer:
            # After the takeover, and past open transactions: a missed receipt is an input that is written twice.
            self._plan = plan(topic.index(complete=True), self._request, self._done, self._refusal(targets))
            targets.warn_of_expiry(self._plan.chosen)
            letters = topic.letters([envelope.place for envelope in self._plan.chosen])
            for chunk in _chunks(letters, self._pacer.chunk_letters):
                self._pacer.admit(len(chunk))
                self._send(writer, targets, chunk)
                if writer.suspect or self._stop.is_set():
                    return False
        # The limit counts what is replayed, so a refused letter makes room for another one.
        return self._request.limit is None or len(self._refused) == refused

    def _send(self, writer: TransactionalWriter, targets: Targets, chunk: list[Letter]) -> None:
        """Writes a chunk, in parts where a record is refused, until it is done or the round must end."""
        while chunk and not (writer.suspect or self._stop.is_set()):
            part = chunk[: self._most]
            try:
                writer.write([(letter, targets.of(letter.envelope)) for letter in part])
            except RecordRefused as refused:
                log.info("letters_refused", letters=len(part), reason=str(refused))
                self._suspects = len(part) if len(part) > 1 else 0
                if self._suspects:
                    self._most = self._suspects // 2
                    continue
                self._refused[part[0].envelope.origin] = str(refused)
            else:
                self._done |= {one.envelope.origin: self._request.target(one.envelope) for one in part}
                self._suspects = max(0, self._suspects - len(part))
                # One refused letter of 500 costs some 10 transactions of a few milliseconds each.
                self._most = min((self._suspects + 1) // 2 or 2 * self._most, self._pacer.chunk_letters)
                log.info("letters_replayed", letters=len(part), in_all=len(self._done))
            chunk = chunk[len(part) :]

    def _refusal(self, targets: Targets) -> Callable[[Envelope], str | None]:
        return lambda envelope: self._refused.get(envelope.origin) or targets.refusal(envelope)

    def _outcome(self) -> Outcome:
        chosen = [envelope for envelope in self._plan.chosen if envelope.origin not in self._done]
        refused = [LeftBehind(one, self._refused[one.origin]) for one in chosen if one.origin in self._refused]
        todo = replace(self._plan, left_behind=[*self._plan.left_behind, *refused])
        return Outcome(todo, Counter(self._done.values()), len(chosen) - len(refused))


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

"""The faults of the chaos suite, and the seeded plan in which they strike.

A fault that lasts goes on in a thread of its own while others strike; of those that hurt a broker or its
connections at most one lasts at a time, since two of three nodes down would only stop everything.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, Producer

from tests.chaos.failpoints import GROUP_PLACES, TRANSACTION_PLACES, spec_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.chaos.campaign import Part
    from tests.chaos.members import Member
    from tests.chaos.stage import Stage

READY_S: Final = 20.0
EXTRA: Final = "extra"
FENCE_S: Final = 15.0
CALM_S: Final = 60.0


class Chaos:
    """Strikes a stage. Every method is one kind of fault and returns once it has struck."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._broker_lock = threading.Lock()
        self._lasting: list[threading.Thread] = []
        self._failed: list[BaseException] = []
        self._places = 0
        self.kinds: Mapping[str, Callable[[], None]] = {
            "consumer kill -9": self.kill,
            "failpoint": self.failpoint,
            "zombie": self.zombie,
            "consumer restart": self.restart,
            "replica added or removed": self.resize,
            "broker kill -9": self.broker_kill,
            "broker restart": self.broker_restart,
            "broker pause": self.broker_pause,
            "connections reset": self.reset,
            "connections stalled": self.stall,
            "black hole": self.black_hole,
            "latency": self.latency,
            "delayed EndTxn": self.hold_end_txn,
            "duplicate transactional.id": self.fence,
            "model swap": self.swap,
            "corrupt model": self.corrupt,
        }

    def run(self, part: Part) -> None:
        """Strikes with every fault of the plan, shuffled; feeds the messages evenly in between and after."""
        kinds = [kind for kind, count in part.plan.items() for _ in range(count)]
        self._random.shuffle(kinds)
        for number, kind in enumerate(kinds, start=1):
            share = 1 if part.at_once else number / (len(kinds) + 1)
            self._stage.feed(int(self._stage.setting.messages * share))
            if part.calm:
                self._stage.monitor.await_recovery(CALM_S)
            self._stage.monitor.await_progress(part.progress_s)
            time.sleep(self._random.uniform(*part.gap_s))
            self.kinds[kind]()
            if self._failed:
                break
        self.settle()

    def settle(self) -> None:
        """Waits until no fault lasts any longer and everything forwards again; raises what went wrong."""
        for thread in self._lasting:
            thread.join()
        self._stage.cluster.proxy.clear()
        if self._failed:
            raise self._failed[0]

    def kill(self) -> None:
        """SIGKILL of a consumer at a random moment."""
        member = self._member()
        self._stage.note("consumer kill -9", member.name)
        member.kill()

    def failpoint(self) -> None:
        """SIGKILL of a consumer, whose next life kills itself at a place in a publish or a recovery."""
        places = TRANSACTION_PLACES if self._stage.setting.exactly else GROUP_PLACES
        place = places[self._places % len(places)]
        self._places += 1
        member = self._member()
        self._stage.note("failpoint", f"{member.name} {place}")
        member.kill(CHAOS_FAILPOINT=spec_of(place, self._random.randint(1, 4)))

    def zombie(self) -> None:
        """SIGSTOP of a consumer for longer than its session, then SIGCONT: it wakes up a zombie."""
        member, seconds = self._member(), self._random.uniform(7, 11)
        self._stage.note("zombie", f"{member.name} {seconds:.1f} s")
        member.pause()

        def wake() -> None:
            time.sleep(seconds)
            member.resume()

        self._last(wake)

    def restart(self) -> None:
        """SIGTERM of a consumer, which is started again."""
        member = self._member()
        self._stage.note("consumer restart", member.name)
        member.terminate()

    def resize(self) -> None:
        """A replica more, or that one less."""
        if EXTRA in self._stage.members:
            self._stage.note("replica added or removed", "removed")
            self._stage.retire_member(EXTRA)
        else:
            self._stage.note("replica added or removed", "added")
            self._stage.add_member(EXTRA)

    def broker_kill(self) -> None:
        """SIGKILL of a broker, started again after seconds."""
        cluster = self._stage.cluster
        self._hurt("broker kill -9", cluster.kill, self._random.uniform(1, 5), cluster.start)

    def broker_restart(self) -> None:
        """A broker stopped in order and started again."""
        cluster = self._stage.cluster
        self._hurt("broker restart", cluster.stop, 0.5, cluster.start)

    def broker_pause(self) -> None:
        """SIGSTOP of a broker, its connections open."""
        cluster = self._stage.cluster
        self._hurt("broker pause", cluster.pause, self._random.uniform(3, 12), cluster.resume)

    def reset(self) -> None:
        """RST of all connections to a broker."""
        node = self._node()
        self._stage.note("connections reset", f"node {node}")
        self._stage.cluster.proxy.reset(node)

    def stall(self) -> None:
        """Connections to a broker stay open, and nothing moves."""
        proxy = self._stage.cluster.proxy
        self._hurt("connections stalled", proxy.stall, self._random.uniform(1, 8), proxy.clear)

    def black_hole(self) -> None:
        """Bytes to and from a broker vanish."""
        proxy = self._stage.cluster.proxy
        self._hurt("black hole", proxy.black_hole, self._random.uniform(1, 6), proxy.clear)

    def latency(self) -> None:
        """Everything to and from a broker takes longer."""
        proxy, delay_s = self._stage.cluster.proxy, self._random.uniform(0.02, 0.3)
        self._hurt("latency", lambda node: proxy.latency(node, delay_s), self._random.uniform(2, 6), proxy.clear)

    def hold_end_txn(self) -> None:
        """The end of a transaction reaches the broker only within the next one."""
        member = self._member()
        self._stage.note("delayed EndTxn", member.name)
        self._stage.cluster.proxy.hold_end_txn(transactional_id=self._stage.transactional_id(member.name))

    def fence(self) -> None:
        """Another producer takes a consumer's transactional id."""
        member = self._member()
        self._stage.note("duplicate transactional.id", member.name)
        self._last(lambda: self._fence(self._stage.transactional_id(member.name)))

    def swap(self) -> None:
        """A consumer is restarted with another model."""
        member = self._member()
        models = [str(model) for model in self._stage.models]
        model = models[(models.index(member.env["SENTIMENT_MODEL"]) + 1) % len(models)]
        self._stage.note("model swap", f"{member.name} {models.index(model)}")
        member.env["SENTIMENT_MODEL"] = model
        member.terminate()

    def corrupt(self) -> None:
        """A consumer is killed and finds an altered model; the start after that finds a good one."""
        member = self._member()
        self._stage.note("corrupt model", member.name)
        member.kill(SENTIMENT_MODEL=str(self._stage.corrupt_model))

    def _member(self) -> Member:
        names = sorted(self._stage.members)
        return self._stage.members[self._random.choice(names)]

    def _node(self) -> int:
        return self._random.choice(list(self._stage.cluster.nodes))

    def _hurt(self, kind: str, begin: Callable[[int], None], seconds: float, end: Callable[[int], None]) -> None:
        node = self._node()
        self._broker_lock.acquire()
        self._stage.note(kind, f"node {node} {seconds:.1f} s")
        begin(node)

        def finish() -> None:
            try:
                time.sleep(seconds)
                end(node)
            finally:
                self._broker_lock.release()

        self._last(finish)

    def _fence(self, transactional_id: str) -> None:
        intruder = Producer(
            {
                "bootstrap.servers": self._stage.cluster.direct,
                "transactional.id": transactional_id,
                "log_level": 2,
            }
        )
        try:
            intruder.init_transactions(FENCE_S)
        except KafkaException as error:
            # Fenced by the consumer that it fenced, or no broker just now: it has struck or it has not.
            self._stage.note("duplicate transactional.id failed", error.args[0].name())

    def _last(self, work: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised by `settle`
                self._failed.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self._lasting = [one for one in self._lasting if one.is_alive()] + [thread]

"""The faults of the chaos suite, and the seeded plan that triggers them.

A fault that lasts goes on in a thread of its own while others strike. At most one fault of a broker or its
connections lasts at a time, since two failed nodes of three would only stop everything. Faults of the input's
topics are in topics.py, and those that run alone are in grave.py.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, Producer

from tests.chaos.faults.failpoints import GROUP_PLACES, TRANSACTION_PLACES, spec_of
from tests.chaos.faults.grave import GraveFaults
from tests.chaos.faults.topics import TopicFaults
from tests.chaos.stage import STOP_S
from tests.chaos.verdict.inputs import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.chaos.campaign import Part
    from tests.chaos.faults.members import Exit, Member
    from tests.chaos.stage import Stage

READY_S: Final = 20.0
EXTRA: Final = "extra"
FENCE_S: Final = 15.0
CALM_S: Final = 60.0
LOOK_S: Final = 0.1
HUNG: Final = 71
"""The exit code of a process whose device no longer answers."""
STALL_S: Final = 30
"""Less than a user may set, to match the transactions, which are shortened too."""
HANG_S: Final = 60.0
"""From the start of a life whose pass will hang to its end: start-up, time until there is work, that limit."""
WORK: Final = 600
"""Messages that are sent so that there is work in every partition."""
DOWN_S: Final = 10.0
"""A group that is down for a while shows nothing about the recovery from one member's death."""
HANGS_BY_S: Final = 4.0
"""After this time the pass hangs, if there was work."""


class Chaos:
    """Applies faults to a stage. Every method is one kind of fault and returns once it has begun."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.busy: set[str] = set()
        """Members in the middle of a fault of their own, which no other fault strikes."""
        self._broker_lock = threading.Lock()
        self._lasting: list[threading.Thread] = []
        self._failed: list[BaseException] = []
        self._places = 0
        self._hangs = 0
        topics, grave = TopicFaults(self), GraveFaults(self)
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
            "hung pass": self.hang,
            "group down": self.group_down,
            "topic added": topics.add,
            "topic deleted": topics.delete,
            "topic recreated": topics.recreate,
            "partition added": topics.add_partition,
            "slow leader at start": topics.slow_leader,
            "crash in a publish": grave.crash_in_publish,
            "stderr blocked": grave.block_stderr,
            "outage": grave.outage,
            "decompression bomb": grave.bomb,
            "text that kills": grave.culprit,
        }

    def run(self, part: Part) -> None:
        """Applies every fault of the plan in random order; feeds the messages evenly in between and afterwards."""
        kinds = [kind for kind, count in part.plan.items() for _ in range(count)]
        self.random.shuffle(kinds)
        if part.quiet:
            self.group_down()
        for number, kind in enumerate(kinds, start=1):
            share = 1 if part.at_once else number / (len(kinds) + 1)
            if part.calm:
                # Before there is new work, which the next kill is to find.
                self.stage.monitor.await_recovery(CALM_S, deaths=number - 1)
            self.stage.feed(int(self.stage.setting.messages * share))
            self.stage.monitor.await_progress(part.progress_s)
            time.sleep(self.random.uniform(*part.gap_s))
            self.kinds[kind]()
            if self._failed:
                break
        self.settle()

    def settle(self) -> None:
        """Waits until every lasting fault has ended and everything forwards again; raises what went wrong."""
        for thread in self._lasting:
            thread.join()
        self.stage.cluster.proxy.clear()
        if self._failed:
            raise self._failed[0]

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Waits for the end of lasting faults and for recovery; in the block, no other fault hurts a broker."""
        for thread in self._lasting:
            thread.join()
        with self._broker_lock:
            self.stage.monitor.await_recovery(CALM_S)
            yield

    def kill(self) -> None:
        """SIGKILL of a consumer at a random time."""
        member = self.member()
        self.stage.note("consumer kill -9", member.name)
        member.kill()

    def group_down(self) -> None:
        """SIGKILL of all consumers at once, and new messages before any of them is restarted."""
        self.stage.note("group down", f"{WORK} messages meanwhile")
        self.stage.expect_crashes(DOWN_S)
        with self.stage.operator.acting:
            members = [member for name, member in self.stage.members.items() if name not in self.busy]
            for member in members:
                member.hold()
                member.kill()
            self.stage.feed_more(WORK)
            for member in members:
                member.release()

    def failpoint(self) -> None:
        """SIGKILL of a consumer, whose next life kills itself at a place in a publish or a recovery."""
        places = TRANSACTION_PLACES if self.stage.setting.exactly else GROUP_PLACES
        place = places[self._places % len(places)]
        self._places += 1
        member = self.member()
        self.stage.note("failpoint", f"{member.name} {place}")
        member.kill(CHAOS_FAILPOINT=spec_of(place, self.random.randint(1, 4)))

    def zombie(self) -> None:
        """SIGSTOP of a consumer for longer than its session, then SIGCONT: it wakes up as a zombie."""
        member, seconds = self.member(), self.random.uniform(7, 11)
        self.stage.note("zombie", f"{member.name} {seconds:.1f} s")
        member.pause()

        def wake() -> None:
            time.sleep(seconds)
            member.resume()

        self.last(wake)

    def restart(self) -> None:
        """SIGTERM of a consumer, which is restarted."""
        member = self.member()
        self.stage.note("consumer restart", member.name)
        member.terminate()

    def resize(self) -> None:
        """Adds a replica, or removes it again."""
        if EXTRA in self.stage.members:
            self.stage.note("replica added or removed", "removed")
            self.stage.retire_member(EXTRA)
        else:
            self.stage.note("replica added or removed", "added")
            self.stage.add_member(EXTRA)

    def broker_kill(self) -> None:
        """SIGKILL of a broker, which is restarted after seconds."""
        cluster = self.stage.cluster
        self.hurt("broker kill -9", self.node(), cluster.kill, self.random.uniform(1, 5), cluster.start)

    def broker_restart(self) -> None:
        """Clean shutdown and restart of a broker."""
        cluster = self.stage.cluster
        self.hurt("broker restart", self.node(), cluster.stop, 0.5, cluster.start)

    def broker_pause(self) -> None:
        """SIGSTOP of a broker; its connections stay open."""
        cluster = self.stage.cluster
        self.hurt("broker pause", self.node(), cluster.pause, self.random.uniform(3, 12), cluster.resume)

    def reset(self) -> None:
        """RST of all connections to a broker."""
        node = self.node()
        self.stage.note("connections reset", f"node {node}")
        self.stage.cluster.proxy.reset(node)

    def stall(self) -> None:
        """Connections to a broker stay open, and nothing moves."""
        proxy = self.stage.cluster.proxy
        self.hurt("connections stalled", self.node(), proxy.stall, self.random.uniform(1, 8), proxy.clear)

    def black_hole(self) -> None:
        """Bytes to and from a broker vanish."""
        proxy = self.stage.cluster.proxy
        self.hurt("black hole", self.node(), proxy.black_hole, self.random.uniform(1, 6), proxy.clear)

    def latency(self) -> None:
        """Everything to and from a broker takes longer."""
        proxy, delay_s = self.stage.cluster.proxy, self.random.uniform(0.02, 0.3)
        self.hurt(
            "latency",
            self.node(),
            lambda node: proxy.latency(node, delay_s),
            self.random.uniform(2, 6),
            proxy.clear,
        )

    def hold_end_txn(self) -> None:
        """The end of a transaction reaches the broker only within the next one."""
        member = self.member()
        self.stage.note("delayed EndTxn", member.name)
        self.stage.cluster.proxy.hold_end_txn(transactional_id=self.stage.transactional_id(member.name))

    def fence(self) -> None:
        """Another producer takes over a consumer's transactional id."""
        member = self.member()
        self.stage.note("duplicate transactional.id", member.name)
        self.last(lambda: self._fence(self.stage.transactional_id(member.name)))

    def swap(self) -> None:
        """A consumer is restarted with another model."""
        member = self.member()
        models = [str(model) for model in self.stage.models]
        model = models[(models.index(member.env["SENTIMENT_MODEL"]) + 1) % len(models)]
        self.stage.note("model swap", f"{member.name} {models.index(model)}")
        member.env["SENTIMENT_MODEL"] = model
        member.terminate()

    def corrupt(self) -> None:
        """A consumer is killed and finds an altered model; the next start finds a good one."""
        member = self.member()
        self.stage.note("corrupt model", member.name)
        member.kill(SENTIMENT_MODEL=str(self.stage.corrupt_model))

    def hang(self) -> None:
        """A consumer's forward pass never ends: the process ends with 71, or in time after SIGTERM."""
        member = self.stage.members[self.random.choice(sorted(self.stage.members.keys() - self.busy - {EXTRA}))]
        stop = self._hangs % 2 == 1
        self._hangs += 1
        self.stage.note("hung pass", f"{member.name} {'and SIGTERM' if stop else 'left alone'}")
        if len(self.busy) + 1 < len(self.stage.members):
            self.busy.add(member.name)
        self.stage.expect(HUNG, for_s=HANG_S)
        before = len(self.stage.exits)
        life = {"CHAOS_HANG": str(self.random.randint(1, 2)), "CHAOS_STALL_S": str(STALL_S)}
        member.terminate(**life)

        def watch() -> None:
            try:
                self._watch_hang(member, before, stop=stop)
            finally:
                self.busy.discard(member.name)

        self.last(watch)

    def member(self) -> Member:
        """A random member that has no fault of its own."""
        names = sorted(self.stage.members.keys() - self.busy)
        return self.stage.members[self.random.choice(names)]

    def node(self) -> int:
        """A random node."""
        return self.random.choice(list(self.stage.cluster.nodes))

    def hurt(
        self, kind: str, node: int, begin: Callable[[int], None], seconds: float, end: Callable[[int], None]
    ) -> None:
        """Hurts a node for a while, once no other node is hurt; returns when the fault has begun."""
        self._broker_lock.acquire()
        self.stage.note(kind, f"node {node} {seconds:.1f} s")
        begin(node)

        def finish() -> None:
            try:
                time.sleep(seconds)
                end(node)
                self.stage.monitor.disturb()
            finally:
                self._broker_lock.release()

        self.last(finish)

    def _watch_hang(self, member: Member, before: int, *, stop: bool) -> None:
        """Watches the member: its first exit is that of the life before, its second of the life that hangs."""

        def ends() -> list[Exit]:
            return [one for one in list(self.stage.exits)[before:] if one.member == member.name]

        deadline = time.monotonic() + HANG_S
        while not ends() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        member.await_ready(READY_S)
        self.stage.feed_more(WORK)
        if stop:
            time.sleep(HANGS_BY_S)
            if member.stop_by(STOP_S) is None:
                self.stage.complaints.append(f"{member.name} did not stop while a pass hung")
            return
        while time.monotonic() < deadline:
            if len(found := ends()) > 1:
                early = found[1].at_s - found[0].at_s < STALL_S
                if found[1].code != HUNG and not found[1].asked and not early:
                    self.stage.complaints.append(
                        f"{member.name}: a hung pass ended with {found[1].code}, not {HUNG}"
                    )
                return
            self.stage.feed_more(PARTITIONS)  # others may have done the work before the member had a partition
            time.sleep(HANGS_BY_S)
        self.stage.complaints.append(f"{member.name}: a pass that hung was not noticed within {HANG_S:.0f} s")
        member.kill()

    def _fence(self, transactional_id: str) -> None:
        intruder = Producer(
            {
                "bootstrap.servers": self.stage.cluster.direct,
                "transactional.id": transactional_id,
                "log_level": 2,
            }
        )
        try:
            intruder.init_transactions(FENCE_S)
        except KafkaException as error:
            # Fenced by the consumer that it fenced, or no broker available: the fault has struck or it has not.
            self.stage.note("duplicate transactional.id failed", error.args[0].name())

    def last(self, work: Callable[[], object]) -> None:
        """Runs the rest of a fault in a thread of its own."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised by `settle`
                self._failed.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self._lasting = [one for one in self._lasting if one.is_alive()] + [thread]

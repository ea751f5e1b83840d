"""Faults of the input itself: topics and partitions are created and deleted while the group runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.chaos.brokers.frames import FETCH, LIST_OFFSETS
from tests.chaos.faults.members import STATE_REFUSED

if TYPE_CHECKING:
    from tests.chaos.faults.plan import Chaos

FEW: Final = 20
MANY: Final = 60
"""Messages of a side topic: a recreated topic gets fewer or more than the first one."""
MOST_PARTITIONS: Final = 3
SETTLE_S: Final = 60.0
"""Time limit within which everything in a side topic is committed: a new topic is found within seconds."""
SLOW_S: Final = 7.0
"""Longer than a request to a leader may take, shorter than the clients' socket timeout."""


class TopicFaults:
    """Acts on the side topics, which match the pattern of the members."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._stage = chaos.stage
        self._inputs = chaos.stage.inputs
        self._times = 0

    def add(self) -> None:
        """Adds a topic that matches the pattern, with messages before any member can know of it."""
        lanes = self._inputs.add_topic(self._chaos.random.randint(1, 2))
        self._stage.note("topic added", lanes[0].place[0])
        for lane in lanes:
            self._inputs.feed_lane(lane, FEW)

    def delete(self) -> None:
        """Deletes one of several matched topics, every other time with messages that nobody has scored."""
        self._times += 1
        topic = self._oldest()
        if self._times % 2:
            self._settle(topic)
        else:
            self._feed(topic, MANY)
        self._stage.note("topic deleted", f"{topic} {'worked off' if self._times % 2 else 'with messages'}")
        self._inputs.delete_topic(topic, self._stage.monitor.ask)

    def recreate(self) -> None:
        """A topic is deleted and created again with other messages, fewer or more; members run or are down.

        Either the members begin at its start, or they end with 76 and the operator moves the group. The method
        waits for that, since a later fault that restarts a member would hide that a running one has not noticed.
        """
        self._times += 1
        more, stopped = self._times % 2 == 0, self._times % 4 == 0
        topic = self._oldest()
        self._settle(topic)
        details = f"{'more' if more else 'fewer'} messages, members {'down' if stopped else 'running'}"
        self._stage.note("topic recreated", f"{topic} {details}")
        self._stage.expect(STATE_REFUSED, for_s=SETTLE_S)
        if stopped:
            with self._stage.operator.acting:
                members = list(self._stage.members.values())
                for member in members:
                    member.hold()
                    member.stop_by(SETTLE_S)
                self._recreate(topic, more=more)
                for member in members:
                    member.release()
        else:
            self._recreate(topic, more=more)
        self._settle(topic)

    def add_partition(self) -> None:
        """Adds a partition to a side topic, with messages before any member can know of it."""
        topic = self._oldest(MOST_PARTITIONS)
        lane = self._inputs.add_partition(topic)
        self._stage.note("partition added", f"{topic}-{lane.place[1]}")
        self._inputs.feed_lane(lane, FEW)

    def slow_leader(self) -> None:
        """The leader of a new topic answers offset requests and fetches slowly while a member starts."""
        node, member = self._chaos.node(), self._chaos.member()
        proxy = self._stage.cluster.proxy
        self._chaos.hurt(
            "slow leader at start",
            node,
            lambda node: proxy.slow(node, SLOW_S, {LIST_OFFSETS, FETCH}),
            SLOW_S * 1.5,
            proxy.clear,
        )
        (lane,) = self._inputs.add_topic(leader=node)
        self._inputs.feed_lane(lane, FEW)
        member.terminate()

    def _recreate(self, topic: str, *, more: bool) -> None:
        partitions = sum(name == topic for name, _ in self._inputs.lanes)
        self._inputs.delete_topic(topic, self._stage.monitor.ask)
        for lane in self._inputs.create_again(topic, partitions):
            self._inputs.feed_lane(lane, MANY if more else FEW // 4)

    def _oldest(self, most_partitions: int = 100) -> str:
        """The oldest side topic with fewer partitions than this; there is always at least one other side topic."""
        while True:
            topics = self._inputs.side_topics
            fit = [t for t in topics if sum(name == t for name, _ in self._inputs.lanes) < most_partitions]
            if fit and len(topics) > 1:
                return fit[0]
            (lane,) = self._inputs.add_topic()
            self._inputs.feed_lane(lane, FEW)

    def _feed(self, topic: str, count: int) -> None:
        for lane in list(self._inputs.lanes.values()):
            if lane.place[0] == topic:
                self._inputs.feed_lane(lane, count)

    def _settle(self, topic: str) -> None:
        """Waits until everything in a topic is committed; more than a minute for that is a complaint."""
        ends = self._inputs.ends()
        waiting = {place: end - 1 for place, end in ends.items() if place[0] == topic and end}
        late = self._stage.monitor.await_moves(waiting, SETTLE_S)
        if late:
            self._stage.complaints.append(f"{late} not worked off within {SETTLE_S:.0f} s")

"""One chaos run: inputs, members, an operator, a monitor, and the verdict of the independent reader."""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.model_folder.artifact import open_artifact
from tests.chaos.faults.members import STATE_REFUSED, Exit, Member
from tests.chaos.faults.operators import Operator
from tests.chaos.verdict import oracle, reader
from tests.chaos.verdict.inputs import PARTITIONS, Inputs
from tests.chaos.verdict.monitor import Monitor
from tests.chaos.verdict.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.chaos.brokers.cluster import Cluster
    from tests.chaos.faults.operators import Move
    from tests.chaos.verdict.reader import Verdict

LETTER_PARTITIONS: Final = 2
SESSION_S: Final = 6.0
ENDS_OF_ITS_OWN: Final = frozenset({69, 75})
"""Exit codes with which a member may end by itself while Kafka is being hurt; 66 only with a corrupt model."""

ENDS_BY_SIGTERM: Final = frozenset({0, -15, 143})
"""Clean; before the signal handler is installed; forced after the grace period, if Kafka does not answer."""
STOP_S: Final = 12.0
"""The 10 s within which a stop ends, and 2 s because three brokers share two cores."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The parameters of a run, without its faults."""

    delivery: str
    protocol: str
    seed: int
    messages: int
    members: int = 2
    scorer: Mapping[str, float] = field(default_factory=dict)
    mutant: str | None = None
    stretch_s: float = 0.0
    drain_s: float = 180.0
    properties: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    pattern: bool = False
    """Whether the members also read all topics that match a pattern; at first there are none."""
    reset: str = "earliest"
    """Where a group without commits begins."""
    scorer_of: Literal["oracle", "demo", "baselines"] = "oracle"
    """What the members score with: the oracle, the demo's MiniLM, or models of words; see tests/chaos/real.py."""
    max_rss_mb: int = 400
    recovery_s: float = SESSION_S + 5
    """p95 of the recoveries from a death stays below this."""

    @property
    def exactly(self) -> bool:
        """Whether nothing may be seen twice."""
        return self.delivery == "exactly-once"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was applied to the run."""

    at_s: float
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Models:
    """Sealed model folders: good ones of different versions, and one with an altered byte."""

    good: tuple[Path, ...]
    corrupt: Path
    oracle: Oracle = field(default_factory=Oracle)
    """Knows the messages, and the answers of these models."""


def make_models(folder: Path) -> Models:
    """Writes two good models and a corrupt one; takes seconds, since it needs torch."""
    from tests.support.tiny import tiny_model  # noqa: PLC0415

    good = tuple(tiny_model(folder / f"model-{number}", temperature=1.0 + number) for number in range(2))
    return Models(good, corrupt_copy(good[0], folder / "corrupt"))


def corrupt_copy(model: Path, corrupt: Path) -> Path:
    """Copies a model folder and alters one byte of its weights; returns the copy."""
    shutil.copytree(model, corrupt)
    weights = bytearray((corrupt / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (corrupt / "model.safetensors").write_bytes(weights)
    return corrupt


class Stage:
    """A running set-up; faults act on its members and its cluster."""

    def __init__(self, cluster: Cluster, setting: Setting, folder: Path, models: Models) -> None:
        self.cluster = cluster
        self.setting = setting
        self.models = models.good
        self.corrupt_model = models.corrupt
        self._truth = models.oracle
        self.faults: list[Fault] = []
        self.exits: list[Exit] = []
        self.complaints: list[str] = []
        """Required reactions to a fault that are missing."""
        self.members: dict[str, Member] = {}
        self._folder = folder
        self._began = time.monotonic()
        self._odd: list[str] = []
        """Exits that nothing explains."""
        self._explained: defaultdict[int, float] = defaultdict(float)
        """For each exit code: until when a fault explains it."""
        self._looping_until = 0.0
        run = uuid4().hex[:8]
        self.group = f"chaos-{run}"
        self.results, self.letters = (f"{name}-{run}" for name in ("results", "letters"))
        self._create_topics()
        self.inputs = Inputs(cluster.direct, run, models.oracle)
        self.monitor = Monitor(
            cluster.direct,
            self.group,
            ends=self.inputs.ends,
            pids=lambda: [member.pid for member in list(self.members.values())],
            clock=self.clock,
            max_rss_mb=setting.max_rss_mb,
        )
        self.operator = Operator(
            cluster.direct, self.group, lambda: list(self.members.values()), self._moved, self.complaints.append
        )

    def clock(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def note(self, kind: str, target: str = "") -> None:
        """Logs a fault."""
        self.monitor.disturb()
        self.faults.append(Fault(round(self.clock(), 2), kind, target))

    def expect(self, *codes: int, for_s: float) -> None:
        """Explains exits with one of these codes for the next `for_s` seconds."""
        for code in codes:
            self._explained[code] = max(self._explained[code], self.clock() + for_s)

    def expect_crashes(self, for_s: float) -> None:
        """Expects repeated crashes for the next `for_s` seconds, so that these deaths measure no recovery."""
        self._looping_until = max(self._looping_until, self.clock() + for_s)

    def feed(self, upto: int) -> None:
        """Sends messages of the main topic until there are `upto`, or all; returns when they are acknowledged."""
        self.inputs.feed(min(upto, self.setting.messages))

    def feed_more(self, count: int) -> None:
        """Sends the next `count` messages of the main topic at once; callable from any thread."""
        with self.inputs.lock:
            self.feed(self.inputs.sent + count)

    def add_member(self, name: str, **env: str) -> Member:
        """Starts one more replica."""
        environment = {**self.environment(name), **env}
        with self.operator.acting:
            member = Member(name, self._folder, environment, ended=self._on_exit, clock=self.clock)
            self.members[name] = member
        return member

    def retire_member(self, name: str) -> None:
        """Stops a replica cleanly; nothing replaces it."""
        with self.operator.acting:
            self.members.pop(name).retire()

    def transactional_id(self, name: str) -> str:
        """The id of a member's producer."""
        return f"sentiment:{self.group}:{name}"

    def drain(self) -> bool:
        """Lets the members process the rest and stops them cleanly; returns whether all was committed."""
        self.feed(self.setting.messages)
        drained = self.monitor.await_lag(0, self.setting.drain_s)
        self.operator.close()
        for name in list(self.members):
            self.retire_member(name)
        self.monitor.close()
        return drained

    def close(self) -> None:
        """Leaves no process behind."""
        for member in self.members.values():
            member.abandon()

    def verdicts(self) -> list[Verdict]:
        """Reads everything back and judges the invariants, and that no process ended in an unexpected way."""
        servers, exactly = self.cluster.direct, self.setting.exactly
        results = reader.read(servers, self.results, committed=True)
        letters = reader.read(servers, self.letters, committed=True)
        raw = sum(len(reader.read(servers, name, committed=False)) for name in (self.results, self.letters))
        topics = [self.inputs.main, *self.inputs.side_topics]
        offsets = reader.committed_offsets(servers, self.group, topics)
        expected = self.inputs.expected({place: at for place, (at, _end) in offsets.items()})
        known = [open_artifact(model).version for model in self.models]
        return [
            reader.everything_once(results, letters, expected, self._truth, exactly=exactly),
            reader.faults_bit(
                raw,
                len(results) + len(letters),
                len(results) + len(letters) - len({row.number for row in (*results, *letters)}),
                exactly=exactly,
            ),
            reader.order_kept(results, expected.again),
            reader.offsets_final(servers, offsets, {self.results: PARTITIONS, self.letters: LETTER_PARTITIONS}),
            reader.letters_intact(letters, self._truth),
            reader.answers_right(results, known, self._truth),
            self.monitor.bounded(),
            self.monitor.recovered(self.setting.recovery_s),
            reader.logs_clean({path.name: path.read_bytes() for path in self._folder.glob("*.log")}),
            reader.faults_answered(self.complaints),
            self._ends_as_expected(),
        ]

    def summary(self) -> dict[str, Any]:
        """Figures of the run for the report."""
        codes: defaultdict[str, int] = defaultdict(int)
        for one in self.exits:
            codes[str(one.code)] += 1
        kinds: defaultdict[str, int] = defaultdict(int)
        for fault in self.faults:
            kinds[fault.kind] += 1
        return {
            "messages": self.inputs.sent,
            "seconds": round(self.clock(), 1),
            "faults": dict(kinds),
            "exit_codes": dict(codes),
            "recoveries": self.monitor.recoveries.summary(),
            "longest_stall_s": round(self.monitor.longest_stall_s, 1),
        }

    def _moved(self, move: Move) -> None:
        if move.is_back:
            self.inputs.read_again(move.topic.partition(":")[0])

    def _on_exit(self, one: Exit) -> None:
        self.exits.append(one)
        explained = (
            one.code in ENDS_OF_ITS_OWN | {-9, 66}
            or (one.asked and one.code in ENDS_BY_SIGTERM)
            or one.at_s < self._explained[one.code]
        )
        if not explained:
            self._odd.append(f"{one.member}: {one.code} at {one.at_s:.0f} s")
        if one.took_s is not None and one.took_s > STOP_S:
            self.complaints.append(f"{one.member} took {one.took_s:.1f} s to stop at {one.at_s:.0f} s")
        if one.code == STATE_REFUSED and one.member in self.members:
            self.operator.call(self.members[one.member].last_error())
        if one.code == -9 and one.at_s > self._looping_until:
            self.monitor.death()

    def _ends_as_expected(self) -> reader.Verdict:
        corrupt = sum(fault.kind == "corrupt model" for fault in self.faults)
        unfit = sum(one.code == 66 for one in self.exits)
        return reader.Verdict(
            "ends as expected",
            not self._odd and unfit <= corrupt,
            f"{len(self.exits)} ends, {len(self._odd)} that no fault explains {self._odd[:5]}, "
            f"{unfit} refused models, {len(self.operator.moves)} steps of an operator",
        )

    def environment(self, name: str) -> dict[str, str]:
        """The settings of a member's life without faults."""
        topics = [self.inputs.main, *([self.inputs.pattern] if self.setting.pattern else [])]
        properties: dict[str, Any] = {
            "heartbeat.interval.ms": 500,
            "session.timeout.ms": int(SESSION_S * 1000),
            "socket.timeout.ms": 8_000,
            **self.setting.properties,
        }
        if self.setting.protocol == "consumer":  # there the broker sets both
            del properties["heartbeat.interval.ms"], properties["session.timeout.ms"]
        limits = {
            "batch_records": 100,
            "commit_timeout_s": 6,
            "max_recoveries": 10,
            "max_crashes": 8,
            "stall_timeout_s": 120,
            **self.setting.limits,
        }
        return {
            "SENTIMENT_MODEL": str(self.models[0]),
            "SENTIMENT_KAFKA__BOOTSTRAP_SERVERS": self.cluster.bootstrap,
            "SENTIMENT_KAFKA__SASL_PASSWORD": oracle.SECRET,
            "SENTIMENT_KAFKA__PROPERTIES": json.dumps(properties),
            "SENTIMENT_GROUP_ID": self.group,
            "SENTIMENT_INPUT_TOPICS": ",".join(topics),
            "SENTIMENT_AUTO_OFFSET_RESET": self.setting.reset,
            "SENTIMENT_OUTPUT_TOPIC": self.results,
            "SENTIMENT_DLQ_TOPIC": self.letters,
            "SENTIMENT_DELIVERY": self.setting.delivery,
            "SENTIMENT_GROUP_PROTOCOL": self.setting.protocol,
            "SENTIMENT_INSTANCE_ID": name,
            **{f"SENTIMENT_LIMITS__{key.upper()}": str(value) for key, value in limits.items()},
            "CHAOS_SCORER": json.dumps(dict(self.setting.scorer)),
            "CHAOS_MUTANT": self.setting.mutant or "",
            "CHAOS_STRETCH_S": str(self.setting.stretch_s or ""),
            "CHAOS_TRANSACTION_TIMEOUT_MS": "10000",
            "CHAOS_REAL": "" if self.setting.scorer_of == "oracle" else "1",
        }

    def _create_topics(self) -> None:
        topics = [
            NewTopic(self.results, PARTITIONS, 3),
            NewTopic(self.letters, LETTER_PARTITIONS, 3),
        ]
        with AdminClient({"bootstrap.servers": self.cluster.direct}) as admin:
            for future in admin.create_topics(topics).values():
                future.result()

"""One node of the cluster: a Java process that can be killed, paused and restarted with its data."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sentiment_testing.kafka import SETTINGS, BrokerError, answers
from sentiment_testing.kafka.jars import find_class_path, find_java, java_options, run_step
from sentiment_testing.kafka.java import LOG_TAIL, START_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STOP_S: Final = 30.0
LOCALHOST: Final = "127.0.0.1"

CLUSTER_SETTINGS: Final = SETTINGS | {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # Record timestamps of the tests may be old.
    "log.retention.ms": "-1",
    # A dead or paused node is noticed within seconds.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    "replica.lag.time.max.ms": "6000",
    "controller.quorum.election.timeout.ms": "1000",
    "controller.quorum.fetch.timeout.ms": "2000",
    # An abandoned transaction is aborted within a second of its timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # Three nodes share two cores, and the cleaner's default buffer alone is 128 MiB.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
}

# Java must not outlive the tests, not even when they are killed with SIGKILL: this shell kills it as
# soon as its standard input, a pipe of which we hold the other end, is closed. The shell names Java's
# process id first, because a fault must hit Java itself. Data folders outlive both.
GUARD: Final = """
exec 3<&0
"$@" 3<&- >&2 & java=$!
echo $java
{ read -r _ <&3; kill -KILL $java; } 2>/dev/null >&2 & guard=$!
wait $java; code=$?
kill $guard 2>/dev/null
exit $code
"""
# Less peak speed for a quicker start and less memory.
CHEAP: Final = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one node on 127.0.0.1."""

    direct: int
    client: int
    proxy: int
    controller: int


class Node:
    """Formats its storage once; afterwards `start` works, however the node ended before."""

    def __init__(self, folder: Path, number: int, ports: Sequence[Ports], cluster_id: str, heap_mb: int) -> None:
        self.number = number
        self.direct = f"{LOCALHOST}:{ports[number].direct}"
        self._log = folder / f"node-{number}.log"
        self._properties = folder / f"node-{number}.properties"
        self._settings = _settings(folder / f"node-{number}", number, ports)
        self._cluster_id = cluster_id
        self._heap = f"-Xmx{heap_mb}m"
        self._process: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def format(self) -> None:
        """Prepares the data folder; raises UnavailableError if Java or Kafka's jars are missing."""
        lines = (f"{name}={value}\n" for name, value in self._settings.items())
        self._properties.write_text("".join(lines))
        # Joined by "=": an identifier may begin with "-" and would read as an option.
        cluster = f"--cluster-id={self._cluster_id}"
        command = ["kafka.tools.StorageTool", "format", cluster, "-c", str(self._properties)]
        run_step(self._java(command), timeout_s=START_S, doing="Java could not format the storage")

    def launch(self) -> None:
        """Starts Java and returns at once; appends to its log."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "guard", *self._java(["kafka.Kafka", str(self._properties)])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # this process handles Ctrl-C in the terminal
            )
        assert self._process.stdout
        self.pid = int(self._process.stdout.readline())

    def await_answer(self) -> None:
        """Returns when the node answers; raises BrokerError with the end of its log if it does not."""
        if self.alive() and answers(self.direct, timeout_s=START_S):
            return
        tail = "".join(self._log.read_text(errors="replace").splitlines(keepends=True)[-LOG_TAIL:])
        raise BrokerError(f"node {self.number} does not answer; the last lines of its log:\n{tail}")

    def alive(self) -> bool:
        """Whether the Java process exists, paused or not."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to Java itself."""
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, as a power cut would."""
        self.signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> None:
        """Shuts it down cleanly, with its leaderships handed over; raises BrokerError if that takes too long."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # a paused process would not receive the other signal
        self._reap()

    def _reap(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise BrokerError(f"node {self.number} did not end within {STOP_S:.0f} s") from None
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
        self._process = None

    def _java(self, arguments: list[str]) -> list[str]:
        options = java_options(find_class_path())
        return [find_java(), self._heap, *CHEAP, *options, *arguments]


def _settings(data: Path, number: int, ports: Sequence[Ports]) -> dict[str, str]:
    own = ports[number]
    voters = ",".join(f"{voter}@{LOCALHOST}:{port.controller}" for voter, port in enumerate(ports))
    listeners = {"DIRECT": own.direct, "CLIENT": own.client, "CONTROLLER": own.controller}
    return CLUSTER_SETTINGS | {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "listeners": ",".join(f"{name}://{LOCALHOST}:{port}" for name, port in listeners.items()),
        "advertised.listeners": f"DIRECT://{LOCALHOST}:{own.direct},CLIENT://{LOCALHOST}:{own.proxy}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "DIRECT",
        "listener.security.protocol.map": "DIRECT:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
    }

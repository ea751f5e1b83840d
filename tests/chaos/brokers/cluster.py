"""Three nodes of a real Kafka, reached through a proxy that can fail, and directly for the tests' own clients."""

from __future__ import annotations

import base64
import os
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos.brokers.node import LOCALHOST, Node, Ports
from tests.chaos.brokers.proxy import Proxy

if TYPE_CHECKING:
    from types import TracebackType

PORTS: Final = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections: the port of a dead node must stay free."""
TRANSACTION_TOPIC: Final = "__transaction_state"
GROUP_TOPIC: Final = "__consumer_offsets"
STOPPED_S: Final = 10.0
LOOK_UP_S: Final = 20.0


class Cluster:
    """A context manager: all nodes answer on entry, and none is left after exit.

    Every node has two listeners: DIRECT, for other nodes and the tests' own clients, and CLIENT, which is
    advertised as the proxy's port. At least three nodes are needed: everything has three replicas.
    """

    def __init__(self, folder: Path, *, nodes: int = 3, heap_mb: int = 384) -> None:
        free = _free_ports(4 * nodes)
        ports = [Ports(*free[4 * number : 4 * number + 4]) for number in range(nodes)]
        cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        self._nodes = [Node(folder, number, ports, cluster_id, heap_mb) for number in range(nodes)]
        self._stack = ExitStack()
        self.nodes = range(nodes)
        self.bootstrap = ",".join(f"{LOCALHOST}:{port.proxy}" for port in ports)
        self.direct = ",".join(node.direct for node in self._nodes)
        self._ports = ports
        self._log = folder / "proxy.log"

    def __enter__(self) -> Self:
        """Starts everything; raises UnavailableError if Java or Kafka's jars are missing."""
        with ExitStack() as undo:
            undo.push(self.__exit__)
            self.proxy = Proxy([(port.proxy, port.client) for port in self._ports], self._log)
            self._stack.callback(self.proxy.close)
            with ThreadPoolExecutor(len(self._nodes)) as pool:
                list(pool.map(Node.format, self._nodes))
                list(pool.map(Node.launch, self._nodes))
                list(pool.map(Node.await_answer, self._nodes))
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kills the nodes, whose data and logs stay in the folder, and ends the proxy."""
        with self._stack:
            for node in self._nodes:
                self._stack.callback(node.kill)

    def kill(self, node: int) -> None:
        """Kills a node (SIGKILL), as a power cut would; its data stays."""
        self._nodes[node].kill()

    def stop(self, node: int) -> None:
        """Shuts a node down cleanly (SIGTERM) and waits until it has ended."""
        self._nodes[node].stop()

    def start(self, node: int) -> None:
        """Starts a node that has ended, with its old data; returns when it answers."""
        self._nodes[node].launch()
        self._nodes[node].await_answer()

    def pause(self, node: int) -> None:
        """Pauses a node (SIGSTOP): its sockets stay open, but it does not answer. Returns once it has stopped."""
        self._nodes[node].signal(signal.SIGSTOP)
        # The threads of a busy process stop one by one, so a request that is sent at once may be answered.
        status, deadline = Path(f"/proc/{self.pid(node)}/status"), time.monotonic() + STOPPED_S
        while self.alive(node) and "T (stopped)" not in status.read_text(encoding="ascii"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"node {node} has not stopped within {STOPPED_S:.0f} s")
            time.sleep(0.001)

    def resume(self, node: int) -> None:
        """Resumes a paused node (SIGCONT)."""
        self._nodes[node].signal(signal.SIGCONT)

    def alive(self, node: int) -> bool:
        """Whether the node's process exists, paused or not."""
        return self._nodes[node].alive()

    def pid(self, node: int) -> int:
        """The node's Java process."""
        return self._nodes[node].pid

    def new_topic(self, *, partitions: int = 1, on_node: int | None = None) -> str:
        """Creates a topic with three replicas, or one on the given node; returns its name once it has a leader."""
        name = f"chaos-{uuid4().hex[:8]}"
        request = NewTopic(name, partitions)
        if on_node is not None:
            request = NewTopic(name, 1, replica_assignment=[[on_node]], config={"min.insync.replicas": "1"})
        with AdminClient({"bootstrap.servers": self.direct, "log_level": 0}) as admin:
            admin.create_topics([request])[name].result()
        for partition in range(partitions):
            self.leader_of(name, partition)
        return name

    def leader_of(self, topic: str, partition: int) -> int:
        """Returns the leader of a partition; waits for one, and raises TimeoutError if there is none."""
        deadline = time.monotonic() + LOOK_UP_S
        with AdminClient({"bootstrap.servers": self.direct, "log_level": 0}) as admin:
            while time.monotonic() < deadline:
                partitions = admin.list_topics(topic, timeout=LOOK_UP_S).topics[topic].partitions
                if partition in partitions and partitions[partition].leader >= 0:
                    return partitions[partition].leader
                time.sleep(0.1)
        raise TimeoutError(f"no leader of {topic} {partition} within {LOOK_UP_S:.0f} s")

    def coordinator_of_transaction(self, transactional_id: str) -> int:
        """Returns the node that coordinates the transactions of an id, once any transaction has been begun."""
        return self._coordinator(TRANSACTION_TOPIC, transactional_id)

    def coordinator_of_group(self, group: str) -> int:
        """Returns the node that keeps the offsets of a group, once any group has committed."""
        return self._coordinator(GROUP_TOPIC, group)

    def _coordinator(self, topic: str, key: str) -> int:
        with AdminClient({"bootstrap.servers": self.direct, "log_level": 0}) as admin:
            partitions = admin.list_topics(timeout=LOOK_UP_S).topics[topic].partitions
        return self.leader_of(topic, abs(java_hash(key)) % len(partitions))


def java_hash(text: str) -> int:
    """Java's String.hashCode, but 0 for the one number that has no absolute value in Java."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        value = (31 * value + int.from_bytes(units[at : at + 2], "big")) & 0xFFFFFFFF
    if value == 1 << 31:
        return 0
    return value - (1 << 32) if value > 1 << 31 else value


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as attempt:
            if attempt.connect_ex((LOCALHOST, port)) and len(found) < count:
                found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")

"""Apache Kafka as a local Java process: one KRaft node on 127.0.0.1, in a temporary folder."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Final

from sentiment_testing.errors import BrokerError
from sentiment_testing.kafka.broker import SETTINGS, Broker, answers
from sentiment_testing.kafka.guard import guarded
from sentiment_testing.kafka.jars import find_class_path, find_java, java_options, run_step

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

START_S: Final = 60.0
LOG_TAIL: Final = 20


@dataclass(frozen=True, slots=True)
class LocalNode:
    """A broker, its Java process, and its log."""

    broker: Broker
    process: subprocess.Popen[bytes]
    """The shell that guards Java; both are one process group."""
    log: Path

    def pause(self) -> None:
        """Freezes the broker: it answers nobody until `resume`."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `pause`."""
        os.killpg(self.process.pid, signal.SIGCONT)


@contextmanager
def local_kafka(port: int = 0, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Broker]:
    """Starts one node; port 0 takes a free one, and `settings` override SETTINGS. Raises as `local_node` does."""
    with local_node(port, settings) as node:
        yield node.broker


@contextmanager
def local_node(port: int, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[LocalNode]:
    """A broker of its own process, at a port or at a free one.

    Raises UnavailableError without Java or the jars of Kafka, and BrokerError if it does not start. An error in
    the block gets the last lines of the broker's log as a note, since the log is deleted with the folder.
    """
    java, class_path = find_java(), find_class_path()
    folder = Path(tempfile.mkdtemp(prefix="kafka-"))
    try:
        listener, controller = free_ports(port)
        properties = format_storage(folder, _properties(folder, listener, controller) | dict(more))
        address = f"127.0.0.1:{listener}"
        log = folder / "broker.log"
        command = [java, "-Xmx512m", *java_options(class_path), "kafka.Kafka", str(properties)]
        with guarded(command, folder, log) as process:
            await_answer(address, process, log)
            version = re.search(r"kafka-tools-([\w.]+)\.jar", class_path)
            name = f"Apache Kafka {version[1]}" if version else "Apache Kafka"
            with log.open(errors="replace") as lines:
                try:
                    yield LocalNode(Broker(address, f"{name}, local Java process, {address}"), process, log)
                except Exception as error:
                    error.add_note(f"the last lines of the broker's log:\n{_tail(lines)}")
                    raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(port: int = 0) -> tuple[int, int]:
    """Returns the wanted port, or a free one for 0, and another free one; both were free a moment ago."""
    with socket.socket() as listener, socket.socket() as controller:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka does: ignores TIME_WAIT
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise BrokerError(
                f"port {port} on 127.0.0.1 cannot be had ({error.strerror}); choose another"
            ) from error
        controller.bind(("127.0.0.1", 0))
        return listener.getsockname()[1], controller.getsockname()[1]


def _properties(folder: Path, listener: int, controller: int) -> dict[str, str]:
    return SETTINGS | {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{listener},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{listener}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
    }


def format_storage(folder: Path, settings: Mapping[str, str], *more: str) -> Path:
    """Writes a node's properties and formats its storage; `more` are options of the format command.

    Returns the path of the properties. Raises UnavailableError if Java cannot do it.
    """
    properties = folder / "node.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    # Joined by "=": an identifier may begin with "-" and would read as an option.
    cluster = "--cluster-id=" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    tool = [find_java(), *java_options(find_class_path()), "kafka.tools.StorageTool"]
    command = [*tool, "format", cluster, "-c", str(properties), *more]
    run_step(command, timeout_s=START_S, doing="Java could not format the storage")
    return properties


def await_answer(
    address: str, process: subprocess.Popen[bytes], log: Path, login: Mapping[str, str] | None = None
) -> None:
    """Returns when the broker answers; raises BrokerError with the end of its log if it does not."""
    with log.open(errors="replace") as lines:  # opened first, since the guard deletes the file when Java ends
        deadline = time.monotonic() + START_S
        why = f"did not answer within {START_S:.0f} s"
        while time.monotonic() < deadline:
            if answers(address, timeout_s=1.0, login=login):
                return
            if process.poll() is not None:
                why = f"ended with code {process.returncode} before it answered"
                break
        raise BrokerError(f"the local Kafka {why}; the last lines of its log:\n{_tail(lines)}")


def _tail(lines: IO[str]) -> str:
    return "".join(lines.readlines()[-LOG_TAIL:])

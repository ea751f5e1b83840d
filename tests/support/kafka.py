"""A real Kafka for the tests: its source, its start, and its guaranteed end.

`broker` yields the first of these that is available:

1. the cluster named by KAFKA_BOOTSTRAP_SERVERS; if it does not answer, that is an error;
2. a container, if a Docker engine answers (`docker_kafka`);
3. Apache Kafka as a local Java process, with jars fetched by Maven (`local_kafka`).

`python -m tests.support.kafka` starts the third in the foreground, for a person.
Topics, and the handling of a missing broker, belong to tests/conftest.py. The file is long because starting,
watching and reliably ending a foreign process takes much code; nothing else should be added.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ADDRESS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
IMAGE = "confluentinc/cp-kafka:8.2.3"  # 8.x is KRaft only and knows both group protocols
START_S = 60.0
IMAGE_START_S = 180
STOP_S = 10.0
FETCH_S = 240.0
LOG_TAIL = 20

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("kafka-pom.xml")
CACHE = ROOT / ".cache" / "kafka"

# Broker settings that the tests expect, wherever we start the broker ourselves.
SETTINGS = {
    "auto.create.topics.enable": "false",
    # One node holds every replica.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The defaults, 50 partitions each, make the first use of a group or a transaction slow.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "8",
    # A killed member is noticed within seconds. The classic protocol takes the client's
    # session.timeout.ms, down to this minimum; in the consumer protocol the broker decides.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "1500",
}

# Java must not outlive the tests, not even when they are killed with SIGKILL. So this shell starts
# Java, and its standard input is a pipe whose only writable end is ours: however we end, the kernel
# closes that end, `read` returns, and the shell stops Java and deletes the folder. An orderly stop
# closes the pipe as well, so every run of the tests exercises this path. (PR_SET_PDEATHSIG is Linux
# only, fires when the starting thread ends, needs code between fork and exec, and leaves the folder.)
GUARD = f"""
folder=$1; shift
exec 3<&0
"$@" 3<&- & java=$!
{{
    read -r _ <&3
    kill -TERM $java
    tries={STOP_S * 5:.0f}
    while [ $tries -gt 0 ] && kill -0 $java; do sleep 0.2; tries=$((tries - 1)); done
    kill -KILL $java
}} 2>/dev/null & guard=$!
wait $java; code=$?
kill $guard
rm -rf "$folder"
exit $code
"""


class BrokerError(Exception):
    """A broker that should work does not; the message says how it failed."""


class NoBrokerError(BrokerError):
    """No broker is available here; the message lists what was tried and why each attempt failed."""


class UnavailableError(BrokerError):
    """One way to get a broker is not available on this machine; `broker` tries the next."""


@dataclass(frozen=True)
class Broker:
    """A reachable Kafka, and one line that describes it for a person."""

    bootstrap_servers: str
    description: str


class MakeTopic(Protocol):
    """The type of the fixture `topic`: creates a topic on the broker and returns its full name."""

    def __call__(self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Returns `name` with a random ending, so that no two tests share a topic."""
        ...


@contextmanager
def broker() -> Iterator[Broker]:
    """Yields the first available broker; raises NoBrokerError, or BrokerError if one is there but broken."""
    if address := os.environ.get(ADDRESS_VARIABLE):
        if not answers(address, timeout_s=10.0):
            message = f"{ADDRESS_VARIABLE}={address}, but no broker answers there"
            raise BrokerError(message)
        yield Broker(address, f"{address}, named by {ADDRESS_VARIABLE}")
        return
    failures = [f"{ADDRESS_VARIABLE}: not set"]
    for name, start in (("Docker", docker_kafka), ("local Java process", local_kafka)):
        with ExitStack() as stack:
            try:
                found = stack.enter_context(start())
            except UnavailableError as reason:
                failures.append(f"{name}: {reason}")
                continue
            yield found
            return
    message = "no Kafka broker is available; tried\n" + "\n".join(f"  - {line}" for line in failures)
    raise NoBrokerError(message)


def answers(bootstrap_servers: str, timeout_s: float, login: Mapping[str, str] | None = None) -> bool:
    """Whether a broker answers a metadata request in time; waits for its start in the meantime."""
    quiet: dict[str, Any] = {"reconnect.backoff.max.ms": 500, "log_level": 0}
    client = AdminClient({"bootstrap.servers": bootstrap_servers, **quiet, **(login or {})})
    try:
        return bool(client.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


@contextmanager
def docker_kafka() -> Iterator[Broker]:
    """Starts a container through testcontainers and removes it afterwards.

    Its authors had no Docker engine: the refusal without one is tested, but a real start has never run.
    """
    # The import takes a third of a second and is needed only here.
    from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415

    if reason := _why_no_docker():
        raise UnavailableError(reason)
    container = KafkaContainer(IMAGE).with_kraft()
    for name, value in SETTINGS.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    with ExitStack() as stack:
        stack.callback(container.stop)
        try:
            container.start(timeout=IMAGE_START_S)
        except (DockerException, OSError) as error:  # TimeoutError is an OSError
            message = f"{IMAGE} did not start: {error}"
            raise UnavailableError(message) from error
        address = container.get_bootstrap_server()
        yield Broker(address, f"{IMAGE}, container, {address}")


def _why_no_docker() -> str | None:
    """Pings the Docker engine; returns why none answers, or None if one does."""
    from docker.errors import DockerException  # noqa: PLC0415
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    why = None
    with warnings.catch_warnings():
        # docker-py leaves its socket unclosed when nobody answers. Collected here, or else the
        # warning, an error under pytest, would hit whichever test runs when it is collected.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            client = DockerClient().client
            client.ping()
            client.close()
        except (DockerException, OSError) as error:
            why = f"no engine answers ({error})"
        gc.collect()
    return why


@contextmanager
def local_kafka(port: int = 0, settings: Mapping[str, str] | None = None) -> Iterator[Broker]:
    """Starts one KRaft node as a Java process on 127.0.0.1, in a temporary folder; port 0 takes a free one.

    `settings` override SETTINGS.
    """
    with local_node(port, settings or {}) as node:
        yield node.broker


@dataclass(frozen=True)
class LocalNode:
    """A broker, its Java process, and its log."""

    broker: Broker
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def local_node(port: int, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[LocalNode]:
    """A broker of its own process, at a port or at a free one; raises BrokerError."""
    java, class_path = find_java(), find_class_path()
    folder = Path(tempfile.mkdtemp(prefix="kafka-"))
    try:
        listener, controller = _free_ports(port)
        properties = _format(folder, java, class_path, listener, controller, more=more)
        address = f"127.0.0.1:{listener}"
        log = folder / "broker.log"
        command = [java, "-Xmx512m", *java_options(class_path), "kafka.Kafka", str(properties)]
        with _guarded(command, folder, log) as process:
            _await_answer(address, process, log)
            version = re.search(r"kafka-tools-([\w.]+)\.jar", class_path)
            name = f"Apache Kafka {version[1]}" if version else "Apache Kafka"
            yield LocalNode(Broker(address, f"{name}, local Java process, {address}"), process, log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_java() -> str:
    """Returns the path of Java; raises UnavailableError."""
    home = os.environ.get("JAVA_HOME")
    if java := shutil.which("java", path=f"{home}/bin" if home else None):
        return java
    raise UnavailableError("no java on the PATH or in JAVA_HOME (Java 17 or newer is needed)")


def find_class_path() -> str:
    """Asks Maven once per version of the pom for the jars; afterwards reads the answer from the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    # The workers of pytest, and the nodes of a cluster, ask at the same time.
    with FileLock(CACHE / "fetching.lock"):
        return _class_path()


def _class_path() -> str:
    cached = CACHE / f"{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}.classpath"
    if cached.is_file():
        class_path = cached.read_text()
        if all(Path(jar).is_file() for jar in class_path.split(os.pathsep)):
            return class_path
    maven = shutil.which("mvn")
    if maven is None:
        raise UnavailableError("no mvn on the PATH, and the jars of Kafka are not cached")
    fresh = cached.with_suffix(f".{os.getpid()}")
    goal = ["dependency:build-classpath", f"-Dmdep.outputFile={fresh}"]
    command = [maven, "-q", "-B", "-f", str(POM), *goal]
    try:
        run_step(command, timeout_s=FETCH_S, doing="Maven could not fetch the jars of Kafka")
        return fresh.replace(cached).read_text()
    finally:
        fresh.unlink(missing_ok=True)


def run_step(command: list[str], *, timeout_s: float, doing: str) -> None:
    """Runs a step of the preparation; if it fails, this way to get a broker is not available."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        message = f"{doing}: no end after {timeout_s:.0f} s"
        raise UnavailableError(message) from None
    if done.returncode != 0:
        said = " | ".join(line for line in done.stdout.splitlines() if line.strip())
        message = f"{doing}: {said[:600] or f'exit code {done.returncode}'}"
        raise UnavailableError(message)


def _free_ports(port: int) -> tuple[int, int]:
    """Returns the wanted port, or a free one for 0, and another free one; both were free a moment ago."""
    with socket.socket() as listener, socket.socket() as controller:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka does: ignores TIME_WAIT
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            message = f"port {port} on 127.0.0.1 cannot be had ({error.strerror}); choose another"
            raise BrokerError(message) from error
        controller.bind(("127.0.0.1", 0))
        return listener.getsockname()[1], controller.getsockname()[1]


def _format(
    folder: Path, java: str, class_path: str, listener: int, controller: int, *, more: Mapping[str, str]
) -> Path:
    """Writes the node's properties and formats its storage; returns the path of the properties."""
    settings = SETTINGS | {
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
    return _format_storage(folder, java, class_path, {**settings, **more})


def _format_storage(folder: Path, java: str, class_path: str, settings: Mapping[str, str], *more: str) -> Path:
    """Writes properties and formats a storage with them; `more` are options of the format command."""
    properties = folder / "node.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    # Joined by "=": an identifier may begin with "-" and would read as an option.
    cluster = "--cluster-id=" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    tool = [java, *java_options(class_path), "kafka.tools.StorageTool"]
    command = [*tool, "format", cluster, "-c", str(properties), *more]
    run_step(command, timeout_s=START_S, doing="Java could not format the storage")
    return properties


def java_options(class_path: str) -> list[str]:
    """Options of every Java process here: its jars, and no log below a warning."""
    return ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path]


@contextmanager
def _guarded(command: list[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `command` under GUARD: it ends with this block or with this process, whichever ends first."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(folder), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # this process handles Ctrl-C in the terminal
        )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_S + 5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_answer(
    address: str, process: subprocess.Popen[bytes], log: Path, login: Mapping[str, str] | None = None
) -> None:
    with log.open(errors="replace") as lines:  # opened first, since the guard deletes the file when Java ends
        deadline = time.monotonic() + START_S
        why = f"did not answer within {START_S:.0f} s"
        while time.monotonic() < deadline:
            if answers(address, timeout_s=1.0, login=login):
                return
            if process.poll() is not None:
                why = f"ended with code {process.returncode} before it answered"
                break
        tail = "".join(lines.readlines()[-LOG_TAIL:])
        message = f"the local Kafka {why}; the last lines of its log:\n{tail}"
        raise BrokerError(message)


NEXT_STEPS = """\
{description}

  consumer:  export SENTIMENT_KAFKA__BOOTSTRAP_SERVERS={address}
             .venv/bin/sentiment-consumer topics create
             .venv/bin/sentiment-consumer run
  tests:     KAFKA_BOOTSTRAP_SERVERS={address} make test
  its log:   {log}

Ctrl-C stops it and deletes its data.
"""


def main() -> int:
    """Runs the local broker until Ctrl-C or SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.kafka",
        description="Starts a local Apache Kafka on 127.0.0.1 in the foreground (needs Java 17 and Maven).",
    )
    parser.add_argument("--port", type=int, default=9092, help="0 takes a free one (default: %(default)s)")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways to stop unwind alike
    try:
        with local_node(port) as node:
            address = node.broker.bootstrap_servers
            text = NEXT_STEPS.format(description=node.broker.description, address=address, log=node.log)
            sys.stdout.write(text)
            sys.stdout.flush()
            code = node.process.wait()
        sys.stderr.write(f"Kafka ended by itself with code {code}.\n")
    except BrokerError as error:
        sys.stderr.write(f"{error}\n")
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Apache Kafka in a container, through testcontainers."""

from __future__ import annotations

import gc
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from sentiment_testing.errors import UnavailableError
from sentiment_testing.kafka.broker import SETTINGS, Broker

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE: Final = "apache/kafka:4.3.1"
START_S: Final = 180
"""With the time to pull the image."""

CLIENT_PORT: Final = 9092
START_SCRIPT: Final = "/tmp/sentiment_testing_start.sh"  # noqa: S108 - inside the container, whose only user we are
READY: Final = "/tmp/sentiment_testing_ready"  # noqa: S108
RUNNING: Final = r".*Transitioning from RECOVERY to RUNNING.*"


@contextmanager
def docker_kafka(image: str = IMAGE) -> Iterator[Broker]:
    """Starts a container and removes it afterwards; raises UnavailableError without Docker or the image.

    `image` is one of apache/kafka, or confluentinc/cp-kafka from 8.0 on (KRaft only, both group protocols).
    """
    # The import takes a third of a second and is needed only here.
    from docker.errors import DockerException  # noqa: PLC0415
    from testcontainers.core.exceptions import ContainerStartException  # noqa: PLC0415

    if reason := why_no_docker():
        raise UnavailableError(reason)
    container = kafka_container(image)
    with ExitStack() as stack:
        stack.callback(container.stop)
        try:
            container.start(timeout=START_S)
        except (DockerException, ContainerStartException, OSError) as error:  # TimeoutError is an OSError
            raise UnavailableError(f"{image} did not start: {error}") from error
        address = container.get_bootstrap_server()
        yield Broker(address, f"{image}, container, {address}")


def kafka_container(image: str) -> Any:
    """The container class for an image, not yet started, with SETTINGS as its variables; needs Docker."""
    if is_apache(image):
        container: Any = apache_container(image)
    else:
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - see above

        container = KafkaContainer(image).with_kraft()
    for name, value in SETTINGS.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    return container


def is_apache(image: str) -> bool:
    """Whether the image is apache/kafka or apache/kafka-native, from any registry."""
    name = image.partition("@")[0]
    return f"/{name}".rpartition("/apache/")[2].partition(":")[0] in {"kafka", "kafka-native"}


def apache_container(image: str = IMAGE) -> Any:
    """A container of apache/kafka, modelled on `KafkaContainer` of testcontainers for Java.

    testcontainers-python 4.15 starts images of Confluent only. The address that Kafka advertises is known when
    the container runs: it waits for a script that names the address. A second file says that the script is
    complete.
    """
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - see above
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    class ApacheKafkaContainer(DockerContainer):
        """One node, broker and controller."""

        def get_bootstrap_server(self) -> str:
            """The address for clients on this machine."""
            return f"{self.get_container_host_ip()}:{self.get_exposed_port(CLIENT_PORT)}"

        def start(self, timeout: int = START_S) -> ApacheKafkaContainer:
            """Starts the container and returns when Kafka runs; `timeout` in seconds, without the pull."""
            super().start()
            self.copy_into_container(start_script(self.get_bootstrap_server()).encode(), START_SCRIPT, 0o644)
            self.copy_into_container(b"", READY, 0o644)
            running = LogMessageWaitStrategy(RUNNING)
            running.with_startup_timeout(timeout)
            running.wait_until_ready(self)
            return self

    container = ApacheKafkaContainer(image).with_exposed_ports(CLIENT_PORT)
    container.with_command(["sh", "-c", f"while [ ! -f {READY} ]; do sleep 0.1; done; exec bash {START_SCRIPT}"])
    # One KAFKA_ variable is enough for the image to drop its whole default configuration: all must be here.
    for name, value in APACHE_VARIABLES.items():
        container.with_env(name, value)
    return container


APACHE_VARIABLES: Final = {
    "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{CLIENT_PORT},BROKER://0.0.0.0:9093,CONTROLLER://0.0.0.0:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
}


def start_script(address: str) -> str:
    """Names the address that clients use, then starts Kafka as the image does."""
    return (
        f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{address},BROKER://localhost:9093\n"
        "exec /etc/kafka/docker/run\n"
    )


def why_no_docker() -> str | None:
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
            why = f"no engine answers ({error}); start Docker, or set DOCKER_HOST"
        gc.collect()
    return why

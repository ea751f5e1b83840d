"""The stack of docker-compose.yml as a project of its own: its ports, volumes and secrets are nobody else's."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sentiment_testing.kafka import Broker
from sentiment_testing.records import Result, TopicReader, TopicWriter
from tests.docker.engine import ROOT, Engine
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker.models.containers import Container

PROJECT: Final = "sentiment-stream-test"
UP_S: Final = 240.0
RESULTS_S: Final = 90.0
POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command in a container gave back."""

    code: int
    output: str


class ComposeStack:
    """Used by one thread; whoever makes it calls `down` at the end, whatever happened."""

    def __init__(
        self, engine: Engine, folder: Path, *, profiles: Sequence[str] = (), models: Path | None = None
    ) -> None:
        """`models` is the folder that is mounted for models; without one the named volume is."""
        self._engine = engine
        self._client = engine.client()
        self.secrets = folder / "secrets"
        engine.run("sh", str(ROOT / "deploy/compose/secrets.sh"), str(self.secrets))
        self.kafka_port, self.page_port = free_port(), free_port()
        self._variables = {
            "KAFKA_PORT": str(self.kafka_port),
            "DASHBOARD_PORT": str(self.page_port),
            "SECRETS_DIR": str(self.secrets),
            **({"MODEL_DIR": str(models)} if models else {}),
        }
        chosen = [word for name in profiles for word in ("--profile", name)]
        self._command = (*engine.compose, "--project-name", PROJECT, *chosen)
        self.down()  # what a run that was killed has left

    def compose(self, *arguments: str, timeout_s: float = UP_S) -> str:
        """Runs a command of Compose and returns its output; AssertionError if it fails."""
        return self._engine.run(*self._command, *arguments, timeout_s=timeout_s, **self._variables)

    def up(self) -> None:
        """Starts the services, and waits until the consumer is healthy."""
        self.compose("up", "--detach", "--no-build")
        self.await_health("consumer")

    def down(self) -> None:
        """Ends all services and removes their volumes."""
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "10")

    def close(self) -> None:
        """Ends all services, and the connection to the engine."""
        self.down()
        self._client.close()

    def container(self, service: str) -> Container:
        """The container of a service, as it is now."""
        labels = [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]
        (found,) = self._client.containers.list(all=True, filters={"label": labels})
        return found

    def health(self, service: str) -> str:
        """What the container's own check says: starting, healthy or unhealthy."""
        state: dict[str, Any] = self.container(service).attrs["State"]
        return str(state["Health"]["Status"])

    def await_health(self, service: str, timeout_s: float = UP_S) -> None:
        """Returns when a service is healthy by its own check."""
        deadline = time.monotonic() + timeout_s
        while (health := self.health(service)) != "healthy":
            container = self.container(service)
            assert container.status == "running", f"{service} {container.status}:\n{self.log(service)[-2000:]}"
            assert time.monotonic() < deadline, f"{service} is {health}:\n{self.log(service)[-2000:]}"
            time.sleep(POLL_S)

    def log(self, service: str) -> str:
        """The output of a service so far."""
        return bytes(self.container(service).logs()).decode(errors="replace")

    def execute(self, service: str, *command: str) -> Answer:
        """Runs a command in the container of a service."""
        code, output = self.container(service).exec_run(list(command))
        return Answer(code, output.decode(errors="replace"))

    def send(self, texts: Sequence[str]) -> list[str]:
        """Writes texts from the host; returns the ids of their results."""
        named = [(uuid4().hex, text) for text in texts]
        inputs = [(one, json.dumps({"id": one, "text": text}).encode()) for one, text in named]
        return TopicWriter(self._broker(), "texts").send(inputs)

    def results(self, n: int, timeout_s: float = RESULTS_S) -> list[Result]:
        """Waits until the results topic holds `n` records, and returns all of it; AssertionError without them."""
        reader = TopicReader(self._broker(), "sentiments")
        deadline = time.monotonic() + timeout_s
        try:
            reader.read_to_end(timeout_s)
            while len(reader.messages) < n:
                assert time.monotonic() < deadline, (
                    f"{len(reader.messages)} of {n}: {self.log('consumer')[-2000:]}"
                )
                reader.poll()
            return [Result.of(message) for message in reader.messages]
        finally:
            reader.close()

    def _broker(self) -> Broker:
        return Broker(f"127.0.0.1:{self.kafka_port}", "docker-compose.yml")

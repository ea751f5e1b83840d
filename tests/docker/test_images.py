"""What is in the images: no more than the role needs, another user than root, and what the labels say."""

from __future__ import annotations

import time
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.docker.engine import ROOT, Engine
from tests.docker.images import CONSUMER, TARGETS, bake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker.models.containers import Container

MAX_BYTES: Final = 400_000_000
"""Of the Python packages of consumer-cpu, compiled bytecode included."""
BAKED: Final = "docker.io/sentiment-stream/baked:test"
READY_S: Final = 90.0
SIZES: Final = "du -s --apparent-size --block-size=1 /opt/venv/lib && ls /opt/venv/lib/python3*/site-packages"


def test_the_consumer_for_cpus_is_small_and_has_no_torch(images: Engine) -> None:
    """Given consumer-cpu, when its packages are measured, then they are below 400 MB and torch is not there."""
    total, *names = _output(images, CONSUMER, SIZES).splitlines()
    assert int(total.split()[0]) <= MAX_BYTES, total
    assert {"openvino", "consumer"} <= set(names)
    assert not {"torch", "transformers", "nvidia"} & set(names)


@pytest.mark.parametrize("target", TARGETS)
def test_images_say_what_they_are_and_are_not_root(images: Engine, target: str) -> None:
    """Given an image, when it is inspected, then it has another user than root, and labels."""
    client = images.client()
    config: dict[str, Any] = client.images.get(f"sentiment-stream/{target}:local").attrs["Config"]
    client.close()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.version"] == version
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert target.split("-", maxsplit=1)[0] in config["Labels"]["org.opencontainers.image.title"]


@pytest.mark.parametrize(("target", "program"), [("dashboard", "dashboard"), ("trainer", "trainer")])
def test_programs_start_on_a_read_only_root(images: Engine, target: str, program: str) -> None:
    """Given the image of a program, when its help is asked for on a read-only root, then it answers."""
    said = _output(images, f"sentiment-stream/{target}:local", f"sentiment-{program} --help")
    assert "Usage: sentiment-" in said


@pytest.fixture
def baked(images: Engine, models: Path) -> Iterator[Container]:
    """A consumer that serves over HTTP with the model in its image, on a read-only root and without a network."""
    bake(images, models / "sentiment", BAKED)
    client = images.client()
    container = client.containers.run(
        BAKED,
        ["serve"],
        detach=True,
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108 - in the container
        network_mode="none",
    )
    yield container
    container.remove(force=True)
    client.images.remove(BAKED)
    client.close()


def test_a_model_is_baked_into_an_image(baked: Container) -> None:
    """Given an image with a model in it, when it serves, then its own check passes and it scores a text."""
    deadline = time.monotonic() + READY_S
    while baked.exec_run(["sentiment-consumer", "health"]).exit_code != 0:
        assert time.monotonic() < deadline, baked.logs()
        time.sleep(0.5)
    ask = (
        "from urllib.request import Request, urlopen; "
        "r = Request('http://127.0.0.1:8080/v1/score', b'{\"text\": \"a good day\"}', "
        "{'Content-Type': 'application/json'}); print(urlopen(r).read().decode())"
    )
    code, output = baked.exec_run(["python", "-c", ask])
    assert code == 0, output
    assert '"label":"positive"' in output.decode().replace(": ", ":")


def _output(engine: Engine, image: str, command: str) -> str:
    client = engine.client()
    try:
        output: bytes = client.containers.run(
            image,
            ["-c", command],
            entrypoint=["sh"],
            remove=True,
            read_only=True,
            tmpfs={"/tmp": ""},  # noqa: S108
        )
    finally:
        client.close()
    return output.decode()

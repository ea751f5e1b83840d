"""Builds the project's images, and on podman those that stand in for published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.docker import podman
from tests.docker.engine import ROOT, Engine

if TYPE_CHECKING:
    from pathlib import Path

KAFKA: Final = "apache/kafka:4.3.1"
CONSUMER: Final = "sentiment-stream/consumer-cpu:local"
TARGETS: Final = ("consumer-cpu", "dashboard", "trainer")
"""consumer-cuda is left out: a copy of 6 GB that no test here could run."""


def build_all(engine: Engine) -> None:
    """Builds the images that the tests run, one at a time; what is cached takes seconds."""
    if not engine.is_podman:
        services = ("consumer", "dashboard", "train")
        engine.run(*engine.compose, "--profile", "train", "build", *services)
        return
    podman.build_base(engine.environ)
    podman.build_kafka(engine.environ, f"docker.io/{KAFKA}")
    for target in TARGETS:
        podman.build(engine.environ, ROOT, f"docker.io/sentiment-stream/{target}:local", "--target", target)


def bake(engine: Engine, model: Path, tag: str) -> None:
    """Builds an image of the consumer that has the model folder in it."""
    file = ROOT / "deploy/docker/model.Dockerfile"
    given = ("--build-arg", f"CONSUMER_IMAGE=docker.io/{CONSUMER}", "--file", str(file))
    if engine.is_podman:
        podman.build(engine.environ, model, tag, *given)
    else:
        engine.run("docker", "build", *given, "--tag", tag, str(model))

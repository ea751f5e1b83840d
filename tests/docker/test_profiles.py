"""The profiles `demo` and `train`: a stack that fills itself, and a model that is trained in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.docker.stack import ComposeStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docker.engine import Engine

BASELINE: Final = ("train", "--data", "vader-tweets", "--model", "nbsvm", "--name", "tweets")
"""The tweets of the default, fetched in the container, but a model that takes seconds and not minutes."""
TEXTS: Final = 30
TRAINING_S: Final = 420.0


@pytest.fixture
def stack(request: pytest.FixtureRequest, images: Engine, tmp_path: Path) -> Iterator[ComposeStack]:
    """A stack with the profiles of the test, and models in the named volume; nothing runs."""
    stack = ComposeStack(images, tmp_path, profiles=request.param)
    try:
        yield stack
    finally:
        stack.close()


@pytest.mark.parametrize("stack", [("demo",)], indirect=True)
def test_the_demo_needs_nothing(stack: ComposeStack) -> None:
    """Given no model and no texts, when the profile `demo` is up, then results of every label arrive."""
    stack.up()
    results = stack.results(TEXTS)
    assert {one.label for one in results} == {"negative", "neutral", "positive"}
    assert {one.value["model"]["name"] for one in results} == {"counts-words"}


@pytest.mark.parametrize("stack", [()], indirect=True)
def test_a_model_is_trained_and_served(stack: ComposeStack) -> None:
    """Given the profile `train`, when it has trained into the volume, then the consumer serves that model."""
    # On podman `run` ends with 0 whatever the training did, so the name of the model says that it worked.
    output = ("--output", "/models/sentiment", "--overwrite")
    stack.compose("run", "--rm", "--no-TTY", "train", *BASELINE, *output, timeout_s=TRAINING_S)
    stack.up()
    (sent,) = stack.send(["what a wonderful, great day"])
    (result,) = stack.results(1)
    assert (result.id, result.label, result.value["model"]["name"]) == (sent, "positive", "tweets")

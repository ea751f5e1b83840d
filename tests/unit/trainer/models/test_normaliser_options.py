"""`--lowercase` and `--remove-stop-words` of a transformer: the same in training and in service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.model_folder.artifact import open_artifact
from shared.text import NormaliserOptions
from tests.support.tiny import tiny_base, write_data
from trainer.__main__ import app
from trainer.evaluation.serving import serve
from trainer.models.pretrained.tokenizer import load_tokenizer
from trainer.models.transformer.encoding import tokenise

if TYPE_CHECKING:
    from pathlib import Path

BOTH = NormaliserOptions(lowercase=True, remove_stop_words=True)


def test_a_training_text_is_tokenised_with_the_options(tmp_path: Path) -> None:
    """Stop words are gone, and "not" stays."""
    tokenizer = load_tokenizer(tiny_base(tmp_path / "base"))
    with_options, plain = tokenise(tokenizer, ["It is NOT good", "not good"], 16, BOTH)
    assert with_options.tolist() == plain.tolist()
    (default,) = tokenise(tokenizer, ["It is NOT good"], 16)
    assert len(default) > len(with_options)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_served_text_is_normalised_as_in_training(tmp_path: Path) -> None:
    """The manifest has the options, and the code that serves reads them."""
    tiny_base(tmp_path / "base")
    write_data(tmp_path / "data.parquet")
    words = ("train", "--data", tmp_path / "data.parquet", "--base", tmp_path / "base", "--output",
             tmp_path / "model", "--test-rows", 60, "--epochs", 1, "--precision", "fp32", "--device", "cpu",
             "--lowercase", "--remove-stop-words")  # fmt: skip
    app([str(word) for word in words], standalone_mode=False)
    artifact = open_artifact(tmp_path / "model")
    assert artifact.manifest.normaliser.options == BOTH
    first, second = serve(artifact, ["It is NOT good", "not good"], device="cpu", precision="fp32").probabilities
    np.testing.assert_allclose(first, second, atol=1e-6)

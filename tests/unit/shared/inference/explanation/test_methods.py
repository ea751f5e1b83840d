"""Both methods against models whose answers are known, and against their own sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from shared.inference.engines.torch.loading import load_model
from shared.inference.engines.torch.pooling import MeanPooled
from shared.inference.explanation import gradients
from shared.inference.explanation.gradients import IntegratedGradients
from shared.inference.explanation.occlusion import by_occlusion
from shared.inference.explanation.words import Explanation
from shared.inference.postprocessing import Postprocessing
from shared.inference.scheduler import Scheduler
from shared.inference.scorer import BertScorer
from shared.inference.types import BLANK, ModelIdentity, Score
from shared.model_folder.artifact import open_artifact, read_manifest, seal
from shared.model_folder.manifest import Pooling
from tests.support.tiny import tiny_model, tiny_model_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

CURVED = 4.0
"""Times the weights of a new model, which are so small that its answers are nearly linear."""
GREAT = 0.1
"""A weight, in log-odds, that rounding does not make."""
TEXT = "not a good movie but the coffee is great !"
ARCHITECTURES = ("bert", "roberta", "distilbert", "mpnet", "electra", "deberta-v2", "gpt2", "modernbert")


def add_weights(texts: Sequence[str]) -> list[Score]:
    """A model of two labels whose log-odds are the sum of the weights of the words."""
    weights = {"good": 2.0, "bad": -3.0, "very": 0.5}
    model = ModelIdentity("by hand", "1", ("negative", "positive"))
    found = []
    for text in texts:
        odds = sum(weights.get(word, 0.0) for word in text.split())
        share = 1 / (1 + np.exp(-odds))
        label, tokens = int(share > 0.5), len(text.split())
        found.append(Score((1 - share, share), label, tokens, 0, truncated=False, model=model))
    return found


def test_occlusion_finds_the_weights_of_a_model_that_adds_them() -> None:
    """For the label that the text has: what speaks for the other one is negative."""
    found = by_occlusion(add_weights, "very good but bad")
    assert isinstance(found, Explanation)
    assert found.label == "negative"
    assert found.log_odds == pytest.approx(0.5)
    assert [word.text for word in found.words] == ["very", "good", "but", "bad"]
    assert [word.weight for word in found.words] == pytest.approx([-0.5, -2, 0, 3])


def test_occlusion_of_the_only_word_compares_with_chance() -> None:
    """Nothing is left to score without it."""

    def score(texts: Sequence[str]) -> list[Any]:
        return [*add_weights(texts[:1]), *(BLANK for _ in texts[1:])]

    found = by_occlusion(score, "good")
    assert isinstance(found, Explanation)
    assert [word.weight for word in found.words] == pytest.approx([2.0])
    assert by_occlusion(lambda texts: [BLANK for _ in texts], "") == BLANK


def test_both_methods_find_the_word_that_a_transformer_was_made_to_read(tmp_path: Path) -> None:
    """Given a BERT that passes embeddings on and reads one direction of them, then that word has the weight."""
    artifact = made_to_read(tiny_model(tmp_path / "model"), "great")
    scorer = FromTorch(artifact)
    for found in (IntegratedGradients(artifact).explain(TEXT), by_occlusion(scorer, TEXT)):
        assert isinstance(found, Explanation)
        assert found.label == "positive"
        others = [abs(word.weight) for word in found.words if word.text != "great"]
        (great,) = (word.weight for word in found.words if word.text == "great")
        assert great > 3 * max(others)
        assert great > GREAT


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_of_gradients_add_up(architecture: str, tmp_path: Path) -> None:
    """To the log-odds of the text less those of padding, within 5 %: completeness, computed apart."""
    artifact = open_artifact(tiny_model_of(tmp_path / architecture, architecture))
    found = IntegratedGradients(artifact).explain(TEXT)
    assert isinstance(found, Explanation)
    label = artifact.manifest.labels.index(found.label)
    whole, padding = odds_of(artifact, TEXT, label)
    assert found.log_odds == pytest.approx(whole, abs=1e-4)
    expected = whole - padding
    assert sum(word.weight for word in found.words) == pytest.approx(expected, abs=0.05 * max(abs(expected), 0.5))


@pytest.mark.slow
def test_a_curved_path_gets_more_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given weights as large as training makes them, then 16 points are not enough, and the sum holds.

    In passes of few tokens it is the same.
    """
    folder = tiny_model(tmp_path / "model")
    artifact = open_artifact(folder)
    model = load_model(artifact)
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            for linear in (layer.attention.self.query, layer.attention.self.key, layer.intermediate.dense):
                linear.weight *= CURVED
    model.save_pretrained(folder)
    artifact = seal(folder, read_manifest(folder))
    found = IntegratedGradients(artifact).explain(TEXT)
    in_small_passes = IntegratedGradients(artifact, pass_tokens=40).explain(TEXT)
    monkeypatch.setattr(gradients, "STEPS", gradients.STEPS[:1])
    by_few = IntegratedGradients(artifact).explain(TEXT)
    assert isinstance(found, Explanation)
    assert isinstance(in_small_passes, Explanation)
    assert isinstance(by_few, Explanation)
    whole, padding = odds_of(artifact, TEXT, artifact.manifest.labels.index(found.label))
    allowed = 0.05 * max(abs(whole - padding), 0.5)
    assert abs(total(found) - (whole - padding)) <= allowed < abs(total(by_few) - (whole - padding))
    assert [word.weight for word in in_small_passes.words] == pytest.approx(
        [word.weight for word in found.words], abs=1e-3
    )


@pytest.mark.slow
def test_a_pooled_model_is_explained_with_its_pooling(tmp_path: Path) -> None:
    """The answer that is explained is the one that is served."""
    folder = tiny_model(tmp_path / "model")
    artifact = seal(folder, read_manifest(folder).model_copy(update={"pooling": Pooling(layers=(1, 2))}))
    found = IntegratedGradients(artifact).explain(TEXT)
    assert isinstance(found, Explanation)
    whole, padding = odds_of(artifact, TEXT, artifact.manifest.labels.index(found.label))
    assert found.log_odds == pytest.approx(whole, abs=1e-4)
    assert sum(word.weight for word in found.words) == pytest.approx(whole - padding, rel=0.05)


def test_a_long_text_and_a_blank_one(tmp_path: Path) -> None:
    """What the model does not read weighs nothing; of nothing there is no explanation."""
    explain = IntegratedGradients(open_artifact(tiny_model(tmp_path / "model", max_tokens=8))).explain
    found = explain("good " * 20 + "bad")
    assert isinstance(found, Explanation)
    weights = [word.weight for word in found.words]
    assert len(weights) == 21
    assert all(weights[:6])
    assert not any(weights[6:])
    assert explain("") == BLANK


class FromTorch:
    """Scores with the padded engine of torch, as a function of texts."""

    def __init__(self, artifact: Artifact) -> None:
        from shared.inference.engines.torch.padded import PaddedEngine  # noqa: PLC0415

        self._scheduler = Scheduler(BertScorer(artifact, PaddedEngine(artifact, torch.device("cpu"))))

    def __call__(self, texts: Sequence[str]) -> Sequence[Any]:
        """Scores texts."""
        return self._scheduler.score(texts)


def total(found: Explanation) -> float:
    """The sum of the weights of the words."""
    return sum(word.weight for word in found.words)


def odds_of(artifact: Artifact, text: str, label: int) -> tuple[float, float]:
    """The log-odds of a label for a text, and for the same number of padding tokens."""
    encoding = Tokenizer.from_buffer(artifact.read("tokenizer.json")).encode(text)
    special = np.array(encoding.special_tokens_mask, bool)
    ids = np.array(encoding.ids)
    rows = torch.from_numpy(np.stack([ids, np.where(special, ids, 0)]))
    model, mask = load_model(artifact).eval(), torch.ones_like(rows)
    with torch.inference_mode():
        if isinstance(model, MeanPooled):
            logits = model(input_ids=rows, attention_mask=mask).logits
        else:
            # By vectors: RoBERTa would give padding tokens another position.
            vectors = model.get_input_embeddings()(rows)
            logits = model(inputs_embeds=vectors, attention_mask=mask).logits
    shares = Postprocessing.of(artifact.manifest).probabilities(logits.double().numpy())
    whole, padding = np.log(shares[:, label]) - np.log1p(-shares[:, label])
    return float(whole), float(padding)


def made_to_read(folder: Path, word: str) -> Artifact:
    """Changes the weights: layers add nothing, pooling is a mean, and the first direction means positive."""
    artifact = open_artifact(folder)
    model = load_model(artifact)
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            for linear in (layer.attention.output.dense, layer.output.dense):
                linear.weight.zero_()
                linear.bias.zero_()
        embedding = model.bert.embeddings
        embedding.position_embeddings.weight.zero_()
        embedding.token_type_embeddings.weight.zero_()
        embedding.word_embeddings.weight[:, 0] = 0
        number = Tokenizer.from_buffer(artifact.read("tokenizer.json")).token_to_id(word)
        embedding.word_embeddings.weight[number, 0] = 4.0
        # Not zero, as padding is here: a layer norm of the path from zero to a word is the same all the way.
        embedding.word_embeddings.weight[0, 1:] = torch.linspace(
            -1, 1, embedding.word_embeddings.weight.shape[1] - 1
        )
        model.classifier.weight.zero_()
        model.classifier.weight[2, 0] = 5.0
        model.classifier.bias.zero_()
    model.save_pretrained(folder)
    return seal(folder, read_manifest(folder).model_copy(update={"pooling": Pooling(layers=(2,))}))

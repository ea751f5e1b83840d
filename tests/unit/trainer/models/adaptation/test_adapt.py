"""From texts without labels to a base that guesses them better, and that `train` takes as any other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, BertForMaskedLM

from shared.errors import InputDataError, SettingsError
from shared.model_folder.artifact import open_artifact
from tests.support.hub.models import write_base
from tests.support.tiny import tiny_base, write_data
from tests.unit.trainer.models.transformer.test_finetune import Interrupted
from trainer.__main__ import app
from trainer.evaluation.serving import serve
from trainer.models.adaptation.adapt import MIN_TEXTS, Job
from trainer.models.adaptation.adapt import adapt as run
from trainer.models.adaptation.base import load_masked_base
from trainer.models.adaptation.masked import MASKED, MaskedLoss, MaskedModel, held_out_loss, maskable_tokens
from trainer.models.transformer import finetune as finetuning
from trainer.models.transformer import step
from trainer.models.transformer.encoding import Encoded
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.models.transformer.training_state import TrainingState

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

_SUBJECTS = ("the coffee", "my phone", "this movie", "our team", "the weather")
_ENDS = ("was really good today", "is so bad tonight", "makes me very happy now", "was not what they want")


def sentences(count: int) -> list[str]:
    """Texts of few patterns, each with a number of its own, so that words follow from their neighbours."""
    chance = np.random.default_rng(0)
    return [f"{chance.choice(_SUBJECTS)} {chance.choice(_ENDS)} {number}" for number in range(count)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT without a head that guesses tokens, and with a licence."""
    folder = tiny_base(tmp_path_factory.mktemp("base") / "base")
    (folder / "LICENSE").write_text("free", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def adapted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts.txt and adapted/, made by the command line."""
    folder = tmp_path_factory.mktemp("adapted")
    (folder / "texts.txt").write_text("\n".join(sentences(400)) + "\n", encoding="utf-8")
    command("adapt", "--data", folder / "texts.txt", "--base", base, "--output", folder / "adapted",
            "--epochs", 4, "--learning-rate", 3e-3, "--precision", "fp32", "--device", "cpu", "--header", "no",
            "--columns", "text")  # fmt: skip
    return folder


def command(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


def settings(base: Path, **more: Any) -> TrainerSettings:
    """Those of a short run."""
    values = {"base": str(base), "device": "cpu", "precision": "fp32", "learning_rate": 3e-3, "epochs": 1}
    return TrainerSettings.model_validate({**values, **more})


def test_held_out_texts_are_guessed_better(adapted: Path, base: Path) -> None:
    """The loss falls far below that of a new head; the folder says where it comes from."""
    origin = json.loads((adapted / "adapted" / "adaptation.json").read_bytes())
    assert origin["loss_after"] < 0.7 * origin["loss_before"]
    assert (origin["texts"], origin["held_out"], origin["has_new_head"]) == (380, 20, True)
    assert origin["base"] == "base"
    assert (adapted / "adapted" / "LICENSE").read_text(encoding="utf-8") == "free"
    card = (adapted / "adapted" / "README.md").read_text(encoding="utf-8")
    assert "380 texts without labels. It had no head" in card
    assert not any(text in card for text in sentences(400))
    assert {path.suffix for path in (adapted / "adapted").iterdir()} == {".json", ".md", ".safetensors", ""}
    assert sorted(path.name for path in adapted.iterdir()) == ["adapted", "texts.txt"]
    tokenizers = [json.loads((one / "tokenizer.json").read_bytes()) for one in (base, adapted / "adapted")]
    assert tokenizers[0]["model"] == tokenizers[1]["model"]


def test_the_folder_is_a_whole_base(adapted: Path, base: Path) -> None:
    """Plain transformers has its head, with the embeddings as output; the pooler and the limit are the base's."""
    model, report = AutoModelForMaskedLM.from_pretrained(adapted / "adapted", output_loading_info=True)
    assert not report["missing_keys"]
    assert torch.equal(model.cls.predictions.decoder.weight, model.bert.embeddings.word_embeddings.weight)
    weights, before = load_file(adapted / "adapted" / "model.safetensors"), load_file(base / "model.safetensors")
    assert torch.equal(weights["bert.pooler.dense.weight"], before["pooler.dense.weight"])
    name = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(weights[f"bert.{name}"], before[name])
    limits = [
        json.loads((one / "tokenizer_config.json").read_bytes())["model_max_length"]
        for one in (base, adapted / "adapted")
    ]
    assert limits[0] == limits[1]


def test_train_takes_it_and_the_model_is_served(adapted: Path, tmp_path: Path) -> None:
    """`train --base FOLDER`, whose manifest names the folder and the digest of its weights."""
    write_data(tmp_path / "data.parquet")
    command("train", "--data", tmp_path / "data.parquet", "--base", adapted / "adapted", "--output",
            tmp_path / "model", "--epochs", 1, "--precision", "fp32", "--device", "cpu", "--dropout", 0,
            "--no-behaviour")  # fmt: skip
    artifact = open_artifact(tmp_path / "model")
    assert artifact.manifest.base.name == "adapted"
    assert serve(artifact, ["the coffee was good"], device="cpu", precision="fp32").probabilities.shape == (1, 3)


def test_it_can_be_adapted_again_and_then_has_a_head(adapted: Path, tmp_path: Path) -> None:
    """The loss begins where it ended, and the origin of the first time is kept."""
    first = json.loads((adapted / "adapted" / "adaptation.json").read_bytes())
    origin = run(
        Job(sentences(400), "texts", tmp_path / "again"), settings(adapted / "adapted", learning_rate=1e-5)
    )
    assert not origin.has_new_head
    assert origin.loss_before == pytest.approx(first["loss_after"], rel=0.05)
    assert origin.before == first


def test_resumed_equals_uninterrupted_bit_for_bit(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second half of an epoch; the second run masks and learns what it would have."""
    texts, chosen = sentences(400), settings(base, epochs=2)
    whole = run(Job(texts, "texts", tmp_path / "whole"), chosen)
    update = step.update

    def killed(state: TrainingState, *rest: Any) -> torch.Tensor:
        if state.step == 9:
            raise Interrupted
        return update(state, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "update", killed)
        with pytest.raises(Interrupted):
            run(Job(texts, "texts", tmp_path / "parts", resume=True), chosen)
    assert [path.name for path in tmp_path.iterdir() if "parts" in path.name] == ["parts.checkpoint.safetensors"]
    with pytest.raises(InputDataError, match="belongs to a training with other settings"):
        run(Job(texts[1:], "texts", tmp_path / "parts", resume=True), chosen)
    resumed = run(Job(texts, "texts", tmp_path / "parts", resume=True), chosen)
    assert resumed == replace(whole, created_at=resumed.created_at)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


def test_a_budget_plans_the_updates(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is printed first; it ends with what MAX_EPOCHS allows on few texts."""
    origin = run(Job(sentences(200), "texts", tmp_path / "out"), settings(base, epochs=None, budget="20s"))
    assert "steps of" in capsys.readouterr().out
    assert origin.training["budget"] == "20s"
    assert origin.training["steps"] > 20


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "electra", "mpnet", "albert", "modernbert"])
def test_other_architectures_are_adapted(architecture: str, tmp_path: Path) -> None:
    """Each with a head of its own, new since the base has none."""
    folder = write_base(tmp_path / "base", architecture)
    origin = run(Job(sentences(120), "texts", tmp_path / "out"), settings(folder))
    assert origin.has_new_head
    assert load_masked_base(str(tmp_path / "out"), None, tmp_path).has_new_head is False


def test_masks_cover_15_percent_and_no_special_token(base: Path, tmp_path: Path) -> None:
    """And the loss of an untrained model is near that of guessing, whatever the order of the random numbers."""
    masked = load_masked_base(str(base), None, tmp_path)
    tokenizer = masked.base.tokenizer
    rows = Encoded([np.array([2, *[40] * 30, 3], np.int32)] * 200, np.zeros(200, np.int64), tokenizer.pad_token_id)
    maskable = maskable_tokens(rows, tokenizer)
    assert maskable.tolist() == [30] * 200
    model = MaskedModel(masked.base.model, tokenizer)
    found = model(torch.full((200, 32), 40), torch.ones(200, 32, dtype=torch.long)).logits.detach()
    assert found[:, 1].sum() == pytest.approx(MASKED * 200 * 32, rel=0.1)
    assert MaskedLoss(maskable, 1_000).weight(np.arange(200)) == pytest.approx(MASKED * 200 * 30)
    only_special = torch.full((4, 32), tokenizer.pad_token_id)
    assert model(only_special, torch.ones(4, 32, dtype=torch.long)).logits.sum() == 0
    before = torch.get_rng_state()
    first, second = (held_out_loss(model, rows, "cpu", 7) for _ in range(2))
    assert first == second
    assert torch.equal(before, torch.get_rng_state())


def test_what_cannot_be_adapted_is_refused(base: Path, tmp_path: Path) -> None:
    """Few texts, an output with files, a decoder, and a missing column: each with what to do."""
    many = sentences(200)
    with pytest.raises(
        InputDataError, match=f"few has 1 different texts with known tokens; give at least {MIN_TEXTS}"
    ):
        run(Job(["good "] * 200, "few", tmp_path / "out"), settings(base))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(SettingsError, match="full is not empty; give a new folder"):
        run(Job(many, "texts", tmp_path / "full"), settings(base))
    with pytest.raises(InputDataError, match="no masked language model for model_type 'gpt2'"):
        run(Job(many, "texts", tmp_path / "out"), settings(write_base(tmp_path / "gpt2", "gpt2")))
    (tmp_path / "data.csv").write_text("a,b\none,two\nthree,four\n", encoding="utf-8")
    with pytest.raises(
        InputDataError, match="has no column 'text'; columns found: a, b; choose with --text-column"
    ):
        command("adapt", "--data", tmp_path / "data.csv", "--header", "yes", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_head_that_is_there_is_used(tmp_path: Path, base: Path) -> None:
    """Of a masked language model that somebody else made."""
    whole = load_masked_base(str(base), None, tmp_path)
    assert whole.has_new_head
    assert isinstance(whole.base.model, BertForMaskedLM)
    whole.base.model.save_pretrained(tmp_path / "own")
    whole.base.tokenizer.save_pretrained(tmp_path / "own")
    again = load_masked_base(str(tmp_path / "own"), None, tmp_path)
    assert not again.has_new_head
    assert torch.equal(
        again.base.model.cls.predictions.transform.dense.weight,
        whole.base.model.cls.predictions.transform.dense.weight,
    )

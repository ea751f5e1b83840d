"""Bases of any architecture: what must be there, what is new, and how many tokens they read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from shared.errors import InputDataError
from shared.model_folder.artifact import open_artifact
from tests.support.hub.models import ARCHITECTURES, LABELS, write_base, write_classifier
from tests.support.plain import plain_model
from tests.support.tiny import tiny_base, tiny_model, write_data
from trainer.data.readers import read_examples
from trainer.evaluation.serving import serve
from trainer.models.train import Job, train
from trainer.models.transformer.base import load_base
from trainer.models.transformer.encoding import check_served_ids, tokenise
from trainer.models.transformer.predict import predict, score
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainer.data.examples import Examples

    Tensors = dict[str, torch.Tensor]

TOLERANCE = 1e-5

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """200 made-up rows."""
    return read_examples(write_data(tmp_path_factory.mktemp("data") / "rows.parquet", 200))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_base_of_any_architecture_trains_and_serves(
    architecture: str, examples: Examples, tmp_path: Path
) -> None:
    """Given a headless base, when trained for one step, then the folder serves what plain transformers answers."""
    base = write_base(tmp_path / "base", architecture)
    settings = TrainerSettings(
        base=str(base), epochs=1, batch_size=200, evaluations_per_epoch=1, precision="fp32", device="cpu"
    )
    train(Job(examples, tmp_path / "model"), settings)

    artifact = open_artifact(tmp_path / "model")
    texts = examples.texts[:12]
    served = serve(artifact, texts, device="cpu", precision="fp32")
    model, tokenizer = plain_model(tmp_path / "model")
    alone = np.concatenate([predict(model, tokenizer, artifact.manifest, [text]) for text in texts])
    assert served.probabilities == pytest.approx(alone, abs=TOLERANCE)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_the_head_is_new(architecture: str, tmp_path: Path) -> None:
    """Given a classifier of as many labels, when loaded, then its encoder is kept and its head is not."""
    folder = write_classifier(tmp_path / "base", architecture)
    before = load_file(folder / "model.safetensors")

    model = load_base(str(folder), None, ("a", "b", "c"), tmp_path).model

    after = model.state_dict()
    prefix = f"{model.base_model_prefix}."
    same = {name: torch.equal(tensor, after[name]) for name, tensor in before.items()}
    assert all(equal for name, equal in same.items() if name.startswith(prefix))
    # Biases and norms have the same first values everywhere.
    assert not any(equal for name, equal in same.items() if not name.startswith(prefix) and after[name].ndim > 1)


def _without_a_layer(tensors: Tensors, config: dict[str, Any]) -> tuple[Tensors, dict[str, Any]]:
    return {name: tensor for name, tensor in tensors.items() if ".layer.1." not in name}, config


def _prefixed(tensors: Tensors, config: dict[str, Any]) -> tuple[Tensors, dict[str, Any]]:
    return {f"module.encoder_q.{name}": tensor for name, tensor in tensors.items()}, config


def _with(**settings: Any) -> Callable[[Tensors, dict[str, Any]], tuple[Tensors, dict[str, Any]]]:
    return lambda tensors, config: (tensors, {**config, **settings})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_without_a_layer, "16 weights are missing, such as bert.encoder.layer.1."),
        (_prefixed, "weights are missing, such as bert.embeddings."),
        (_with(vocab_size=999), "1 weights have another size than config.json says, such as bert.embeddings.word"),
        (_with(intermediate_size=96), "have another size than config.json says, such as bert.encoder.layer.0."),
        (_with(num_hidden_layers=1), "16 weights are of layers that config.json does not have, such as encoder."),
        (_with(num_attention_heads=3), "cannot be built by transformers (ValueError"),
        (_with(model_type="whisper-of-nothing"), "no sequence classifier for model_type 'whisper-of-nothing'"),
        (
            _with(auto_map={"AutoModel": "code.Model"}),
            "names Python code of its own (auto_map), which is never run",
        ),
    ],
)
def test_a_base_whose_encoder_does_not_fit_is_refused(
    change: Callable[[Tensors, dict[str, Any]], tuple[Tensors, dict[str, Any]]], expected: str, tmp_path: Path
) -> None:
    """Transformers would initialise such weights at random, and the training would begin from nothing."""
    folder = tiny_base(tmp_path / "base")
    config = json.loads((folder / "config.json").read_bytes())
    tensors, config = change(load_file(folder / "model.safetensors"), config)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(InputDataError) as refused:
        load_base(str(folder), None, LABELS, tmp_path)
    assert expected in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_a_base_with_the_names_of_older_versions_trains_and_serves(
    prefix: str, examples: Examples, tmp_path: Path
) -> None:
    """Given gamma and beta, as in bert-base-uncased, when trained, then OpenVINO serves the names of today."""
    folder = tiny_base(tmp_path / "base")
    tensors = load_file(folder / "model.safetensors")
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, old in older.items():
        tensors = {f"{prefix}{name.replace(new, old)}": tensor for name, tensor in tensors.items()}
        prefix = ""
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    settings = TrainerSettings(
        base=str(folder), epochs=1, batch_size=200, evaluations_per_epoch=1, precision="fp32", device="cpu"
    )

    artifact, report = train(Job(examples, tmp_path / "model"), settings)

    assert report.training is not None
    assert report.training.engine.startswith("openvino")
    names = load_file(artifact.path / "model.safetensors")
    assert not any(name.endswith(("gamma", "beta")) for name in names)


def test_a_pooler_may_be_missing(tmp_path: Path) -> None:
    """Many bases were pretrained without one."""
    folder = tiny_base(tmp_path / "base")
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler")}
    assert len(kept) < len(tensors)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    assert load_base(str(folder), None, LABELS, tmp_path).model.bert.pooler is not None


@pytest.mark.parametrize(
    ("architecture", "tokens"),
    [
        ("bert", 66),
        ("roberta", 64),
        ("xlm-roberta", 64),
        ("mpnet", 64),
        ("electra", 66),
        ("gpt2", 66),
        ("opt", 66),
    ],
)
def test_the_longest_text_that_is_allowed_is_read(architecture: str, tokens: int, tmp_path: Path) -> None:
    """Of 66 embeddings, those that count positions from that of padding use 64 and fail on one token more."""
    base = load_base(str(write_base(tmp_path / "base", architecture)), None, LABELS, tmp_path)
    assert base.positions == tokens
    ids = torch.full((1, tokens), 5)
    base.model(input_ids=ids)
    with pytest.raises((IndexError, RuntimeError)):
        base.model(input_ids=torch.full((1, tokens + 1), 5))


def test_settings_that_only_transformers_obeys_are_removed(tmp_path: Path) -> None:
    """Given a base that truncates on the left, when loaded, then transformers will do what the consumer does."""
    folder = tiny_base(tmp_path / "base")
    path = folder / "tokenizer_config.json"
    odd = {"truncation_side": "left", "split_special_tokens": True}
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **odd}))

    tokenizer = load_base(str(folder), None, LABELS, tmp_path).tokenizer

    assert (tokenizer.truncation_side, tokenizer.split_special_tokens) == ("right", False)
    check_served_ids(tokenizer, ["so [SEP] good [MASK]"], 12, "base")
    tokenizer.backend_tokenizer.encode_special_tokens = True
    with pytest.raises(InputDataError, match="base: its tokenizer gives other token ids in transformers"):
        check_served_ids(tokenizer, ["so good"], 12, "base")


def test_a_base_without_a_padding_token_gets_one(tmp_path: Path) -> None:
    """GPT-2 pads with the token that ends a text, and the tokenizer of a BERT with the token of its config."""
    gpt2 = load_base(str(write_base(tmp_path / "gpt2", "gpt2")), None, LABELS, tmp_path)
    assert gpt2.model.config.pad_token_id == gpt2.tokenizer.pad_token_id == gpt2.tokenizer.eos_token_id

    llama = load_base(str(write_base(tmp_path / "llama", "llama")), None, LABELS, tmp_path)
    assert llama.model.config.pad_token_id == llama.tokenizer.pad_token_id == llama.tokenizer.eos_token_id
    opt = load_base(str(write_base(tmp_path / "opt", "opt")), None, LABELS, tmp_path)
    assert opt.model.config.pad_token_id == opt.tokenizer.pad_token_id != opt.tokenizer.eos_token_id

    folder = tiny_base(tmp_path / "bert")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    bert = load_base(str(folder), None, LABELS, tmp_path)
    assert bert.tokenizer.pad_token_id == bert.model.config.pad_token_id == 0


@pytest.mark.parametrize("architecture", ["gpt2", "opt", "llama"])
def test_a_decoder_reads_its_answer_from_the_last_token(architecture: str, tmp_path: Path) -> None:
    """Given padding after a text, when scored in a batch, then it has the logits of its last token alone."""
    base = load_base(str(write_base(tmp_path / "base", architecture)), None, LABELS, tmp_path)
    texts = ["ok", "good bad table " * 3, "I did not like it, at all!", "x" * 40, "good"]
    tokens = tokenise(base.tokenizer, texts, 60)
    assert len({len(row) for row in tokens}) > 3

    together = score(base.model, tokens, base.tokenizer.pad_token_id)
    with torch.inference_mode():
        hidden = [base.model.base_model(torch.from_numpy(row[None]).long()).last_hidden_state for row in tokens]
        of_last = torch.cat([base.model.score(states[:, -1]) for states in hidden]).numpy()
    assert together == pytest.approx(of_last, abs=TOLERANCE)
    assert np.ptp(together, axis=0).min() > 100 * TOLERANCE


def test_a_tokenizer_larger_than_the_embeddings_is_refused(tmp_path: Path) -> None:
    """A text with the added word would fail in the middle of the training."""
    folder = tiny_base(tmp_path / "base")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["unheardof"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputDataError, match="save it after resize_token_embeddings"):
        load_base(str(folder), None, LABELS, tmp_path)


def test_a_tokenizer_with_fixed_padding_is_reset(tmp_path: Path) -> None:
    """Some bases pad everything to 128 tokens and truncate there; ours must not do either on its own."""
    tiny_base(tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    tokenizer.backend_tokenizer.enable_padding(length=128)
    tokenizer.backend_tokenizer.enable_truncation(128)
    tokenizer.backend_tokenizer.save(str(tmp_path / "base" / "tokenizer.json"))
    backend = load_base(str(tmp_path / "base"), None, LABELS, tmp_path).tokenizer.backend_tokenizer
    assert (backend.padding, backend.truncation) == (None, None)


def test_a_base_with_a_head_for_other_labels_gets_a_fresh_one(tmp_path: Path) -> None:
    """Two labels instead of three: the encoder is kept, the head is new."""
    base = load_base(str(tiny_model(tmp_path / "model")), None, ("no", "yes"), tmp_path)
    assert base.model.config.id2label == {0: "no", 1: "yes"}
    assert base.model.classifier.weight.shape == (2, 32)


def test_a_folder_without_a_model_is_an_error_about_the_folder(tmp_path: Path) -> None:
    """The hub has nothing to do with it."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputDataError, match=r"cannot read .*empty/config.json: No such file"):
        load_base(str(tmp_path / "empty"), None, LABELS, tmp_path)

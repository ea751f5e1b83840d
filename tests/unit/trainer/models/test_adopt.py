"""Classifiers that somebody else fine-tuned: served as transformers answers, or refused with the reason."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from shared.errors import ArtifactError, InputDataError, SettingsError
from shared.inference.engines.openvino.bert_shape import LAYOUTS
from shared.inference.engines.select import load_scorer
from shared.inference.tokenization.rows import TokenRow
from shared.model_folder.artifact import open_artifact
from tests.support.hub.models import ARCHITECTURES, LABELS, write_classifier
from trainer.evaluation.model_card import CARD
from trainer.evaluation.serving import serve
from trainer.models.adopt import Job, adopt

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

TOLERANCE = 1e-4
LEAN = frozenset({"bert", "roberta", "xlm-roberta", "electra", "distilbert", "mpnet"})
"""Served by OpenVINO; the others by padded passes of torch."""
TEXTS = (
    "ok",
    "I LOVE this phone, best purchase of the year!!",
    "  two  spaces,\ttabs\nand lines \r\n",
    "control tokens </s> [SEP] <|endoftext|> <pad> [PAD] [MASK] within",
    "ends with one <|endoftext|>",
    "caf\u00e9 nai\u0308ve \N{GRINNING FACE}\N{FIRE} \u6211\u4eec\u5f88\u9ad8\u5174 #tag @someone http://a.b/c",
    "not bad, not good &amp; not \\u2019escaped\\u2019",
    *(f"text of {count} words " + "good bad table " * count for count in (1, 3, 8, 13, 40)),
    "x" * 300,
    ". ",
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def adopted(source: Path, output: Path, **options: Any) -> Artifact:
    """Adopts a model on the CPU."""
    return adopt(Job(str(source), output, output.parent, device="cpu", **options))[0]


def answers_of_pipeline(source: Path, max_tokens: int) -> list[dict[str, float]]:
    """The answers of transformers' own pipeline, one text at a time."""
    found: Any = pipeline("text-classification", model=str(source), top_k=None, device="cpu")
    return [
        {one["label"]: one["score"] for one in answer}
        for answer in found([*TEXTS], truncation=True, max_length=max_tokens)
    ]


def served_answers(artifact: Artifact) -> list[dict[str, float]]:
    """The answers of the code that serves, to all texts at once."""
    served = serve(artifact, TEXTS, device="cpu", precision="fp32")
    assert served.rows.tolist() == [*range(len(TEXTS))]
    return [dict(zip(artifact.manifest.labels, row, strict=True)) for row in served.probabilities.tolist()]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_adopted_model_answers_as_the_pipeline_of_transformers(architecture: str, tmp_path: Path) -> None:
    """Given a fine-tuned classifier, when adopted, then texts of all lengths in one batch get its own answers."""
    source = write_classifier(tmp_path / "hub", architecture)

    artifact = adopted(source, tmp_path / "model")

    expected = answers_of_pipeline(source, artifact.manifest.max_tokens)
    for found, wanted in zip(served_answers(artifact), expected, strict=True):
        assert found == pytest.approx(wanted, abs=TOLERANCE)
    engine = load_scorer(open_artifact(tmp_path / "model"), "cpu", "fp32").describe()["engine"]
    assert engine.startswith("openvino" if architecture in LEAN else "torch")


def test_a_model_that_padding_changes_is_served_in_rows_of_equal_length(tmp_path: Path) -> None:
    """Nystroemformer averages over padding in spite of the mask; found at start-up, and the answers are right."""
    source = write_classifier(tmp_path / "hub", "nystromformer")

    artifact = adopted(source, tmp_path / "model")

    expected = answers_of_pipeline(source, artifact.manifest.max_tokens)
    for found, wanted in zip(served_answers(artifact), expected, strict=True):
        assert found == pytest.approx(wanted, abs=TOLERANCE)
    scorer = load_scorer(artifact, "cpu", "fp32")
    assert scorer.describe()["engine"].endswith("rows of equal length")
    rows = scorer.tokenise(["good", "bad table good", "good"])
    alone = [scorer.forward([row])[0] for row in rows if isinstance(row, TokenRow)]
    together = scorer.forward([row for row in rows if isinstance(row, TokenRow)])
    for one, other in zip(alone, together, strict=True):
        assert one is not None
        assert other is not None
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    """Neither calibrated nor tested, with the normaliser off: in the manifest and on the card."""
    source = write_classifier(tmp_path / "hub", "bert")
    artifact = adopted(source, tmp_path / "model", name="somebody's")

    manifest = artifact.manifest
    assert manifest.is_adopted
    assert manifest.labels == LABELS
    assert (manifest.data, manifest.class_priors, manifest.calibration) == (None, None, None)
    assert (manifest.temperature, manifest.metrics) == (1.0, {})
    assert not manifest.normaliser.options.enabled
    assert manifest.base.name == "hub"
    card = (tmp_path / "model" / CARD).read_text(encoding="utf-8")
    for words in (
        "adopted from `hub`",
        "**Calibrated:** no",
        "**Tested:** no",
        "**Normaliser:** off",
        "not known",
    ):
        assert words in card
    assert "clean the text" not in card


def test_a_sealed_folder_is_not_adopted_again(tmp_path: Path) -> None:
    """It would lose what its manifest says."""
    adopted(write_classifier(tmp_path / "hub", "bert"), tmp_path / "model")
    with pytest.raises(SettingsError, match="is a sealed model folder already"):
        adopted(tmp_path / "model", tmp_path / "again")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"id2label": {"0": "score"}}, "gives a number and no label (regression, one output)"),
        ({"architectures": ["BertModel"]}, "names BertModel, and no architecture that ends in ForSequence"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "names Python code of its own (auto_map), which is never run"),
        ({"quantization_config": {"bits": 4}}, "holds quantised weights"),
        ({"model_type": "mystery"}, "no sequence classifier for model_type 'mystery'"),
        ({"id2label": {"0": "a", "1": "b"}}, "have another size than config.json says, such as classifier.bias"),
        ({"num_hidden_layers": 3}, "16 weights are missing, such as bert.encoder.layer.2."),
        ({"num_hidden_layers": 1}, "16 weights are of layers that config.json does not have"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(
    settings: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    """Heads of other kinds, code, and weights that do not belong to the config; nothing is written."""
    source = write_classifier(tmp_path / "hub", "bert")
    _edit(source / "config.json", **settings)
    with pytest.raises(InputDataError) as refused:
        adopted(source, tmp_path / "model")
    assert expected in str(refused.value)
    assert not (tmp_path / "model").exists()


def test_labels_without_a_meaning_need_names(tmp_path: Path) -> None:
    """LABEL_0 would say nothing to a reader of results: they are named, or kept by naming them."""
    source = write_classifier(tmp_path / "hub", "bert", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(
        SettingsError, match=r"LABEL_0, LABEL_1, LABEL_2\).*--label-names negative,neutral,positive"
    ):
        adopted(source, tmp_path / "model")

    assert adopted(source, tmp_path / "named", label_names=LABELS).manifest.labels == LABELS
    kept = adopted(source, tmp_path / "kept", label_names=("LABEL_0", "LABEL_1", "LABEL_2"))
    assert kept.manifest.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "xlm-roberta"])
def test_a_tokenizer_that_truncates_on_the_left_keeps_the_end(architecture: str, tmp_path: Path) -> None:
    """As transformers does, for texts of any length; plain transformers still does with the sealed folder."""
    source = write_classifier(tmp_path / "hub", architecture)
    _edit(source / "tokenizer_config.json", truncation_side="left")

    artifact = adopted(source, tmp_path / "model")

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    original = AutoTokenizer.from_pretrained(source)
    scorer = load_scorer(artifact, "cpu", "fp32")
    texts = [*TEXTS, "good  table " * 2_000 + "bad", "y" * 3_000]
    for text, row in zip(texts, scorer.tokenise(texts), strict=True):
        limit = {"truncation": True, "max_length": artifact.manifest.max_tokens}
        assert row.ids.tolist() == original(text, **limit)["input_ids"]  # type: ignore[union-attr]
        assert tokenizer(text, **limit)["input_ids"] == original(text, **limit)["input_ids"]


def test_a_tokenizer_that_splits_control_tokens_is_refused(tmp_path: Path) -> None:
    """tokenizer.json does not say so: the consumer would give other ids for a text with [SEP]."""
    source = write_classifier(tmp_path / "hub", "bert")
    _edit(source / "tokenizer_config.json", split_special_tokens=True)
    with pytest.raises(
        InputDataError, match=r"tokenizer_config.json \(split_special_tokens\) act in transformers"
    ):
        adopted(source, tmp_path / "model")


def test_max_tokens_are_what_model_and_tokenizer_state(tmp_path: Path) -> None:
    """The smaller of both, or the user's, which may not be more than the model reads."""
    source = write_classifier(tmp_path / "hub", "roberta")
    with pytest.raises(SettingsError, match="--max-tokens 65 is more than the 64 that hub reads"):
        adopted(source, tmp_path / "model", max_tokens=65)
    assert adopted(source, tmp_path / "a", max_tokens=12).manifest.max_tokens == 12
    _edit(source / "tokenizer_config.json", model_max_length=30)
    assert adopted(source, tmp_path / "b").manifest.max_tokens == 30


def test_a_model_in_16_bits_is_sealed_in_fp32(tmp_path: Path) -> None:
    """Numpy has no bf16, and a CPU is slow in it."""
    source = write_classifier(tmp_path / "hub", "bert")
    model = AutoModelForSequenceClassification.from_pretrained(source).to(torch.bfloat16)
    model.save_pretrained(source)
    adopted(source, tmp_path / "model")
    assert {tensor.dtype for tensor in load_file(tmp_path / "model" / "model.safetensors").values()} == {
        torch.float32
    }


def test_a_model_whose_answers_are_not_those_of_transformers_is_not_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an engine with other answers, when adopted, then nothing is written."""

    def other(artifact: Artifact, texts: Any, **options: Any) -> Any:
        found = serve(artifact, texts, **options)
        return replace(found, probabilities=found.probabilities[:, ::-1])

    monkeypatch.setattr("trainer.models.adopt.serve", other)
    source = write_classifier(tmp_path / "hub", "albert")
    with pytest.raises(ArtifactError, match=r"hub cannot be served: torch .* differs from plain transformers by"):
        adopted(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_positions_that_are_wrong_in_an_engine_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a graph that counts RoBERTa's positions from 0, when adopted, then nothing is written."""
    wrong = replace(LAYOUTS["roberta"], counts_positions=False)
    monkeypatch.setitem(LAYOUTS, "roberta", wrong)
    source = write_classifier(tmp_path / "hub", "roberta")
    with pytest.raises(
        ArtifactError, match=r"hub cannot be served: openvino .* differs from plain transformers by"
    ):
        adopted(source, tmp_path / "model")


def test_files_that_are_not_of_the_model_stay_behind(tmp_path: Path) -> None:
    """A folder of the hub has code, pickles and pictures; the sealed one has what is needed."""
    source = write_classifier(tmp_path / "hub", "bert")
    shutil.copy(source / "model.safetensors", source / "pytorch_model.bin")
    (source / "modeling.py").write_text("raise SystemExit")
    adopted(source, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md", "config.json", "metrics.json", "model.safetensors", "report.html", "sentiment.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert AutoConfig.from_pretrained(tmp_path / "model").problem_type == "single_label_classification"


def _edit(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **settings}))

"""Pickled weights and slow tokenizers: converted in another process, which runs none of their code."""

from __future__ import annotations

import io
import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from shared.errors import InputDataError
from tests.support.hub.models import write_classifier
from tests.support.hub.tokenizers import CORPUS
from trainer.models.pretrained import conversion
from trainer.models.pretrained.convert import Refused, convert_tokenizer, convert_weights
from trainer.models.pretrained.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = pytest.mark.slow


class Code:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """What `pickle.load` would call."""
        return os.mkdir, (str(self._path),)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A classifier of the hub whose weights are a pickle."""
    folder = write_classifier(tmp_path / "hub", "bert")
    tensors = load_file(folder / "model.safetensors")
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_a_pickle_is_read_by_another_process(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given pytorch_model.bin, when read, then the tensors are those that were saved. Takes 1 to 3 s."""
    expected = torch.load(source / "pytorch_model.bin", weights_only=True)
    monkeypatch.setattr(torch, "load", None)  # not in this process

    weights = read_weights(source)

    assert weights.converted
    assert weights.tensors.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights.tensors.items())


def test_code_in_a_pickle_is_not_run(source: Path, tmp_path: Path) -> None:
    """The converter refuses anything but tensors, before it makes them."""
    torch.save({"weight": torch.zeros(2), "code": Code(tmp_path / "ran")}, source / "pytorch_model.bin")
    with pytest.raises(Refused, match="objects"):
        convert_weights(source / "pytorch_model.bin", tmp_path / "out.safetensors")
    (source / "raw.bin").write_bytes(pickle.dumps(Code(tmp_path / "ran"), protocol=2))
    with pytest.raises(Refused, match="objects"):
        convert_weights(source / "raw.bin", tmp_path / "out.safetensors")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: torch.save([torch.zeros(2)], path), "not weights"),
        (lambda path: torch.save({"epoch": 3, "weight": torch.zeros(2)}, path), "not weights"),
        (lambda path: torch.save({}, path), "not weights"),
        (lambda path: path.write_bytes(b""), "unreadable"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no zip file"), "unreadable"),
    ],
)
def test_what_is_no_mapping_of_tensors_is_refused(
    write: Callable[[Path], Any], reason: str, tmp_path: Path
) -> None:
    """A list, a checkpoint of a training, or no file of torch at all."""
    write(tmp_path / "pytorch_model.bin")
    with pytest.raises(Refused, match=reason):
        convert_weights(tmp_path / "pytorch_model.bin", tmp_path / "out.safetensors")


def test_weights_that_share_memory_are_converted(tmp_path: Path) -> None:
    """Safetensors refuses them otherwise."""
    tied = torch.arange(6.0).reshape(2, 3)
    torch.save({"in": tied, "out": tied, "part": tied.T}, tmp_path / "pytorch_model.bin")
    convert_weights(tmp_path / "pytorch_model.bin", tmp_path / "out.safetensors")
    found = load_file(tmp_path / "out.safetensors")
    assert torch.equal(found["in"], tied)
    assert torch.equal(found["out"], tied)
    assert torch.equal(found["part"], tied.T)


def test_a_file_that_needs_more_memory_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a small file of a large tensor, when converted, then the process ends itself. Takes 1 s."""
    monkeypatch.setattr(conversion, "MIN_MEMORY_BYTES", 1 << 26)
    # One number, seen 2^28 times: a file of 1 kB that becomes 1 GiB once it is copied.
    torch.save({"weight": torch.zeros(1).expand(1 << 28)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputDataError, match=r"pytorch_model.bin cannot be converted: it needs more memory than"):
        conversion.convert("weights", tmp_path / "pytorch_model.bin", tmp_path / "out.safetensors")


def test_a_conversion_that_takes_too_long_is_ended(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock counts too, not only the processor's time."""
    monkeypatch.setattr(conversion, "TIME_S", 0.05)
    with pytest.raises(InputDataError, match=r"it takes more than 0.05 s; save the model again"):
        read_weights(source)


def test_parts_of_weights_are_read_together(tmp_path: Path) -> None:
    """Given an index, when read, then all parts are; one that is not there, or is elsewhere, is an error."""
    source = write_classifier(tmp_path / "hub", "bert")
    whole = read_weights(source)
    model = AutoModelForSequenceClassification.from_pretrained(source)
    (source / "model.safetensors").unlink()
    model.save_pretrained(source, max_shard_size="20kB")

    parts = read_weights(source)

    assert len(parts.sha256.split(",")) > 1
    assert all(torch.equal(tensor, whole.tensors[name]) for name, tensor in parts.tensors.items())
    index = source / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00001", "../model-00001"))
    with pytest.raises(InputDataError, match="lists weights that are not in"):
        read_weights(source)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("adapter_config.json", "it holds an adapter only; merge it with its base"),
        ("tf_model.h5", "it holds weights of TensorFlow only"),
        ("notes.txt", "has neither model.safetensors nor pytorch_model.bin$"),
    ],
)
def test_a_folder_without_weights_says_what_it_holds(name: str, reason: str, tmp_path: Path) -> None:
    """The most frequent kinds of folders that cannot be read."""
    (tmp_path / name).touch()
    with pytest.raises(InputDataError, match=reason):
        read_weights(tmp_path)


def test_a_tokenizer_without_tokenizer_json_is_converted(tmp_path: Path) -> None:
    """Given vocab.txt, as in old folders, when converted, then there is a tokenizer.json with the same ids."""
    source = write_classifier(tmp_path / "hub", "bert")
    original: Any = AutoTokenizer.from_pretrained(source)
    ids = original("The train was late")["input_ids"]
    names = sorted(original.get_vocab(), key=original.get_vocab().get)
    (source / "vocab.txt").write_text("\n".join(names))
    (source / "tokenizer.json").unlink()

    convert_tokenizer(source, tmp_path / "out")

    assert (tmp_path / "out" / "tokenizer.json").is_file()
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("The train was late")["input_ids"] == ids


_DEBERTA = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "unk_piece": "[UNK]", "pad_piece": "[PAD]",
            "bos_piece": "[CLS]", "eos_piece": "[SEP]"}  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "file", "kind", "special"),
    [
        ("deberta-v2", "spm.model", "DebertaV2Tokenizer", _DEBERTA),
        ("xlm-roberta", "sentencepiece.bpe.model", "XLMRobertaTokenizer", {}),
    ],
)
def test_a_model_of_sentencepiece_is_converted(
    architecture: str, file: str, kind: str, special: dict[str, Any], tmp_path: Path
) -> None:
    """Given a folder with the file of SentencePiece only, when converted, then its own pieces come out."""
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=made, vocab_size=300, minloglevel=9, hard_vocab_limit=False,
        **special,
    )  # fmt: skip
    source = tmp_path / "hub"
    source.mkdir()
    (source / file).write_bytes(made.getvalue())
    (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))
    (source / "config.json").write_text(json.dumps({"model_type": architecture}))

    convert_tokenizer(source, tmp_path / "out")

    text = "The train was late, don't mind 12 Caf\u00e9"
    pieces = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue()).encode(text, out_type=str)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").tokenize(text) == pieces


def test_a_tokenizer_that_cannot_be_converted_says_why(tmp_path: Path) -> None:
    """A class of tokenizers that has no fast form, and a folder without any vocabulary."""
    source = write_classifier(tmp_path / "hub", "bert")
    (source / "tokenizer.json").unlink()
    (source / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    with pytest.raises(Refused, match="no fast tokenizer"):
        convert_tokenizer(source, tmp_path / "out")

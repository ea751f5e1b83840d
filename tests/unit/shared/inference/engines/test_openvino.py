"""The OpenVINO engine answers as the model does in torch, text by text, and reports what it cannot do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from shared.errors import ArtifactError, SettingsError
from shared.inference.batching import make_batches
from shared.inference.engines.openvino import engine as engine_module
from shared.inference.engines.openvino.bert_shape import UnknownArchitecture
from shared.inference.engines.openvino.engine import OpenVinoEngine
from shared.inference.engines.openvino.runtime import native_precision
from shared.inference.engines.torch.loading import load_model
from shared.inference.isolation import PassFailed
from shared.model_folder.artifact import Artifact, open_artifact, seal
from tests.support.tiny import LABELS, tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids

pytestmark = pytest.mark.slow

VOCABULARY: Final = 200
LONGEST: Final = 512
PAD: Final = 1

_BERT: Final[dict[str, Any]] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
_COMMON: Final[dict[str, Any]] = {
    "vocab_size": VOCABULARY,
    "pad_token_id": PAD,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: index for index, label in enumerate(LABELS)},
}
CONFIGS: Final = {
    "bert": BertConfig(**_BERT, **_COMMON),
    "bert of one layer, relu": BertConfig(**(_BERT | {"num_hidden_layers": 1}), **_COMMON, hidden_act="relu"),
    "roberta": RobertaConfig(**_BERT, **_COMMON, max_position_embeddings=LONGEST + PAD + 1),
    "xlm-roberta": XLMRobertaConfig(**_BERT, **_COMMON, max_position_embeddings=LONGEST + PAD + 1),
    "electra, narrow embeddings": ElectraConfig(**_BERT, **_COMMON, embedding_size=16),
    "mpnet": MPNetConfig(**_BERT, **_COMMON, max_position_embeddings=LONGEST + PAD + 1),
    "distilbert": DistilBertConfig(**_COMMON, dim=32, n_layers=3, n_heads=2, hidden_dim=64),
}
TOLERANCE: Final = {"fp32": 1e-4, "bf16": 2e-2}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny BERT."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(scope="module")
def engine(sealed: Artifact) -> OpenVinoEngine:
    """The engine of the sealed tiny BERT."""
    return OpenVinoEngine(sealed, "fp32")


@pytest.fixture(scope="module", params=CONFIGS)
def artifact(
    request: pytest.FixtureRequest, sealed: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Artifact:
    """A model of each architecture with random weights and biases, so that a swapped one shows."""
    folder = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        model = AutoModelForSequenceClassification.from_config(CONFIGS[request.param])  # type: ignore[no-untyped-call]
        for name, weights in model.named_parameters():
            weights.normal_(mean=1.0 if "norm.weight" in name.lower() else 0.0, std=0.2)
    model.save_pretrained(folder)
    return seal(folder, sealed.manifest)


@pytest.fixture(scope="module")
def expected(artifact: Artifact) -> NDArray[np.float64]:
    """Probabilities of `mixed_rows` by torch."""
    return probabilities(one_at_a_time(artifact, mixed_rows()))


def mixed_rows() -> list[Ids]:
    """Rows of 1 to LONGEST random tokens in no order, some with the padding token."""
    chance = np.random.default_rng(5)
    lengths = [1, 2, 3, 3, 17, 30, 64, 65, 200, LONGEST - 1, LONGEST, *chance.integers(1, 60, 12)]
    return [chance.integers(0, VOCABULARY, length).astype(np.int32) for length in chance.permutation(lengths)]


def run(engine: OpenVinoEngine, rows: Sequence[Ids], threads: int = 1) -> NDArray[np.float32]:
    """Logits of passes of up to 1,024 padded tokens, longest first, put back in order."""
    batches = make_batches([len(row) for row in rows], 1_024, padding=1_024)
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda batch: engine.forward([rows[index] for index in batch]), batches))
    logits = np.concatenate([answer.logits for answer in answers])
    return logits[np.argsort(np.concatenate(batches))]


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The softmax `[rows, labels]`."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


@torch.inference_mode()
def one_at_a_time(artifact: Artifact, rows: Sequence[Ids]) -> NDArray[np.float32]:
    """Logits of torch in fp32, each row alone and without padding."""
    model: Any = load_model(artifact)
    singles = [torch.from_numpy(row.astype(np.int64))[None] for row in rows]
    logits = [model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits for ids in singles]
    return np.asarray(torch.cat(logits).numpy(), np.float32)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_answers_are_those_of_torch_one_text_at_a_time(
    artifact: Artifact, expected: NDArray[np.float64], precision: Literal["fp32", "bf16"]
) -> None:
    """Given rows of all lengths, when scored in padded passes, then labels and probabilities are torch's."""
    if precision == "bf16" and native_precision() != "bf16":
        pytest.skip("this CPU has no bf16")
    found = probabilities(run(OpenVinoEngine(artifact, precision), mixed_rows()))

    assert np.abs(found - expected).max() <= TOLERANCE[precision]
    best = np.sort(expected)[:, ::-1]
    clear = best[:, 0] - best[:, 1] > (1e-3 if precision == "fp32" else 2 * TOLERANCE["bf16"])
    assert clear.mean() > 0.5
    assert (found.argmax(axis=1) == expected.argmax(axis=1))[clear].all()


def test_neighbours_and_threads_do_not_matter(engine: OpenVinoEngine) -> None:
    """Given rows, when scored alone, shuffled, or by more threads than requests, then nothing changes."""
    rows = [row[:128] for row in mixed_rows()] * 3
    expected = np.concatenate([engine.forward([row]).logits for row in rows])
    order = np.random.default_rng(11).permutation(len(rows))

    assert np.allclose(run(engine, [rows[index] for index in order]), expected[order], atol=1e-4)
    for threads in (2, engine.concurrency + 2):
        assert np.allclose(run(engine, rows, threads), expected, atol=1e-4)


def test_a_pass_tells_its_padding(engine: OpenVinoEngine) -> None:
    """Given rows of 5 and 2 tokens, when scored, then 10 tokens were computed, and the logits are our own copy."""
    rows = [np.arange(length, dtype=np.int32) for length in (5, 2)]

    answer = engine.forward(rows)
    kept = answer.logits.copy()
    engine.forward(rows[::-1])

    assert answer.computed_tokens == 10
    assert answer.logits.dtype == np.float32
    assert np.array_equal(answer.logits, kept)


def test_a_wide_model_takes_all_cores_for_one_pass(sealed: Artifact, tmp_path: Path) -> None:
    """Given a model as wide as BERT-base, when loaded, then it requests one pass at a time."""
    config = BertConfig(**_COMMON, hidden_size=768, num_hidden_layers=1, intermediate_size=64)
    BertForSequenceClassification(config).save_pretrained(tmp_path)

    assert OpenVinoEngine(seal(tmp_path, sealed.manifest), "fp32").concurrency == 1


def changed(artifact: Artifact, folder: Path, **fields: object) -> Artifact:
    """A copy of the model folder with other fields in its config.json."""
    shutil.copytree(artifact.path, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | fields), encoding="utf-8")
    return seal(folder, artifact.manifest)


@pytest.mark.parametrize(
    "fields",
    [
        {"model_type": "deberta-v2", "architectures": ["DebertaV2ForSequenceClassification"]},
        {"architectures": ["BertForMaskedLM"]},
        {"architectures": None},
        {"hidden_act": "silu"},
        {"is_decoder": True},
        {"position_embedding_type": "relative_key"},
    ],
)
def test_a_model_that_nobody_checked_is_left_to_another_engine(
    sealed: Artifact, tmp_path: Path, fields: dict[str, object]
) -> None:
    """Given a model of another architecture, when loaded, then UnknownArchitecture says so."""
    with pytest.raises(UnknownArchitecture):
        OpenVinoEngine(changed(sealed, tmp_path / "model", **fields), "fp32")


def without_pooler(weights: dict[str, torch.Tensor]) -> None:
    """Removes a bias."""
    del weights["bert.pooler.dense.bias"]


def narrower(weights: dict[str, torch.Tensor]) -> None:
    """Gives a layer another shape than the config says."""
    name = "bert.encoder.layer.0.output.dense.weight"
    weights[name] = weights[name][:, :-1].clone()


def of_two_labels(weights: dict[str, torch.Tensor]) -> None:
    """Gives the classifier fewer outputs than labels."""
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name][:2].clone()


@pytest.mark.parametrize("harm", [without_pooler, narrower, of_two_labels])
def test_weights_that_do_not_fit_are_refused(
    sealed: Artifact, tmp_path: Path, harm: Callable[[dict[str, torch.Tensor]], None]
) -> None:
    """Given weights that are missing or of another shape, when loaded, then an ArtifactError says what to do."""
    unfit = changed(sealed, tmp_path / "model")
    weights = load_file(unfit.path / "model.safetensors")
    harm(weights)
    save_file(weights, unfit.path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ArtifactError, match="train it again"):
        OpenVinoEngine(seal(unfit.path, sealed.manifest), "fp32")


def test_weights_that_are_cut_off_are_refused(sealed: Artifact, tmp_path: Path) -> None:
    """Given half of a weights file, when loaded, then an ArtifactError says what to do."""
    unfit = changed(sealed, tmp_path / "model")
    weights = unfit.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])

    with pytest.raises(ArtifactError, match="train again"):
        OpenVinoEngine(seal(unfit.path, sealed.manifest), "fp32")


def test_weights_in_16_bits_are_read_or_left_to_another_engine(sealed: Artifact, tmp_path: Path) -> None:
    """Given weights in fp16, when loaded, then they are used for scoring; numpy cannot read bf16."""
    row = np.arange(9, dtype=np.int32)
    for name, kind in (("half", torch.float16), ("brain", torch.bfloat16)):
        short = changed(sealed, tmp_path / name)
        weights = load_file(short.path / "model.safetensors")
        halved = {key: weight.to(kind) for key, weight in weights.items()}
        save_file(halved, short.path / "model.safetensors", metadata={"format": "pt"})
    half = seal(tmp_path / "half", sealed.manifest)
    expected = one_at_a_time(half, [row])

    found = OpenVinoEngine(half, "fp32").forward([row]).logits

    assert np.allclose(found, expected, atol=1e-4)
    with pytest.raises(UnknownArchitecture):
        OpenVinoEngine(seal(tmp_path / "brain", sealed.manifest), "fp32")


@pytest.mark.parametrize("row", [np.zeros(129, np.int32), np.array([2, 10**6]), np.array([2, -1])])
def test_a_row_that_the_model_cannot_read_fails_its_pass_only(engine: OpenVinoEngine, row: Ids) -> None:
    """Given too many tokens or no token at all, when scored, then the pass fails and the next does not.

    OpenVINO itself gives an answer for a token outside of the vocabulary.
    """
    with pytest.raises(PassFailed):
        engine.forward([row.astype(np.int32)])

    assert np.isfinite(engine.forward([np.arange(4, dtype=np.int32)]).logits).all()


class _Failing:
    """An infer request, and a model that creates such requests, whose every pass fails."""

    def create_infer_request(self) -> _Failing:
        return self

    def infer(self, _inputs: object) -> None:
        raise RuntimeError("Check 'input_shape[j] == 1' failed")


def test_a_failed_pass_costs_no_request(engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given passes that fail, more than there are requests, when the cause is gone, then new requests are made."""
    rows = [np.arange(4, dtype=np.int32)]
    before = engine.forward(rows).logits

    requests: SimpleQueue[object] = SimpleQueue()
    for _ in range(engine.concurrency):
        requests.put(_Failing())
    monkeypatch.setattr(engine.model, "_requests", requests)
    with monkeypatch.context() as patch:
        patch.setattr(engine.model, "_compiled", _Failing())
        for _ in range(engine.concurrency + 1):
            with pytest.raises(PassFailed, match="RuntimeError"):
                engine.forward(rows)

    assert np.allclose(engine.forward(rows).logits, before, atol=1e-6)


_SHORT_OF_MEMORY: Final = """
import resource, sys
from pathlib import Path
import numpy as np
from shared.inference.isolation import OutOfMemory
from shared.inference.engines.openvino.engine import OpenVinoEngine
from shared.model_folder.artifact import open_artifact

engine = OpenVinoEngine(open_artifact(Path(sys.argv[1])), "fp32")
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 2**28,) * 2)
row = np.ones(128, np.int32)
try:
    engine.forward([row] * 50_000)
except OutOfMemory:
    print("out of memory")
print(engine.forward([row]).logits.shape)
print([name for name in sys.modules if name.startswith(("torch", "transformers", "openvino_telemetry."))])
"""


def test_a_lack_of_memory_is_told_from_other_failures_and_nothing_is_reported_home(
    sealed: Artifact, tmp_path: Path
) -> None:
    """Given a process with a memory limit, when a pass is too large, then it is reported, and the next one fits.

    OpenVINO's telemetry is not loaded and leaves nothing in the home folder. Neither torch nor transformers is
    loaded.
    """
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", _SHORT_OF_MEMORY, str(sealed.path)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )

    assert done.stdout.splitlines()[-3:] == ["out of memory", "(1, 3)", "[]"]
    assert list(tmp_path.iterdir()) == []


def test_bf16_is_refused_where_the_cpu_has_none(sealed: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a CPU without bf16, when bf16 is requested, then a SettingsError names what to choose."""
    monkeypatch.setattr(engine_module, "native_precision", lambda: "fp32")

    with pytest.raises(SettingsError, match="auto or fp32"):
        OpenVinoEngine(sealed, "bf16")

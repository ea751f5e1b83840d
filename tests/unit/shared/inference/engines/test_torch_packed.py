"""Passes without padding answer as the stock model does to one message at a time, with any neighbours.

On the CPU, in fp32, with a loop for `varlen_attn`: the same code as on a GPU except for `CudaSlot`.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from shared.errors import ScorerError
from shared.inference.engines.torch.loading import load_model
from shared.inference.engines.torch.packed import CONCURRENCY, PackedEngine
from shared.inference.engines.torch.packed_model import PackedModel, attend_by_message, supports
from shared.inference.engines.torch.packed_ways import WAYS, Way
from shared.inference.engines.torch.packing import pack_flat
from shared.inference.engines.torch.slots import CpuSlot
from shared.inference.isolation import OutOfMemory, PassFailed
from shared.model_folder.artifact import Artifact, open_artifact
from tests.support.tiny import tiny_model_of, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.inference.engines.base import Ids, Logits
    from shared.inference.engines.torch.packed_model import Kernel

CPU = torch.device("cpu")
MAX_TOKENS = 512
TOLERANCE = 1e-4
LENGTHS = [1, 512, 2, 25, 3, 128, 129, 40, 7, 256, 257, 12, 25, 25, 60, 1]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Per operation: on a busy machine, tiny ones wait for each other's threads longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "electra", "xlm-roberta"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed model with random weights, of each architecture."""
    return open_artifact(tiny_model_of(tmp_path_factory.mktemp("model"), request.param, max_tokens=MAX_TOKENS))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model that loads faster, for tests that do not depend on the architecture."""
    return open_artifact(tiny_model_of(tmp_path_factory.mktemp("model"), "bert", max_tokens=64))


def engine_of(
    artifact: Artifact, *ways: Way, kernel: Kernel | None = None, batch_tokens: int = 600
) -> PackedEngine:
    """All ways unless some are named."""
    return PackedEngine(artifact, CPU, batch_tokens=batch_tokens, ways=ways or WAYS, kernel=kernel)


def rows_of(lengths: list[int], seed: int = 0) -> list[Ids]:
    """Random tokens, the padding token left out: RoBERTa counts positions without it."""
    random = np.random.default_rng(seed)
    return [random.integers(1, len(vocabulary()), size=length, dtype=np.int32) for length in lengths]


@torch.inference_mode()
def stock(artifact: Artifact, rows: list[Ids]) -> Logits:
    """The answers of transformers to one message at a time, in fp32, without padding."""
    model = load_model(artifact)
    answers = [model(input_ids=torch.from_numpy(row[None]).long()).logits.numpy() for row in rows]
    logits: Logits = np.concatenate(answers)
    return logits


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_pass_answers_as_the_stock_model_does_to_each_message_alone(artifact: Artifact, way: Way) -> None:
    """Lengths of 1 to 512 in one pass, each in a pass of its own, and all among other rows in another order."""
    engine = engine_of(artifact, way)
    rows = rows_of(LENGTHS)
    expected = stock(artifact, rows)
    assert np.ptp(expected, axis=0).min() > 100 * TOLERANCE, "the answers must differ, or the test shows nothing"
    np.testing.assert_allclose(engine.forward(rows).logits, expected, atol=TOLERANCE)
    for row, answer in zip(rows, expected, strict=True):
        np.testing.assert_allclose(engine.forward([row]).logits, answer[None], atol=TOLERANCE)
    order = np.random.default_rng(1).permutation(len(rows))
    strangers = rows_of(LENGTHS, seed=2)
    mixed = [row for index, stranger in zip(order, strangers, strict=True) for row in (stranger, rows[index])]
    np.testing.assert_allclose(engine.forward(mixed).logits[1::2], expected[order], atol=TOLERANCE)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_very_short_messages_do_without_a_captured_shape(bert: Artifact, way: Way) -> None:
    """More rows than a shape has places for answers."""
    rows = rows_of([1, 2] * 100)
    np.testing.assert_allclose(engine_of(bert, way).forward(rows).logits, stock(bert, rows), atol=TOLERANCE)


def test_no_token_is_computed_for_nothing_but_where_shapes_are_fixed(bert: Artifact) -> None:
    """The reported number of tokens is the number of slots that went through the model."""
    rows = rows_of([30, 30, 30, 30])
    flat, packed, graphs, _ = (engine_of(bert, way) for way in WAYS)
    assert flat.forward(rows).computed_tokens == 120
    assert packed.forward(rows).computed_tokens == 128
    assert graphs.forward(rows).computed_tokens == 128, "an eighth of the budget, in whole rows"


def test_without_bounds_the_model_raises_rather_than_let_messages_attend_to_each_other(bert: Artifact) -> None:
    """Plain transformers would do this silently."""
    model = load_model(bert)
    PackedModel(model, attend_by_message)
    with pytest.raises(ValueError, match="attend to each other"):
        model(input_ids=torch.ones(1, 9, dtype=torch.int64), first_tokens=torch.zeros(1, dtype=torch.int64))


def test_a_kernel_that_lets_neighbours_in_is_excluded_and_said_so(bert: Artifact) -> None:
    """The rows way remains, which does not use it."""

    def contaminated(query: Any, key: Any, value: Any, cu_q: Any, cu_k: Any, *_: int, scale: float) -> Any:
        whole = torch.tensor([0, len(key)], dtype=torch.int32)
        if len(query) != len(key):
            return attend_by_message(query, key, value, cu_q, cu_k, 10**6, 10**6, scale=scale)
        return attend_by_message(query, key, value, whole, whole, len(query), len(key), scale=scale)

    with capture_logs() as logs:
        engine = engine_of(bert, kernel=contaminated)
    excluded = [entry["way"] for entry in logs if entry["event"] == "way_excluded"]
    assert excluded == ["varlen", "varlen, graphs"]
    assert re.search(r"float32, rows(, graphs)?$", engine.name)
    rows = rows_of([5, 64, 9])
    np.testing.assert_allclose(engine.forward(rows).logits, stock(bert, rows), atol=TOLERANCE)


def test_a_way_that_raises_is_excluded_and_the_fastest_of_the_others_is_named(bert: Artifact) -> None:
    """As `varlen_attn` does on an old GPU."""

    def refuses(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("no kernel for this device")

    with capture_logs() as logs:
        engine = engine_of(bert, kernel=refuses)
    reasons = [entry["reason"] for entry in logs if entry["event"] == "way_excluded"]
    assert reasons == ["NotImplementedError: no kernel for this device"] * 2
    (chosen,) = (entry for entry in logs if entry["event"] == "way_chosen")
    assert chosen["tokens_per_s"].keys() == {"rows", "rows, graphs"}
    assert chosen["way"] == max(chosen["tokens_per_s"], key=chosen["tokens_per_s"].get)
    assert engine.name.endswith(chosen["way"])


def test_where_no_way_is_right_the_engine_does_not_start(bert: Artifact) -> None:
    """The caller that chooses engines has others."""
    with pytest.raises(ScorerError, match="no way"):
        engine_of(bert, WAYS[0], kernel=lambda query, *_, **__: torch.full_like(query, torch.nan))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (np.array([], dtype=np.int32), "EmptyRow"),
        (np.ones(65, dtype=np.int32), "MoreTokensThanPositions"),
        (np.array([1, 10**6], dtype=np.int32), "TokenOutsideVocabulary"),
        (np.array([1, -1], dtype=np.int32), "TokenOutsideVocabulary"),
    ],
)
def test_what_would_harm_the_device_or_a_neighbour_is_refused_before_it_gets_there(
    bert: Artifact, row: Ids, reason: str
) -> None:
    """As a failure that a row may have caused, so that the row is found."""
    engine = engine_of(bert, WAYS[0])
    with pytest.raises(PassFailed, match=reason):
        engine.forward([*rows_of([4]), row])


@pytest.mark.parametrize(
    ("error", "raised"),
    [(torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory), (RuntimeError("shapes differ"), PassFailed)],
)
def test_a_failing_pass_says_what_it_was_and_gives_its_slot_back(
    bert: Artifact, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    """More failures than there are slots, and then a pass succeeds."""
    engine = engine_of(bert, WAYS[0])
    rows = rows_of([4, 8])

    def fails(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(CpuSlot, "run", fails)
        for _ in range(CONCURRENCY + 1):
            with pytest.raises(raised):
                engine.forward(rows)
    np.testing.assert_allclose(engine.forward(rows).logits, stock(bert, rows), atol=TOLERANCE)


def test_passes_in_several_threads_have_slots_of_their_own(
    bert: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promised number of passes is inside at once, and none sees the other's rows."""
    engine = engine_of(bert, WAYS[0])
    together = threading.Barrier(CONCURRENCY)
    run = CpuSlot.run

    def meet(slot: CpuSlot, forward: Any, shape: Any) -> Logits:
        together.wait(timeout=30)  # breaks unless that many slots are taken and written
        return run(slot, forward, shape)

    monkeypatch.setattr(CpuSlot, "run", meet)
    batches = [rows_of([1 + number % 60, 30, 9], seed=number) for number in range(4 * CONCURRENCY)]
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        answers = list(threads.map(engine.forward, batches))
    for rows, answer in zip(batches, answers, strict=True):
        np.testing.assert_allclose(answer.logits, stock(bert, rows), atol=TOLERANCE)


def test_the_last_layer_computes_first_tokens_only(bert: Artifact) -> None:
    """Its feed-forward sees one row per message, the layer before it sees all tokens."""
    model = load_model(bert)
    packed = PackedModel(model, attend_by_message)
    seen = []
    first, last = (getattr(layer, "layer", layer) for layer in model.bert.encoder.layer)
    for layer in (first, last):
        layer.intermediate.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[:-1].numel()))
    packing = pack_flat(rows_of([5, 6, 7]))
    slab = np.zeros(sum(packing.shape.parts), dtype=np.int32)
    packing.write(slab, packing.shape, packed.first_position)
    packed(torch.from_numpy(slab), packing.shape)
    assert seen == [18, 3]


def test_an_architecture_that_is_not_known_is_not_supported(artifact: Artifact, tmp_path: Any) -> None:
    """The tested architectures are; ALBERT, which repeats one layer, is not."""
    assert supports(artifact)
    assert not supports(open_artifact(tiny_model_of(tmp_path / "albert", "albert")))

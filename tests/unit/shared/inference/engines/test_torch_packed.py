"""Passes without padding answer as the stock model does to one message at a time, with any neighbours.

On the CPU, in fp32, with a loop for `varlen_attn`: the same code as on a GPU except for what is in `cuda.py`.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from shared.errors import ScorerError
from shared.inference.engines.torch.loading import load_model
from shared.inference.engines.torch.packed import CONCURRENCY, PackedEngine
from shared.inference.engines.torch.packed_model import PackedModel, supports
from shared.inference.engines.torch.packing import pack
from shared.inference.isolation import OutOfMemory, PassFailed
from shared.model_folder.artifact import Artifact, open_artifact
from tests.support.packed import (
    CpuSlot,
    attend_by_message,
    lets_neighbours_in,
    processor,
    refuses,
    rows_of,
    stock,
)
from tests.support.tiny import tiny_model_of

if TYPE_CHECKING:
    from shared.inference.engines.base import Ids, Logits
    from shared.inference.engines.torch.packed_model import Attention

MAX_TOKENS = 512
TOLERANCE = 1e-4
LENGTHS = [1, 512, 2, 25, 3, 128, 129, 40, 7, 256, 257, 12, 25, 25, 60, 1]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "electra", "xlm-roberta"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed model with random weights, of each architecture."""
    return open_artifact(tiny_model_of(tmp_path_factory.mktemp("model"), request.param, max_tokens=MAX_TOKENS))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model that loads faster, for tests that do not depend on the architecture."""
    return open_artifact(tiny_model_of(tmp_path_factory.mktemp("model"), "bert", max_tokens=64))


def engine_of(artifact: Artifact, attention: Attention = attend_by_message) -> PackedEngine:
    """On the CPU, in passes of 600 tokens."""
    return PackedEngine(artifact, processor(attention), batch_tokens=600)


def test_a_pass_answers_as_the_stock_model_does_to_each_message_alone(artifact: Artifact) -> None:
    """Lengths of 1 to 512 in one pass, each in a pass of its own, and all among other rows in another order."""
    engine = engine_of(artifact)
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


def test_a_pass_of_very_short_messages_is_right(bert: Artifact) -> None:
    """Two hundred of one or two tokens."""
    rows = rows_of([1, 2] * 100)
    np.testing.assert_allclose(engine_of(bert).forward(rows).logits, stock(bert, rows), atol=TOLERANCE)


def test_no_token_is_computed_for_nothing(bert: Artifact) -> None:
    """The reported number of tokens is the number of slots that went through the model."""
    assert engine_of(bert).forward(rows_of([30, 30, 30, 30])).computed_tokens == 120


def test_without_bounds_the_model_raises_rather_than_let_messages_attend_to_each_other(bert: Artifact) -> None:
    """Plain transformers would do this silently."""
    model = load_model(bert)
    PackedModel(model, attend_by_message)
    with pytest.raises(ValueError, match="attend to each other"):
        model(input_ids=torch.ones(1, 9, dtype=torch.int64), first_tokens=torch.zeros(1, dtype=torch.int64))


def takes_no_scale(*_: Any) -> Any:
    """As in another version of PyTorch."""


@pytest.mark.parametrize(
    ("attention", "reason"),
    [
        (lets_neighbours_in, "its answers differ from the model's own in fp32 by 0."),
        (lambda query, *_, **__: torch.full_like(query, torch.nan), "its answers differ .* by nan"),
        (refuses, "NotImplementedError: no kernel for this device$"),
        (takes_no_scale, "TypeError: .* unexpected keyword argument 'scale'$"),
    ],
)
def test_an_engine_that_fails_its_check_does_not_start_and_says_why(
    bert: Artifact, attention: Attention, reason: str
) -> None:
    """The caller that chooses engines has another; one warning names the engine and the reason."""
    with capture_logs() as logs, pytest.raises(ScorerError, match=f"float32, varlen was excluded .*: {reason}"):
        engine_of(bert, attention)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("engine_excluded", "warning")
    assert line["engine"] == f"torch {torch.__version__} float32, varlen"
    assert re.search(reason, line["reason"])


def test_an_engine_whose_slots_cannot_be_made_does_not_start(bert: Artifact) -> None:
    """Its memory cannot be pinned, for instance."""

    def no_slot() -> Any:
        raise RuntimeError("CUDA error: out of memory")

    with pytest.raises(ScorerError, match="RuntimeError: CUDA error: out of memory"):
        PackedEngine(bert, replace(processor(), new_slot=no_slot), batch_tokens=600)


def test_an_engine_that_passes_its_check_logs_how_far_it_is_from_fp32(
    bert: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check runs as many passes at once as there are slots: alone, together, and full."""
    sizes = []
    run = CpuSlot.run

    def note(slot: CpuSlot, forward: Any, slab: Any) -> Logits:
        logits = run(slot, forward, slab)
        sizes.append((id(slot), len(logits)))
        return logits

    monkeypatch.setattr(CpuSlot, "run", note)
    with capture_logs() as logs:
        engine = engine_of(bert)
    (line,) = logs
    assert (line["event"], line["engine"]) == ("engine_checked", engine.name)
    assert 0 <= line["difference_from_fp32"] < TOLERANCE
    assert len({slot for slot, _ in sizes}) == CONCURRENCY
    *others, full = sorted(messages for _, messages in sizes)
    assert others == [1] * 8 + [8] * CONCURRENCY
    assert full > 8


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
    engine = engine_of(bert)
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
    engine = engine_of(bert)
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
    engine = engine_of(bert)
    together = threading.Barrier(CONCURRENCY)
    run = CpuSlot.run

    def meet(slot: CpuSlot, forward: Any, slab: Any) -> Logits:
        together.wait(timeout=30)  # breaks unless that many slots are taken
        return run(slot, forward, slab)

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
    packing = pack(rows_of([5, 6, 7]), packed.first_position)
    packed(torch.from_numpy(packing.slab), packing.shape)
    assert seen == [18, 3]


def test_an_architecture_that_is_not_known_is_not_supported(artifact: Artifact, tmp_path: Any) -> None:
    """The tested architectures are; ALBERT, which repeats one layer, is not."""
    assert supports(artifact)
    assert not supports(open_artifact(tiny_model_of(tmp_path / "albert", "albert")))

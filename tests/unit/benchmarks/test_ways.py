"""The ways that only the benchmark has answer as the stock model does to one message at a time.

On the CPU, in fp32, where passes are padded to the shapes of graphs but not captured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks.gpu.rows import pack_rows
from benchmarks.gpu.rows_model import RowsModel
from benchmarks.gpu.ways import WayEngine, classes_of_length
from shared.errors import ScorerError
from shared.inference.engines.torch.loading import load_model
from shared.model_folder.artifact import Artifact, open_artifact
from tests.support.packed import attend_by_message, lets_neighbours_in, processor, rows_of, stock
from tests.support.tiny import tiny_model_of

if TYPE_CHECKING:
    from shared.inference.engines.torch.packed_model import Attention

TOLERANCE = 1e-4
LENGTHS = [1, 512, 2, 25, 3, 128, 129, 40, 7, 256, 257, 12, 25, 25, 60, 1]
WAYS = pytest.mark.parametrize("way", ["rows", "varlen-graphs", "rows-graphs"])


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "electra", "xlm-roberta"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed model with random weights, of each architecture."""
    return open_artifact(tiny_model_of(tmp_path_factory.mktemp("model"), request.param, max_tokens=512))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model that loads faster, for tests that do not depend on the architecture."""
    return open_artifact(tiny_model_of(tmp_path_factory.mktemp("model"), "bert", max_tokens=64))


def engine_of(artifact: Artifact, way: str, attention: Attention = attend_by_message) -> WayEngine:
    """On the CPU, in passes of 600 tokens."""
    return WayEngine(artifact, processor(attention), way, batch_tokens=600)


@WAYS
def test_a_pass_answers_as_the_stock_model_does_to_each_message_alone(artifact: Artifact, way: str) -> None:
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


@WAYS
def test_very_short_messages_do_without_a_captured_shape(bert: Artifact, way: str) -> None:
    """More rows than a shape has places for answers."""
    rows = rows_of([1, 2] * 100)
    np.testing.assert_allclose(engine_of(bert, way).forward(rows).logits, stock(bert, rows), atol=TOLERANCE)


@WAYS
def test_tokens_are_computed_for_nothing_only_to_fill_rows_and_fixed_shapes(bert: Artifact, way: str) -> None:
    """120 tokens: one row of 128, or an eighth of the budget in whole rows."""
    assert engine_of(bert, way).forward(rows_of([30, 30, 30, 30])).computed_tokens == 128


def test_a_way_that_lets_neighbours_in_is_excluded_and_rows_are_not(bert: Artifact) -> None:
    """Rows do not use the kernel."""
    with pytest.raises(ScorerError, match="varlen-graphs was excluded at start-up: its answers differ"):
        engine_of(bert, "varlen-graphs", lets_neighbours_in)
    rows = rows_of([5, 64, 9])
    np.testing.assert_allclose(
        engine_of(bert, "rows", lets_neighbours_in).forward(rows).logits, stock(bert, rows), atol=TOLERANCE
    )


def test_in_rows_the_last_layer_computes_first_tokens_only(bert: Artifact) -> None:
    """Its feed-forward sees one row per message, the layer before it sees all slots."""
    model = load_model(bert)
    in_rows = RowsModel(model)
    seen = []
    first, last = (getattr(layer, "layer", layer) for layer in model.bert.encoder.layer)
    for layer in (first, last):
        layer.intermediate.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[:-1].numel()))
    packing = pack_rows(rows_of([5, 6, 7]), in_rows.first_position, 32)
    in_rows(torch.from_numpy(packing.slab), packing.shape)
    assert seen == [32, 3]


@pytest.mark.parametrize(
    ("longest", "widths"), [(64, [128]), (128, [128]), (129, [128, 256]), (512, [128, 256, 512])]
)
def test_classes_of_length_double_until_the_longest_message_fits(longest: int, widths: list[int]) -> None:
    """Each class has rows, and graphs, of its own width."""
    assert classes_of_length(longest) == widths

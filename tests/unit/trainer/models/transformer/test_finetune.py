"""The loop learns, is reproducible bit for bit, and continues after an interruption as if there was none."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from shared.errors import InputDataError, SettingsError
from tests.support.tiny import tiny_base
from trainer.data.examples import Examples
from trainer.models.transformer.base import load_base
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.encoding import Encoded, encode, training_batches
from trainer.models.transformer.finetune import finetune, seed_everything
from trainer.models.transformer.training_state import TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.models.transformer.training_state import Evaluation, TrainingState

LABELS = ("negative", "positive")
CONFIG = TrainingConfig(
    epochs=6,
    learning_rate=5e-3,
    batch_size=16,
    weight_decay=0.01,
    warmup=0.1,
    max_grad_norm=1.0,
    class_weighting=0.5,
    ema_decay=0.8,
    evaluations_per_epoch=2,
    patience=12,
    dropout=None,
    bf16=False,
    seed=7,
)


class Silence:
    """A reporter that shows nothing."""

    def step(self, step: int, loss: float, rate: float) -> None:
        """Ignored."""

    def evaluated(self, evaluation: Evaluation, *, best: bool) -> None:
        """Ignored."""


class Interrupted(Exception):  # noqa: N818 - represents a killed process
    """Ends a training half-way."""


class Interruption(Silence):
    """Ends training after the given evaluation on the validation rows."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self, step: int, loss: float, rate: float) -> None:  # noqa: ARG002 - as the loop calls it
        """Ends at the first report of a loss after the last evaluation."""
        if self.left <= 0:
            raise Interrupted

    def evaluated(self, evaluation: Evaluation, *, best: bool) -> None:  # noqa: ARG002
        """Counts the call."""
        self.left -= 1


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def made_up(rows: int, seed: int) -> Examples:
    """Texts whose label follows from one word among many that say nothing."""
    chance = random.Random(seed)  # noqa: S311 - test data
    filler = "the day was with my friend at work and now this movie on phone for all people".split()  # noqa: SIM905
    telling = (["bad", "awful", "sad", "hate"], ["good", "great", "happy", "love"])
    texts, labels = [], []
    for _ in range(rows):
        label = chance.randrange(2)
        words = chance.choices(filler, k=chance.randint(3, 12))
        words.insert(chance.randrange(len(words)), chance.choice(telling[label]))
        texts.append(" ".join(words))
        labels.append(label)
    return Examples(tuple(texts), np.array(labels), LABELS, tuple(map(str, range(rows))), "made up")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pretrained base."""
    return tiny_base(tmp_path_factory.mktemp("base"))


def trained(
    base: Path,
    config: TrainingConfig = CONFIG,
    reporter: Silence | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[TrainingState, dict[str, torch.Tensor]]:
    """Trains on made-up texts; returns the outcome and the weights."""
    seed_everything(config.seed)
    loaded = load_base(str(base), None, LABELS, base)
    train, validation = (encode(loaded.tokenizer, made_up(rows, rows), 32) for rows in (480, 96))
    state = finetune(
        loaded.model,
        train,
        validation,
        config,
        device="cpu",
        reporter=reporter or Silence(),
        checkpoint=checkpoint,
    )
    return state, loaded.model.state_dict()


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """The weights are equal bit for bit."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_learning_really_learns_and_repeats_bit_for_bit(base: Path) -> None:
    """A tiny model separates made-up texts above 0.9; the same seed gives the same weights, another does not."""
    state, weights = trained(base)
    assert state.history[state.best].macro_recall > 0.9
    again, same = trained(base)
    assert again.history == state.history
    assert_equal(weights, same)
    _, other = trained(base, replace(CONFIG, seed=8, epochs=1))
    assert not torch.equal(weights["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
def test_resumed_equals_uninterrupted_bit_for_bit(base: Path, tmp_path: Path, ema_decay: float) -> None:
    """Killed in the middle of an epoch, after an evaluation; the second run ends with the very same weights."""
    config = replace(CONFIG, ema_decay=ema_decay, epochs=3)
    whole, weights = trained(base, config)
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this training")
    with pytest.raises(Interrupted):
        trained(base, config, Interruption(after=3), checkpoint)
    resumed, same = trained(base, config, checkpoint=checkpoint)
    assert resumed.history == whole.history
    assert_equal(weights, same)


def test_a_checkpoint_of_another_training_is_refused(base: Path, tmp_path: Path) -> None:
    """Other settings, base or data: never continued silently; nor is a file that is not a checkpoint."""
    path = tmp_path / "state.safetensors"
    trained(base, replace(CONFIG, epochs=1), checkpoint=Checkpoint(path, "one"))
    with pytest.raises(InputDataError, match="belongs to a training with other settings"):
        trained(base, checkpoint=Checkpoint(path, "another"))
    path.write_bytes(b"no safetensors")
    with pytest.raises(InputDataError, match="is not a checkpoint"):
        trained(base, checkpoint=Checkpoint(path, "one"))


def test_training_stops_when_patience_ends_and_keeps_the_best_weights(base: Path) -> None:
    """Without learning no evaluation is better than the first: patience 2 ends after three of them."""
    state, weights = trained(base, replace(CONFIG, learning_rate=1e-12, patience=2, ema_decay=0.0))
    assert len(state.history) == 3
    assert state.best == 0
    assert_equal(weights, state.best_weights)


def test_diverging_training_ends_with_advice(base: Path) -> None:
    """If decay blows up the weights, there is no model of infinities, but a line that says what to change."""
    with pytest.raises(SettingsError, match="training diverged: the loss is nan at step"):
        trained(base, replace(CONFIG, weight_decay=1e9))


def test_training_batches_hold_every_row_once_in_alike_lengths() -> None:
    """No row is lost or duplicated, batches are full, and padding is far below that of shuffled batches."""
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    tokens = [np.ones(length, np.int32) for length in lengths]
    batches = training_batches(tokens, 32, (0, 0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert sum(len(batch) < 32 for batch in batches) == 1
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert padded < 1.1 * lengths.sum()


def test_encoding_normalises_and_truncates(base: Path) -> None:
    """The shared normaliser comes first, special tokens count, and nothing is padded."""
    tokenizer: Any = load_base(str(base), None, LABELS, base).tokenizer
    data = Examples(("love &amp; love", "love " * 50), np.array([1, 1]), LABELS, ("a", "b"), "test")
    found: Encoded = encode(tokenizer, data, 10)
    assert tokenizer.convert_ids_to_tokens(found.tokens[0]) == ["[CLS]", "love", "&", "love", "[SEP]"]
    assert [len(row) for row in found.tokens] == [5, 10]

"""The loop learns, is reproducible bit for bit, and continues after an interruption as if there was none."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from shared.errors import InputDataError, SettingsError
from tests.support.tiny import tiny_base
from tests.unit.trainer.models.transformer.config import CONFIG
from trainer.data.examples import Examples
from trainer.models.transformer import finetune as finetuning
from trainer.models.transformer import step
from trainer.models.transformer.base import load_base
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.encoding import Encoded, encode, training_batches
from trainer.models.transformer.finetune import Saving, finetune, seed_everything
from trainer.models.transformer.optimiser import freeze, layers_of
from trainer.models.transformer.schedule.pacer import Pacer
from trainer.models.transformer.schedule.plan import plan_epochs
from trainer.models.transformer.training_state import Evaluation

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.models.transformer.training_state import TrainingConfig, TrainingState

LABELS = ("negative", "positive")


class Silence:
    """A reporter that shows nothing."""

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        """Ignored."""

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        """Ignored."""


class Interrupted(Exception):  # noqa: N818 - represents a killed process
    """Ends a training half-way."""


class Interruption(Silence):
    """Ends training after the given evaluation on the validation rows."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:  # noqa: ARG002 - as the loop calls it
        """Ends at the first report of a loss after the last evaluation."""
        if self.left <= 0:
            raise Interrupted

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:  # noqa: ARG002
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
    *,
    rows: int = 480,
    dropout: float | None = None,
    **options: Any,
) -> tuple[TrainingState, dict[str, torch.Tensor]]:
    """Trains on made-up texts; returns the outcome and the weights."""
    seed_everything(config.seed)
    loaded = load_base(str(base), None, LABELS, base)
    freeze(loaded.model, config.freeze, "base")
    for module in loaded.model.modules():
        if dropout is not None and isinstance(module, torch.nn.Dropout):
            module.p = dropout
    train, validation = (encode(loaded.tokenizer, made_up(many, many), 32) for many in (rows, 96))
    if checkpoint:
        options["saving"] = Saving(checkpoint)
    state = finetune(
        loaded.model,
        train,
        validation,
        config,
        device="cpu",
        reporter=reporter or Silence(),
        **options,
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


class Clock:
    """Moves by one second at each call."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        self.now += 1
        return self.now


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("killed_at", [7, 11, 20])
def test_killed_at_any_step_it_resumes_from_the_last_checkpoint_by_time(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int, precision: Any
) -> None:
    """Given checkpoints within an epoch, when killed, then history and weights end up the same, bit for bit.

    Every third step has one; the mean losses of the history go over the interruption.
    """
    config = replace(CONFIG, epochs=1, accumulate=2, freeze=1, precision=precision)
    whole, weights = trained(base, config, rows=800)
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this training")
    run = step.update

    def killed(state: TrainingState, *rest: Any) -> torch.Tensor:
        if state.step == killed_at:
            raise Interrupted
        return run(state, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "update", killed)
        with pytest.raises(Interrupted):
            trained(base, config, saving=Saving(checkpoint, 3.0, Clock()), rows=800)
    started_at: list[int] = []

    def noting(state: TrainingState, *rest: Any) -> torch.Tensor:
        started_at.append(state.step)
        return run(state, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "update", noting)
        resumed, same = trained(base, config, saving=Saving(checkpoint), rows=800)
    assert killed_at - 4 <= started_at[0] <= killed_at
    assert resumed.history == whole.history
    assert_equal(weights, same)


def test_a_revised_plan_is_resumed_too(base: Path, tmp_path: Path) -> None:
    """Given a budget, when killed after a revision, then the resumed training follows the revised plan."""
    config = replace(CONFIG, epochs=1)
    plan = replace(plan_epochs(480, config), ends_s=60.0)
    clock = Clock()
    saving = Saving(Checkpoint(tmp_path / "state.safetensors", "this training"))
    with pytest.raises(Interrupted):
        trained(base, config, Interruption(after=1), saving=saving, plan=plan, pacer=Pacer(0.0, clock))
    killed_s = clock.now
    pacer = Pacer(0.0, Clock())
    state, _ = trained(base, config, saving=saving, plan=plan, pacer=pacer)
    assert pacer.earlier_s == pytest.approx(state.used_s, abs=60)
    assert 0 < pacer.earlier_s <= killed_s
    assert state.plan.from_step > 0
    assert state.history[-1].step == state.plan.steps
    assert state.history[-1].rate < config.learning_rate / 4


def test_accumulated_gradients_are_those_of_one_large_batch(base: Path) -> None:
    """Given no dropout, when the rows of an update come in four passes, then training goes the same way.

    Up to rounding, which Adam enlarges where a gradient is nearly zero.
    """
    whole = replace(CONFIG, epochs=1, batch_size=32, learning_rate=1e-3)
    parts = replace(whole, batch_size=8, accumulate=4)
    (one, _), (other, _) = (trained(base, config, dropout=0.0) for config in (whole, parts))
    for expected, found in zip(one.history, other.history, strict=True):
        assert found.step == expected.step
        assert found.training_loss == pytest.approx(expected.training_loss, rel=1e-4)
        assert found.validation_loss == pytest.approx(expected.validation_loss, rel=1e-3)


def test_frozen_layers_keep_the_weights_of_the_base(base: Path) -> None:
    """Embeddings and the lowest layer; the others learn."""
    seed_everything(CONFIG.seed)
    before = load_base(str(base), None, LABELS, base).model.state_dict()
    _, weights = trained(base, replace(CONFIG, epochs=1, freeze=1))
    changed = {name for name, tensor in weights.items() if not torch.equal(tensor, before[name])}
    assert not any("embeddings" in name or "layer.0." in name for name in changed)
    assert {name for name in weights if "layer.1." in name or "classifier" in name} <= changed


@pytest.mark.parametrize(
    "architecture", ["bert", "distilbert", "roberta", "mpnet", "deberta-v2", "gpt2", "modernbert"]
)
def test_any_architecture_with_a_list_of_layers_can_be_frozen(architecture: str) -> None:
    """All layers frozen: only norms after them, the pooler and the head are trained; one more is refused."""
    config = AutoConfig.for_model(architecture, num_hidden_layers=2, num_labels=2)
    with torch.device("meta"):
        model: Any = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    with pytest.raises(SettingsError, match="--freeze 3 is more than the 2 layers of x"):
        freeze(model, 3, "x")
    freeze(model, 2, "x")
    trained_names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(layers_of(model)) == 2
    assert trained_names
    assert not [name for name in trained_names if "embed" in name or ".layer" in name or ".h." in name]


def test_a_base_without_a_list_of_layers_cannot_be_frozen() -> None:
    """ALBERT has one layer that it applies again and again."""
    with torch.device("meta"):
        model: Any = AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model("albert")
        )
    with pytest.raises(SettingsError, match="x has no list of layers; train it without --freeze"):
        freeze(model, 1, "x")


def test_the_average_of_a_short_training_is_not_the_base(base: Path) -> None:
    """Given decay 0.98 and 15 updates, when averaged, then it is as good as the weights themselves.

    Without the warm-up it was three quarters base, and at chance.
    """
    config = replace(CONFIG, batch_size=32, epochs=1, ema_decay=0.98, evaluations_per_epoch=1)
    averaged, own = (trained(base, replace(config, ema_decay=decay))[0] for decay in (0.98, 0.0))
    assert averaged.step == 15
    assert averaged.history[-1].macro_recall >= own.history[-1].macro_recall - 0.05


def test_the_best_weights_are_chosen_as_the_config_says() -> None:
    """By the lowest loss or by the highest recall."""
    worse = Evaluation(1, 0.1, 0.6, 0, validation_loss=0.5, macro_recall=0.8, macro_f1=0.8)
    other = replace(worse, validation_loss=0.4, macro_recall=0.7)
    assert other.is_better_than(worse, "validation loss")
    assert worse.is_better_than(other, "macro-recall")


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


@pytest.mark.parametrize(
    ("config", "loss"),
    [(replace(CONFIG, weight_decay=1e9), "nan"), (replace(CONFIG, learning_rate=0.9), r"[0-9.e+]+")],
)
def test_diverging_training_ends_with_advice(base: Path, config: TrainingConfig, loss: str) -> None:
    """Infinities, or a finite loss far above that of guessing: no model, but a line that says what to change."""
    says = f"diverged: the loss is {loss} at step .* guessing has 0.692; lower --learning-rate"
    with pytest.raises(SettingsError, match=says):
        trained(base, config)


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

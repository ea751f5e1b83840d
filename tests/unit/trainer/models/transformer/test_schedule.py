"""The plan of a training: its rate ends at zero, and a budget of time is kept, however the pace changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trainer.models.transformer.config import CONFIG
from trainer.models.budget import AFTER_S, Budget, words
from trainer.models.transformer.encoding import Encoded
from trainer.models.transformer.schedule.budget import (
    MAX_EPOCHS,
    Pace,
    TooLittleTimeError,
    choose_pace,
    plan_budget,
)
from trainer.models.transformer.schedule.pacer import Pacer
from trainer.models.transformer.schedule.plan import Plan, plan_epochs

if TYPE_CHECKING:
    from trainer.models.transformer.training_state import TrainingConfig

STEPS = st.integers(1, 400)


@settings(deadline=None)
@given(STEPS, st.lists(st.tuples(st.floats(0, 1), STEPS), max_size=4), st.floats(0, 0.5))
def test_the_rate_rises_once_and_falls_to_zero_at_the_end(
    steps: int, revisions: list[tuple[float, int]], warmup: float
) -> None:
    """Also of a plan that is revised on the way: without a jump, and with the last step at nearly zero."""
    config = replace(CONFIG, warmup=warmup)
    plan = Plan(steps, 16, 1)
    for when, more in sorted(revisions):
        step = plan.from_step + round(when * (plan.steps - plan.from_step))
        before = plan.progress(step)
        plan = plan.revised(step, step + more)
        assert plan.progress(step) == pytest.approx(before)
    assert plan.progress(plan.steps) == pytest.approx(1)
    rates = [plan.rate(step, config) for step in range(plan.from_step, plan.steps)]
    assert all(0 <= rate <= config.learning_rate for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert plan.rate(plan.steps, config) == pytest.approx(0)


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 5), st.floats(0.2, 4))
def test_the_last_step_is_evaluated_and_the_others_evenly(rows: int, epochs: int, per_epoch: float) -> None:
    """No plan ends without an evaluation, and none has more of them than asked for."""
    plan = plan_epochs(rows, replace(CONFIG, epochs=epochs, evaluations_per_epoch=per_epoch))
    due = [step for step in range(1, plan.steps + 1) if plan.evaluation_is_due(step)]
    assert due[-1] == plan.steps
    assert len(due) == plan.evaluations_after(0) <= epochs * per_epoch + 1


@dataclass
class Machine:
    """A clock that a simulated training moves."""

    now: float = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def simulate(plan: Plan, machine: Machine, step_s: list[float], evaluation_s: float) -> tuple[Plan, int]:
    """Runs a plan on a machine whose steps take one time after another; returns the final plan and revisions."""
    pacer = Pacer(100.0, machine)
    pacer.start(plan, 0)
    step, revisions = 0, 0
    while step < plan.steps:
        machine.now += step_s[min(len(step_s) - 1, int(plan.progress(step) * len(step_s)))]
        step += 1
        if revised := pacer.revised(plan, step):
            plan, revisions = revised, revisions + 1
        if plan.evaluation_is_due(step):
            machine.now += evaluation_s
            pacer.paused(evaluation_s, evaluation=True)
    return plan, revisions


@settings(deadline=None)
@given(st.lists(st.floats(0.4, 2.5), min_size=1, max_size=3), st.floats(0, 8))
def test_a_budget_is_kept_within_5_percent_whatever_the_pace(factors: list[float], evaluation_s: float) -> None:
    """Given steps up to 2.5 times as slow or as fast as measured, also midway, when trained, it ends in time."""
    ends_s = 1_000.0  # fewer steps than most_steps, also at 0.4 s
    planned = plan_budget(3_000, CONFIG, Pace(16, 1.0, evaluation_s), ends_s)
    plan = replace(planned, ends_s=ends_s)
    machine = Machine()
    done, revisions = simulate(plan, machine, factors, evaluation_s)
    assert machine.now - 100 == pytest.approx(ends_s, rel=0.05)
    assert revisions <= 7
    assert done.progress(done.steps) == pytest.approx(1)


def test_a_pace_as_measured_needs_no_revision() -> None:
    """The plan stays as it was printed."""
    plan = replace(plan_budget(3_000, CONFIG, Pace(16, 1.0, 5.0), 1_000.0), ends_s=1_000.0)
    assert simulate(plan, Machine(), [1.0], 5.0) == (plan, 0)


def test_a_plan_is_printed_in_words() -> None:
    """Epochs, steps, rows of a step, and how long it takes."""
    pace = Pace(32, 0.33, 6.0)
    plan = plan_budget(45_000, CONFIG, pace, 1_200.0)
    assert words(plan, pace, 45_000, 1) == (
        "2.5 epochs = 3,545 steps of 32 rows, about 20 min, of which evaluation 30 s"
    )


def test_a_budget_that_is_too_small_says_what_is_needed() -> None:
    """Before anything is trained; a budget for more than MAX_EPOCHS is not used up, also if steps get faster."""
    with pytest.raises(TooLittleTimeError) as caught:
        plan_budget(3_000, CONFIG, Pace(16, 1.0, 5.0), 20.0)
    assert caught.value.needed_s == pytest.approx(25)
    per_epoch = 3_200 // 16
    plan = replace(plan_budget(3_200, CONFIG, Pace(16, 1.0, 0.0), 1e6), ends_s=1e6)
    assert plan.steps == MAX_EPOCHS * per_epoch
    assert simulate(plan, Machine(), [0.5], 0.0) == (plan, 0)


@pytest.mark.parametrize(
    ("paces", "seconds", "batch_size"),
    [
        ([Pace(32, 1.0, 1)], 60, 32),
        ([Pace(32, 1.0, 1), Pace(16, 0.55, 1), Pace(64, 1.9, 1)], 600, 16),
        ([Pace(32, 1.0, 1), Pace(16, 0.9, 1), Pace(64, 1.9, 1)], 600, 32),
        ([Pace(32, 1.0, 1), Pace(16, 0.55, 1), Pace(64, 1.1, 1)], 6_000, 64),
        ([Pace(32, 1.0, 1), Pace(16, 0.55, 1), Pace(64, 1.9, 1)], 6_000, 32),
    ],
)
def test_the_batch_follows_from_what_was_measured(paces: list[Pace], seconds: float, batch_size: int) -> None:
    """Smaller if there are few updates and they get cheaper; larger if rows do and enough updates are left."""
    assert choose_pace(paces, seconds).batch_size == batch_size


def test_a_budget_has_no_fields_for_a_training_without_one() -> None:
    """Without an end, nothing is revised."""
    machine = Machine()
    pacer = Pacer(100.0, machine)
    plan = plan_epochs(100, CONFIG)
    pacer.start(plan, 0)
    machine.now += 1e6
    assert pacer.revised(plan, 3) is None
    assert Budget(60, pacer, 10).seconds == 60


@dataclass
class Watch:
    """Replaces a Stopwatch: one pace, and parts of a known size."""

    train: Encoded
    validation: Encoded
    config: TrainingConfig = CONFIG

    def paces(self, _chosen: int | None, _most_s: float) -> list[Pace]:
        """As a Stopwatch does."""
        return [Pace(32, 0.1, evaluation_s=4.0)]


def _encoded(rows: int, tokens: int) -> Encoded:
    return Encoded([np.zeros(tokens, np.int32)] * rows, np.zeros(rows, np.int64), 0)


def test_a_budget_keeps_time_for_everything_that_is_scored_after_the_loop() -> None:
    """By the number of tokens, at twice the pace of an evaluation: the engine that serves computes in fp32."""
    watch = Watch(_encoded(320, 20), _encoded(100, 20))
    plans = [
        Budget(600, Pacer(0.0, Machine()), tokens).plan(watch, None)  # type: ignore[arg-type]
        for tokens in (0, 5 * watch.validation.size)
    ]
    assert [plan.ends_s for plan in plans] == [600 - AFTER_S, 600 - AFTER_S - 2 * 5 * 4]

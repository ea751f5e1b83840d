"""Gates: what is missed ends the command, with a line for each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GatesMissed, SettingsError
from shared.settings import load_settings
from trainer.evaluation.behaviour.cases import NAMES
from trainer.evaluation.behaviour.results import Behaviour, BehaviourTestResult, capability_result
from trainer.evaluation.gates import Gates, gates_of, parse_max_failures
from trainer.evaluation.metrics import Figures, figures
from trainer.settings import OTHER_COMMANDS, TrainerEnvironment


def half_right() -> Figures:
    """Macro-recall 0.5, ECE 0.5: a model that is always sure of the first label."""
    logits = np.tile([50.0, 0.0], (10, 1))
    return figures(logits, np.repeat([0, 1], 5), ("negative", "positive"))


def negation(failures: int, cases: int = 10) -> Behaviour:
    """A result of one capability."""
    result = capability_result({"test": BehaviourTestResult(kind="MFT", cases=cases, failures=failures)}, {})
    assert result
    return Behaviour(suite="s", sentences=cases, engine="e", capabilities={"negation": result})


def test_each_missed_gate_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the figure and the bound; the error says how many, and what became of the model."""
    gates = Gates(min_macro_recall=0.7, max_ece=0.03, max_failures={"negation": 0.2, "emoji": 0.1})
    with pytest.raises(GatesMissed, match="the model misses 4 gates; nothing was written") as raised:
        gates.require(half_right(), negation(3), "the model", "nothing was written")
    assert raised.value.exit_code == 80
    assert capsys.readouterr().err.splitlines() == [
        "gate missed: the macro-recall 0.5000 is below --min-macro-recall 0.7",
        "gate missed: the calibration error (ECE) 0.5000 is above --max-ece 0.03",
        "gate missed: 3 of 10 cases of negation fail (0.3000), above --max-failures negation=0.2",
        "gate missed: no case of emoji could be tested, and --max-failures emoji=0.1 asks for it",
    ]


def test_a_figure_that_is_exactly_the_bound_passes() -> None:
    """And without gates everything does."""
    Gates(min_macro_recall=0.5, max_ece=0.5, max_failures={"negation": 0.2}).require(
        half_right(), negation(2), "it", "-"
    )
    Gates().require(half_right(), negation(10), "it", "-")
    Gates().require(None, None, "it", "-")


def test_labels_without_a_polarity_are_refused_before_training() -> None:
    """Only where a gate needs them."""
    Gates(max_ece=0.1).check_labels(("anger", "joy"), None)
    with pytest.raises(SettingsError, match="--max-failures cannot be decided: the labels 'anger', 'joy'"):
        Gates(max_failures={"emoji": 0.1}).check_labels(("anger", "joy"), None)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**6).map(lambda rate: rate / 10**6)))
def test_what_is_written_is_parsed(wanted: dict[str, float]) -> None:
    """For every capability and rate."""
    assert parse_max_failures([f"{name}={rate:.6f}" for name, rate in wanted.items()]) == wanted


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("negation=2", "must be a capability and a failure rate from 0 to 1, such as negation=0.2"),
        ("negation", "must be a capability and a failure rate"),
        ("sarcasm=0.1", "must name a capability of vocabulary, negation, "),
        ("emoji=0.1,emoji=0.2", "must name emoji only once"),
    ],
)
def test_a_wrong_gate_is_a_wrong_setting(value: str, says: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match=r"trainer\.max_failures: ") as raised:
        load_settings(TrainerEnvironment, flags={"trainer.max_failures": value}, environ={}, others=OTHER_COMMANDS)
    assert says in str(raised.value)


def test_gates_come_from_the_settings() -> None:
    """Several capabilities at commas, or the option several times."""
    flags = {"trainer.max_failures": ["negation=0.2,emoji=0", "identity=.1"], "trainer.max_ece": "0.03"}
    settings = load_settings(TrainerEnvironment, flags=flags, environ={}, others=OTHER_COMMANDS)
    assert gates_of(settings.trainer) == Gates(None, 0.03, {"negation": 0.2, "emoji": 0.0, "identity": 0.1})

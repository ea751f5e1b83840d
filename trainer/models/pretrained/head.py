"""Judges whether a fine-tuned classifier gives one label of several to a text, and names its labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLASSIFIER: Final = "ForSequenceClassification"
_SINGLE_LABEL: Final = "single_label_classification"
_UNNAMED = re.compile(r"LABEL_\d+", re.IGNORECASE)
_DEFAULT_LABELS: Final = 2
"""Labels of a config.json without id2label, in transformers."""


def refuse_other_heads(settings: Mapping[str, Any], name: str) -> None:
    """Raises InputDataError unless the config is that of a classifier of texts with one label of several each."""
    architectures = settings.get("architectures") or []
    if not any(str(one).endswith(_CLASSIFIER) for one in architectures):
        found = ", ".join(map(str, architectures)) or "no architecture"
        raise InputDataError(
            f"{name} is not a fine-tuned classifier of texts: its config.json names {found}, and no architecture "
            f"that ends in {_CLASSIFIER}; to make a classifier of it, give it to sentiment-trainer train as --base"
        )
    problem = settings.get("problem_type")
    labels = _count(settings)
    if problem == "multi_label_classification" or settings.get("function_to_apply") == "sigmoid":
        raise InputDataError(
            f"{name} gives any number of labels to a text (multi-label), each with a probability of its own; a "
            "result here has one label, and probabilities that sum to 1"
        )
    if problem == "regression" or (labels == 1 and problem != _SINGLE_LABEL):
        raise InputDataError(f"{name} gives a number and no label (regression, one output)")
    if problem not in {None, _SINGLE_LABEL} or settings.get("function_to_apply") not in {None, "softmax"}:
        raise InputDataError(f"{name}: problem_type {problem!r} is not single-label classification")
    if labels == 1:
        raise InputDataError(f"{name} has one label only, so every text would get it with probability 1")


def label_names(settings: Mapping[str, Any], given: Sequence[str] | None, name: str) -> tuple[str, ...]:
    """The labels in the order of the outputs: those given, else those of the config.

    Raises SettingsError if the config has no names but LABEL_0 and so on: results with them would say nothing.
    """
    count = _count(settings)
    if given is not None:
        labels = tuple(label.strip() for label in given)
        if len(labels) != count:
            raise SettingsError(f"--label-names has {len(labels)} names, and {name} has {count} labels")
    else:
        labels = _own_names(settings, count, name)
        if unnamed := [label for label in labels if _UNNAMED.fullmatch(label)]:
            raise SettingsError(
                f"{name} has labels without a meaning ({', '.join(unnamed[:5])}); name all {count} in the order "
                f"of the outputs, such as --label-names {','.join(_example(count))}; to keep these, give them as "
                f"--label-names {','.join(labels)}"
            )
    if len(set(labels)) < len(labels) or not all(label and label.isprintable() for label in labels):
        raise SettingsError(f"{name}: every label needs a name of its own, in one line; give --label-names")
    return labels


def _count(settings: Mapping[str, Any]) -> int:
    names = settings.get("id2label")
    return len(names) if isinstance(names, dict) else _DEFAULT_LABELS


def _own_names(settings: Mapping[str, Any], count: int, name: str) -> tuple[str, ...]:
    names = settings.get("id2label") or {str(number): f"LABEL_{number}" for number in range(count)}
    try:
        return tuple(str(names[str(number)]).strip() for number in range(count))
    except KeyError:
        raise InputDataError(f"{name}: id2label of its config.json does not count from 0; save it again") from None


def _example(count: int) -> list[str]:
    known = {2: ["negative", "positive"], 3: ["negative", "neutral", "positive"]}
    return known.get(count, [f"name-{number}" for number in range(count)])

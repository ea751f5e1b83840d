"""What the user says about labels, from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from trainer.data.labels.label_map import LabelMap, parse_label_map

if TYPE_CHECKING:
    from trainer.settings import TrainerSettings

Several = Literal["leave-out", "first", "majority"]


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How the values of a label column become labels."""

    label_map: LabelMap = field(default_factory=LabelMap)
    ignored: frozenset[str] = frozenset()
    """Labels to leave out, as in the data or by their names."""
    several: Several = "leave-out"
    """What becomes of a list of several labels."""


NO_RULES: Final = LabelRules()


def label_rules(settings: TrainerSettings) -> LabelRules:
    """The rules of the settings, whose label map is valid."""
    return LabelRules(
        label_map=parse_label_map(settings.label_map) if settings.label_map else LabelMap(),
        ignored=frozenset(settings.ignore_label),
        several=settings.several_labels,
    )

"""Gates: what a model must reach, or the command fails."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.errors import GatesMissed, SettingsError
from shared.terminal import say
from trainer.evaluation.behaviour.cases import NAMES
from trainer.evaluation.behaviour.polarity import in_order, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trainer.evaluation.behaviour.results import Behaviour
    from trainer.evaluation.metrics import Figures
    from trainer.settings import TrainerSettings

_SPEC: Final = re.compile(r"([a-z-]+)=(0(?:\.\d{1,6})?|1(?:\.0{1,6})?|\.\d{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gates:
    """The least that a model must reach; None and no entry: not asked for."""

    min_macro_recall: float | None = None
    max_ece: float | None = None
    max_failures: Mapping[str, float] = field(default_factory=dict)
    """Highest failure rate by capability of the behaviour suite."""

    @property
    def on_figures(self) -> bool:
        """Whether labelled texts are needed to decide."""
        return self.min_macro_recall is not None or self.max_ece is not None

    def check_labels(self, labels: Sequence[str], polarity: Mapping[str, int] | None) -> None:
        """Raises SettingsError if the suite cannot be run on a model with these labels: call before training."""
        if self.max_failures and in_order(labels, polarity) is None:
            raise SettingsError(f"--max-failures cannot be decided: {unsupported(labels)}")

    def require(self, figures: Figures | None, behaviour: Behaviour | None, subject: str, outcome: str) -> None:
        """Raises GatesMissed after a line on standard error for each gate that is missed.

        A figure passes if it is exactly the bound. None: nothing was measured, and no gate is on it.
        """
        missed = [*self._on_figures(figures), *self._on_behaviour(behaviour)]
        for line in missed:
            say(f"gate missed: {line}", error=True)
        if missed:
            gates = "1 gate" if len(missed) == 1 else f"{len(missed)} gates"
            raise GatesMissed(f"{subject} misses {gates}; {outcome}")

    def _on_figures(self, figures: Figures | None) -> Iterator[str]:
        if figures is None:
            return
        recall, ece = figures.macro_recall, figures.calibrated.ece
        if self.min_macro_recall is not None and recall < self.min_macro_recall:
            yield f"the macro-recall {recall:.4f} is below --min-macro-recall {self.min_macro_recall}"
        if self.max_ece is not None and ece > self.max_ece:
            yield f"the calibration error (ECE) {ece:.4f} is above --max-ece {self.max_ece}"

    def _on_behaviour(self, behaviour: Behaviour | None) -> Iterator[str]:
        if behaviour is None:
            return
        for name, limit in self.max_failures.items():
            result = behaviour.capabilities.get(name)
            if result is None:
                yield f"no case of {name} could be tested, and --max-failures {name}={limit} asks for it"
            elif result.failure_rate > limit:
                yield (
                    f"{result.failures} of {result.cases} cases of {name} fail ({result.failure_rate:.4f}), above "
                    f"--max-failures {name}={limit}"
                )


def gates_of(settings: TrainerSettings) -> Gates:
    """The gates that a command was given."""
    return Gates(settings.min_macro_recall, settings.max_ece, parse_max_failures(settings.max_failures))


def parse_max_failures(specs: Sequence[str]) -> dict[str, float]:
    """Parses `negation=0.2` and others; raises ValueError with what is wrong."""
    found: dict[str, float] = {}
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise ValueError("must be a capability and a failure rate from 0 to 1, such as negation=0.2")
        if match[1] not in NAMES:
            raise ValueError(f"must name a capability of {', '.join(NAMES)}")
        if match[1] in found:
            raise ValueError(f"must name {match[1]} only once")
        found[match[1]] = float(match[2])
    return found

"""Sets the dropout of a model, whatever its architecture calls it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

# ModernBERT, Llama and others pass this number to the attention function, without a layer.
_NUMBER: Final = "attention_dropout"


def set_dropout(model: Any, probability: float) -> None:
    """Sets every dropout layer of encoder and head, those that were 0 too, and the dropout of attention."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        elif isinstance(getattr(module, _NUMBER, None), float):
            setattr(module, _NUMBER, probability)


def usual_dropout(model: Any) -> float:
    """The probability that most dropout layers of a model have; 0 without any."""
    counted = Counter(_probabilities(model))
    return counted.most_common(1)[0][0] if counted else 0.0


def _probabilities(model: Any) -> Iterator[float]:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            yield float(module.p)
        elif isinstance(getattr(module, _NUMBER, None), float):
            yield getattr(module, _NUMBER)

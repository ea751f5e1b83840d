"""Learning curves: the loss on the training rows and the figures on the validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.evaluation.html.blocks import Chart, Charts, Section, Table
from trainer.evaluation.html.charts.axis import Axis, axis_for
from trainer.evaluation.html.charts.plot import Plot
from trainer.evaluation.html.facts import at, number

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


def learning(facts: Facts) -> Section | None:
    """None without a training."""
    history = at(facts.metrics, "training", "history")
    if facts.report.training is None or not history:
        return None
    best_step = facts.report.training.best_step
    names = [name for name in history[0] if name not in {"step", "epoch"}]
    rows = [
        (
            f"{one['step']:,}{' (best)' if one['step'] == best_step else ''}",
            *(number(one.get(n)) for n in ["epoch", *names]),
        )
        for one in history
    ]
    table = Table("Evaluations during training", ("step", *(_words(n) for n in ["epoch", *names])), rows)
    losses = [name for name in names if name.endswith("loss")]
    figures = [name for name in names if name in {"macro_recall", "macro_f1", "accuracy"}]
    charts = [
        _chart("Loss", "mean loss, nats", losses, history, best_step),
        _chart("Validation figures", "value", figures, history, best_step),
    ]
    return Section("learning", "Learning curves", (Charts(charts), table))


def _chart(
    title: str, label: str, names: list[str], history: list[dict[str, Any]], best_step: int | None
) -> Chart:
    values = [float(one[name]) for one in history for name in names if one.get(name) is not None]
    x = axis_for("epoch", [float(one["epoch"]) for one in history], from_zero=True)
    y: Axis = axis_for(label, values)
    plot = Plot(x, y)
    for series, name in enumerate(names):
        points = [(float(one["epoch"]), float(one[name])) for one in history if one.get(name) is not None]
        plot.line(_words(name), series, points, marks=True)
    best = next((float(one["epoch"]) for one in history if one["step"] == best_step), None)
    if best is not None:
        plot.reference([(best, y.low), (best, y.high)])
    description = (
        f"{', '.join(_words(name) for name in names)} by epoch; the dotted line marks the weights that were kept."
    )
    return Chart(title, plot.markup(f"{title}: {description}"), description.capitalize())


def _words(name: str) -> str:
    return {"macro_f1": "macro F1", "macro_recall": "macro recall"}.get(name, name.replace("_", " "))

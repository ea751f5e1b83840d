"""The files of a search: the best settings as YAML for `--config`, and a page with all trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import optuna
import yaml
from optuna.study import StudyDirection
from optuna.trial import TrialState

from trainer.evaluation.html.blocks import Block, Chart, Charts, Section, Table, Text, Tile, Tiles
from trainer.evaluation.html.charts.axis import axis_for
from trainer.evaluation.html.charts.plot import Plot, bar_chart
from trainer.evaluation.html.folder import write_file
from trainer.evaluation.html.page import render
from trainer.search.study import REASON, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from trainer.search.space import Space, Values
    from trainer.search.study import Search
    from trainer.settings import TrainerSettings

_OF_THE_MACHINE: Final = frozenset({"cache_dir", "device"})
LEAST_FOR_IMPORTANCE: Final = 5
"""Complete trials; optuna compares the better ones with all."""


def write_settings(path: Path, settings: TrainerSettings, best: Values, found: str) -> None:
    """The settings that train the best trial again, in the form of a settings file, atomically.

    Besides the searched ones these are all that differ from their defaults, except those of the machine.
    """
    fields = type(settings).model_fields
    changed = {
        name: _plain(value)
        for name, value in settings
        if name not in _OF_THE_MACHINE and value != fields[name].get_default(call_default_factory=True)
    }
    comment = f"# The best settings of a search: {found}. For sentiment-trainer train --config.\n"
    write_file(path, comment + yaml.safe_dump({"trainer": changed | best}, sort_keys=False, allow_unicode=True))


def write_page(path: Path, found: Search, space: Space, measure: str) -> None:
    """History, importance and all trials as one HTML file."""
    done, best = found.done(), found.study.best_trial
    tiles = Tiles(
        [
            Tile(f"Best {measure}", f"{best.value:.4f}", f"on the validation rows, trial {_number(best, done)}"),
            Tile("Trials", f"{len(done):,}", f"{_pruned(done):,} of them ended early"),
            Tile("Time", f"{found.spent_s() / 60:,.1f} min", "of all runs"),
        ]
    )
    values = space.suggest(optuna.trial.FixedTrial(best.params))
    rows = [(name.replace("_", " "), f"{value:g}", f"{space.usual[name]:g}") for name, value in values.items()]
    table = Table("Best settings", ("setting", "best", "without a search"), rows)
    note = (
        "The best of many trials on the same validation rows looks better than it is: compare the test figures of "
        "a training with these settings with those of one without them."
    )
    sections = [
        Section("best", "Best settings", (tiles, table, Text(note))),
        Section("history", "History", _history(done, measure, found.study.direction)),
        Section("trials", "Trials", (_trials(done, space, measure),)),
    ]
    importance = _importance(found)
    if importance:
        sections.insert(2, Section("importance", "Importance", (Charts([importance]),)))
    write_file(path, render("Search of training settings", f"{len(done):,} trials of one study.", sections))


def _history(done: list[FrozenTrial], measure: str, direction: StudyDirection) -> list[Block]:
    better = max if direction is StudyDirection.MAXIMIZE else min
    complete = [(index + 1.0, float(trial.value)) for index, trial in enumerate(done) if trial.value is not None]
    early = [
        (index + 1.0, better(trial.intermediate_values.values()))
        for index, trial in enumerate(done)
        if trial.state is TrialState.PRUNED and trial.intermediate_values
    ]
    so_far = [
        (number, better(value for _, value in complete[: index + 1])) for index, (number, _) in enumerate(complete)
    ]
    x = axis_for("trial", [1.0, float(len(done))], whole=True)
    plot = Plot(x, axis_for(measure, [value for _, value in [*complete, *early]]))
    plot.line("best so far", 1, [*so_far, (float(len(done)), so_far[-1][1])])
    plot.marks("complete", 0, complete)
    if early:
        plot.marks("ended early", 5, early, hollow=True)
    description = (
        f"The {measure} on the validation rows of each trial; of a trial that ended early its best until then."
    )
    return [Charts([Chart("Trials", plot.markup(description), description)])]


def _importance(found: Search) -> Chart | None:
    if len(found.complete()) < LEAST_FOR_IMPORTANCE:
        return None
    shares = optuna.importance.get_param_importances(found.study)
    if not any(shares.values()):
        return None
    bars = [(name.replace("_", " "), share, f"{share:.0%}") for name, share in shares.items()]
    description = (
        "How much each setting decides whether a trial is among the better ones (PED-ANOVA); with few trials it "
        "is a hint at most."
    )
    table = Table("Importance", ("setting", "share"), [(name, shown) for name, _, shown in bars])
    return Chart(
        "Importance of the settings", bar_chart(bars, label="share", description=description), description, table
    )


def _trials(done: list[FrozenTrial], space: Space, measure: str) -> Table:
    names = list(space.usual)
    rows = []
    for index, trial in enumerate(done):
        values = space.suggest(optuna.trial.FixedTrial(trial.params))
        value = "-" if trial.value is None else f"{trial.value:.4f}"
        seconds = f"{trial.user_attrs.get(SECONDS, 0.0):,.0f}"
        rows.append((str(index + 1), _state(trial), value, seconds, *(f"{values[name]:g}" for name in names)))
    columns = ("trial", "state", measure, "seconds", *(name.replace("_", " ") for name in names))
    return Table("All trials that count", columns, rows, text_columns=2)


def _state(trial: FrozenTrial) -> str:
    if trial.state is TrialState.COMPLETE:
        return "complete"
    return f"ended early: {trial.user_attrs.get(REASON, 'unknown')}"


def _pruned(done: list[FrozenTrial]) -> int:
    return sum(trial.state is TrialState.PRUNED for trial in done)


def _number(best: FrozenTrial, done: list[FrozenTrial]) -> int:
    return [trial.number for trial in done].index(best.number) + 1


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

"""Reports of a model folder: metrics.json for programs, tables for people. They contain no texts of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError
from rich.table import Table
from rich.text import Text

from shared.errors import ArtifactError
from shared.terminal import escaped
from trainer.evaluation.behaviour.results import Behaviour  # noqa: TC001 - the same
from trainer.evaluation.metrics import Figures  # noqa: TC001 - pydantic needs it at run time

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact

METRICS: Final = "metrics.json"
TEST: Final = "test"


class Evaluation(BaseModel, frozen=True):
    """One evaluation on the validation rows during training."""

    step: int
    epoch: float
    training_loss: float
    validation_loss: float
    macro_recall: float
    macro_f1: float


class TrainingReport(BaseModel, frozen=True):
    """The course of a training."""

    rows: dict[str, int]
    """Rows by part: train, validation, calibration, test."""
    order: str
    """How the data was split: by time or at random."""
    left_out: dict[str, int]
    """Rows that were not used, by reason."""
    notes: list[str] = Field(default_factory=list)
    """What a person should know of the data and the result, a sentence each."""
    seconds: float
    best_step: int | None
    """None for a baseline, which is fitted in one go."""
    engine: str
    """Library, precision and batching that scored the calibration and test rows."""
    history: list[Evaluation]


class UncertainThreshold(BaseModel, frozen=True):
    """How the threshold `uncertain_below` of the manifest was chosen."""

    wanted_accuracy: float
    """Of the results that are not uncertain."""
    rows: int
    rows_above: int | None
    """Rows that are not uncertain; None, as the two others, if no threshold reached the accuracy."""
    accuracy_above: float | None
    lower_bound: float | None
    """Of that accuracy, one-sided, 95 %."""


class PostprocessingReport(BaseModel, frozen=True):
    """How calibration, decision and uncertain threshold were fitted."""

    calibration_rows: int
    at_bound: bool
    """Whether temperature or bias ended at a bound of the fit."""
    uncertain: UncertainThreshold


class NormaliserComparison(BaseModel, frozen=True):
    """An adopted model on the same rows, with and without the normaliser."""

    rows: int
    accuracy_on: float
    accuracy_off: float
    margin: float
    """Half of the 95 % interval of the difference; it is paired, row by row."""

    @property
    def better(self) -> Literal["on", "off"] | None:
        """The one with the higher accuracy; None if the rows do not show it."""
        difference = self.accuracy_on - self.accuracy_off
        if abs(difference) <= self.margin:
            return None
        return "on" if difference > 0 else "off"


class AdoptionReport(BaseModel, frozen=True):
    """What was found when a model was adopted with data."""

    rows: dict[str, int]
    """Rows by part: calibration, test."""
    left_out: dict[str, int]
    """Rows that were not used, by reason."""
    engine: str
    """Library, precision and batching that scored the rows."""
    normaliser: NormaliserComparison


class LaterEvaluation(BaseModel, frozen=True):
    """The metrics of `evaluate` for an existing model."""

    name: str
    """Name of the file or folder of the data."""
    sha256: str
    """`Examples.fingerprint`, over texts and labels in order; distinguishes data with the same name."""
    engine: str
    """Library, precision and batching that scored the texts."""
    figures: Figures


class Report(BaseModel, frozen=True):
    """Content of metrics.json."""

    training: TrainingReport | None = None
    adoption: AdoptionReport | None = None
    """None for a model that was trained here, and for one that was adopted without data."""
    postprocessing: PostprocessingReport | None = None
    """None for a model that was adopted without data."""
    evaluations: dict[str, Figures] = Field(default_factory=dict)
    """Metrics from training or adoption by part: `test`. They are not changed later."""
    behaviour: Behaviour | None = None
    """The last run of the behaviour suite, by `train` or `evaluate`."""
    later: list[LaterEvaluation] = Field(default_factory=list)
    """One for each data set and engine."""

    def with_later(self, evaluation: LaterEvaluation) -> Report:
        """The report with one more evaluation; it replaces an older one of the same engine on the same rows."""
        # Not by name: files of one name replaced each other's figures.
        others = [one for one in self.later if (one.sha256, one.engine) != (evaluation.sha256, evaluation.engine)]
        return self.model_copy(update={"later": [*others, evaluation]})


def read_report(artifact: Artifact) -> Report:
    """The report in a model folder, empty if there is none; raises ArtifactError if it is not valid."""
    if METRICS not in artifact.manifest.files:
        return Report()
    try:
        return Report.model_validate_json(artifact.read(METRICS))
    except ValidationError:
        raise ArtifactError(
            f"{artifact.path / METRICS} was not written by this version; train the model again"
        ) from None


def headline(report: Report) -> dict[str, Any]:
    """The metrics for the manifest: of `test`, and of later data by name, digest and engine."""
    later = {f"{one.name} {one.sha256[:12]} {one.engine}": one.figures for one in report.later}
    return {
        name: {
            "rows": found.rows,
            "accuracy": round(found.accuracy, 4),
            "macro_f1": round(found.macro_f1, 4),
            "macro_recall": round(found.macro_recall, 4),
            "ece": round(found.calibrated.ece, 4),
            "class_wise_ece": round(max(found.calibrated.class_wise_ece), 4),
            "nll": round(found.calibrated.nll, 4),
        }
        for name, found in (report.evaluations | later).items()
    }


def figures_table(title: str, found: Figures) -> Table:
    """Overall metrics with their intervals, then one line per label; for a terminal."""
    table = Table(title=Text(escaped(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("", "value", "95 % interval"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, value, interval in overall(found):
        table.add_row(name, value, interval)
    for name, label in found.labels.items():
        interval = "-" if label.recall_interval is None else between(label.recall_interval)
        table.add_row(Text(escaped(f"{name}: recall")), share(label.recall), interval)
        table.add_row(Text(escaped(f"{name}: F1")), share(label.f1), f"of {label.rows} rows")
    return table


def overall(found: Figures) -> list[tuple[str, str, str]]:
    """Name, value and 95 % interval of each overall figure, for display."""
    names = ("accuracy", "macro_f1", "macro_recall")
    rows = [(words(name), share(getattr(found, name)), between(found.intervals[name])) for name in names]
    rows.append(("ROC-AUC", "-" if found.roc_auc is None else share(found.roc_auc), ""))
    before, after = found.uncalibrated, found.calibrated
    chance = share(after.ece_by_chance)
    rows.append(
        ("calibration error (ECE)", share(after.ece), f"{chance} by chance, {share(before.ece)} uncalibrated")
    )
    worst = [share(max(figure.class_wise_ece)) for figure in (after, before)]
    chance = share(max(after.class_wise_ece_by_chance))
    rows.append(("largest ECE of a label", worst[0], f"{chance} by chance, {worst[1]} uncalibrated"))
    rows.append(("log-likelihood (NLL)", share(after.nll), f"{share(before.nll)} uncalibrated"))
    rows.append(("Brier score", share(after.brier), f"{share(before.brier)} uncalibrated"))
    return rows


def share(value: float) -> str:
    """A figure, for display."""
    return f"{value:.3f}"


def between(interval: tuple[float, float]) -> str:
    """An interval, for display."""
    return " - ".join(map(share, interval))


def words(name: str) -> str:
    """The name of a field or figure, for display."""
    return "macro F1" if name == "macro_f1" else name.replace("_", " ")

"""Reports of a model folder: metrics.json for programs, README.md and tables for people.

They contain no texts of the data.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, ValidationError
from rich.table import Table
from rich.text import Text

from shared.errors import ArtifactError
from shared.terminal import escaped
from trainer.evaluation.metrics import Figures  # noqa: TC001 - pydantic needs it at run time

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact
    from shared.model_folder.manifest import Int8, Manifest

METRICS: Final = "metrics.json"
CARD: Final = "README.md"
TEST: Final = "test"


class Evaluation(BaseModel, frozen=True):
    """One evaluation on the validation rows during training."""

    step: int
    epoch: float
    training_loss: float
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
    seconds: float
    best_step: int
    engine: str
    """Library, precision and batching that scored the calibration and test rows."""
    history: list[Evaluation]


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
    evaluations: dict[str, Figures] = Field(default_factory=dict)
    """Metrics from training by part: `test`. They are not changed later."""
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
        }
        for name, found in (report.evaluations | later).items()
    }


def figures_table(title: str, found: Figures) -> Table:
    """Overall metrics with their intervals, then one line per label; for a terminal."""
    table = Table(title=Text(escaped(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("", "value", "95 % interval"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, value, interval in _overall(found):
        table.add_row(name, value, interval)
    for name, label in found.labels.items():
        table.add_row(Text(escaped(f"{name}: F1")), _share(label.f1), f"of {label.rows} rows")
    return table


def card(manifest: Manifest, report: Report, version: str) -> str:
    """The model card, in Markdown."""
    parts = [
        f"# {manifest.name}",
        (
            f"A text classifier with the labels {', '.join(f'`{label}`' for label in manifest.labels)}, "
            f"fine-tuned from `{manifest.base.name}` (`{manifest.base.revision[:12]}`) on "
            f"{manifest.data.rows:,} texts of `{manifest.data.source}`. "
            f"Version `{version}`, made {manifest.created_at:%Y-%m-%d %H:%M} UTC."
        ),
    ]
    if report.training:
        parts += ["## Data", _data(manifest, report.training)]
    for name, found in report.evaluations.items():
        parts += [f"## Quality on `{name}` ({found.rows:,} rows)", _quality(found), _confusion(found)]
    times = Counter((later.name, later.engine) for later in report.later)
    for later in report.later:
        # Two files of one name have two sections, which the start of the digest tells apart.
        digest = f", SHA-256 {later.sha256[:8]}" if times[later.name, later.engine] > 1 else ""
        heading = f"## Measured later on `{_cell(later.name)}` ({later.figures.rows:,} rows{digest})"
        note = (
            f"Scored by {_cell(later.engine)}. Not held out by training. SHA-256 of its texts and labels: "
            f"`{later.sha256}`."
        )
        parts += [heading, note, _quality(later.figures), _confusion(later.figures)]
    if manifest.int8:
        parts += ["## In int8", _int8(manifest.int8)]
    parts += ["## Use", _use(manifest), "## Limits", _LIMITS, "## How it was made", _settings(manifest)]
    # Names and labels are untrusted, and a card is read on terminals. `escaped` would escape the line ends too.
    return "\n".join(map(escaped, "\n\n".join(parts).split("\n"))) + "\n"


_LIMITS: Final = (
    "The metrics hold for texts like those it was tested on; texts of other sources, topics, languages or years "
    "can give worse results. The intervals only show the uncertainty from the choice of test rows. Probabilities "
    "are calibrated on data of the same source; recalibrate for another."
)


def _overall(found: Figures) -> list[tuple[str, str, str]]:
    """Name, value and interval of each overall figure."""
    rows = []
    for name in ("accuracy", "macro_f1", "macro_recall"):
        low, high = found.intervals[name]
        rows.append((_words(name), _share(getattr(found, name)), f"{_share(low)} - {_share(high)}"))
    rows.append(("ROC-AUC", "-" if found.roc_auc is None else _share(found.roc_auc), ""))
    before, after = found.uncalibrated, found.calibrated
    rows.append(("calibration error (ECE)", _share(after.ece), f"{_share(before.ece)} uncalibrated"))
    rows.append(("log-likelihood (NLL)", _share(after.nll), f"{_share(before.nll)} uncalibrated"))
    rows.append(("Brier score", _share(after.brier), f"{_share(before.brier)} uncalibrated"))
    return rows


def _data(manifest: Manifest, training: TrainingReport) -> str:
    cut = "by time" if training.order == "time" else "at random, with the same shares of labels in each part"
    left_out = ", ".join(f"{rows:,} {reason}" for reason, rows in training.left_out.items() if rows)
    priors = ", ".join(f"{label} {share:.1%}" for label, share in manifest.class_priors.items())
    return (
        f"Split {cut}; near-duplicates are kept in one part.\n\n"
        + _markdown(("part", "rows"), [(part, f"{rows:,}") for part, rows in training.rows.items()])
        + f"\n\nLeft out: {left_out or 'nothing'}. Labels of the training rows: {priors}."
    )


def _quality(found: Figures) -> str:
    label_rows = [
        (
            name,
            *(_share(figure) for figure in (label.precision, label.recall, label.f1)),
            "-" if label.roc_auc is None else _share(label.roc_auc),
            f"{label.rows:,}",
        )
        for name, label in found.labels.items()
    ]
    return (
        _markdown(("", "value", "95 % interval"), _overall(found))
        + "\n\n"
        + _markdown(("label", "precision", "recall", "F1", "ROC-AUC", "rows"), label_rows)
    )


def _confusion(found: Figures) -> str:
    rows = [(f"**{name}**", *map(str, row)) for name, row in zip(found.labels, found.confusion, strict=True)]
    return "Rows are the true labels, columns the predicted labels:\n\n" + _markdown(("", *found.labels), rows)


def _int8(found: Int8) -> str:
    rows = [
        ("macro recall", _share(found.macro_recall), _share(found.macro_recall_fp32)),
        ("calibration error (ECE)", _share(found.ece), _share(found.ece_fp32)),
    ]
    return (
        f"`openvino/` holds the same model in int8, for CPUs. On {found.rows:,} held-out rows (validation, "
        f"calibration and test) it agrees with fp32 on {found.agreement:.2%} of the labels; its ranges were set "
        f"on {found.calibration_rows:,} training rows.\n\n" + _markdown(("", "int8", "fp32"), rows)
    )


def _use(manifest: Manifest) -> str:
    return (
        "`sentiment-consumer` loads this folder as it is. Plain `transformers` does too, with "
        "`AutoModelForSequenceClassification.from_pretrained(folder)`; to get the same probabilities, clean "
        f"the text with normaliser {manifest.normaliser.version} of this project, truncate to "
        f"{manifest.max_tokens} tokens and divide the logits by {manifest.temperature:.4f} before the softmax."
    )


def _settings(manifest: Manifest) -> str:
    rows = [(_words(name), f"{value}") for name, value in {**manifest.training, **manifest.libraries}.items()]
    return _markdown(("setting", "value"), rows)


def _markdown(heading: tuple[str, ...], rows: list[Any]) -> str:
    lines = [heading, tuple("---" if index == 0 else "---:" for index in range(len(heading))), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _share(value: float) -> str:
    return f"{value:.3f}"


def _words(name: str) -> str:
    return "macro F1" if name == "macro_f1" else name.replace("_", " ")

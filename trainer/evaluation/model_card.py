"""The model card of a model folder, README.md. It contains no texts of the data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from shared.model_folder.manifest import UNCERTAIN_BELOW
from shared.terminal import escaped, few
from trainer.evaluation.behaviour.tables import behaviour_section
from trainer.evaluation.markdown import code, plain, table
from trainer.evaluation.report import OVERALL, between, overall, setting, share, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.model_folder.manifest import Int8, Manifest
    from trainer.evaluation.metrics import Figures
    from trainer.evaluation.report import (
        NormaliserComparison,
        PostprocessingReport,
        Report,
        TrainingReport,
        UncertainThreshold,
    )

CARD: Final = "README.md"


def card(manifest: Manifest, report: Report, version: str) -> str:
    """The model card, in Markdown."""
    parts = [f"# {plain(manifest.name)}", _about(manifest, version)]
    if report.training:
        parts += ["## Data", _data(manifest, report.training)]
        if report.training.notes:
            parts += ["## What to know of it", "\n".join(f"- {plain(note)}" for note in report.training.notes)]
    if manifest.is_adopted:
        parts += ["## What is not known", _unknown(manifest, report)]
    if report.adoption:
        parts += ["## The normaliser", normaliser_words(report.adoption.normaliser, manifest)]
    parts += ["## Probabilities and labels", _results(manifest, report.postprocessing)]
    for name, found in report.evaluations.items():
        parts += [f"## Quality on `{name}` ({found.rows:,} rows)", _quality(found), _confusion(found)]
    if report.behaviour:
        parts += ["## Behaviour", behaviour_section(report.behaviour)]
    times = Counter((later.name, later.engine) for later in report.later)
    for later in report.later:
        # Two files of one name have two sections, which the start of the digest tells apart.
        digest = f", SHA-256 {later.sha256[:8]}" if times[later.name, later.engine] > 1 else ""
        heading = f"## Measured later on {code(later.name)} ({later.figures.rows:,} rows{digest})"
        note = (
            f"Scored by {plain(later.engine)}. Not held out by training. SHA-256 of its texts and labels: "
            f"`{later.sha256}`."
        )
        parts += [heading, note, _quality(later.figures), _confusion(later.figures)]
    if manifest.int8:
        parts += ["## In int8", _int8(manifest.int8)]
    parts += ["## Use", _use(manifest), "## Limits", _limits(manifest), "## How it was made", _settings(manifest)]
    # Names and labels are untrusted, and a card is read on terminals. `escaped` would escape the line ends too.
    return "\n".join(map(escaped, "\n\n".join(parts).split("\n"))) + "\n"


def _about(manifest: Manifest, version: str) -> str:
    revision = manifest.base.revision if manifest.kind != "transformer" else manifest.base.revision[:12]
    base = f"{code(manifest.base.name)} ({code(revision)})"
    how = {
        "transformer": f"fine-tuned from {base}",
        "baseline": f"the baseline {base}, fitted",
        "cnn": f"the convolutional network {base}, trained",
        "ensemble": f"an ensemble, the {plain(manifest.base.name)} that are below, trained",
    }[manifest.kind]
    if manifest.is_adopted:
        origin = f"adopted from {base}, where it was fine-tuned"
    elif manifest.data is None:
        origin = f"{how} on other texts each"
    else:
        origin = f"{how} on {manifest.data.rows:,} texts of {code(manifest.data.source)}"
    return (
        f"A text classifier with the labels {few(manifest.labels, show=code)}, {origin}. "
        f"Version `{version}`, made {manifest.created_at:%Y-%m-%d %H:%M} UTC."
    )


def _unknown(manifest: Manifest, report: Report) -> str:
    """What nobody has measured about an adopted model."""
    items = ["**Training data:** not known. Texts that it is measured on may be among them."]
    if manifest.calibration is None:
        items.append("**Calibrated:** no. A probability of 0.9 need not be right in nine of ten cases.")
    else:
        rows = manifest.calibration
        items.append(f"**Calibrated:** on {rows.rows:,} rows of {code(rows.source)}.")
    if report.evaluations:
        items.append("**Tested:** on other rows of the same data, below.")
    elif report.later:
        items.append("**Tested:** by later measurements only, below.")
    else:
        items.append("**Tested:** no. Measure it on labelled texts of yours with `sentiment-trainer evaluate`.")
    items.append(f"**Normaliser:** {_normaliser(manifest)}; what it was trained with is not known.")
    return "\n".join(f"- {item}" for item in items)


def _normaliser(manifest: Manifest) -> str:
    return "on" if manifest.normaliser.options.enabled else "off, texts reach the tokenizer as they are"


def normaliser_words(found: NormaliserComparison, manifest: Manifest) -> str:
    """The comparison with and without the normaliser, in one line, and what it means for this folder."""
    here = "on" if manifest.normaliser.options.enabled else "off"
    if found.better is None:
        meaning = f"these rows do not show which is better; it is {here} in this model"
    elif found.better == here:
        meaning = f"{here} is better, and set in this model"
    else:
        meaning = f"{found.better} is better: adopt the model again with --normaliser {found.better}"
    return (
        f"On {found.rows:,} rows the accuracy is {share(found.accuracy_on)} with the normaliser and "
        f"{share(found.accuracy_off)} without (difference +- {share(found.margin)}); {meaning}"
    )


def _limits(manifest: Manifest) -> str:
    calibrated = (
        "Probabilities are not calibrated."
        if manifest.calibration is None
        else "Probabilities are calibrated for texts like the calibration rows. Where labels have other shares, "
        "as in other sources or later years, they are off; calibrate again on rows of them."
    )
    return (
        "The metrics hold for texts like those it was tested on; texts of other sources, topics, languages or "
        "years can give worse results. The intervals only show the uncertainty from the choice of test rows. "
        f"{calibrated}"
    )


def _results(manifest: Manifest, report: PostprocessingReport | None) -> str:
    """What a published probability, label and `uncertain` mean, and the numbers behind them."""
    return "\n".join(
        f"- {item}"
        for item in (
            f"**Probabilities:** {_calibration(manifest, report)}",
            f"**Label:** {_decision(manifest)}",
            f"**Uncertain:** {_uncertain(manifest, None if report is None else report.uncertain)}",
            f"**Polarity:** {_polarity(manifest)}",
        )
    )


def _calibration(manifest: Manifest, report: PostprocessingReport | None) -> str:
    if manifest.calibration is None:
        return "the softmax of the logits, not calibrated."
    biases = _few(
        f"{plain(label)} {bias:+.3f}" for label, bias in zip(manifest.labels, manifest.bias or (), strict=False)
    )
    how = f"temperature {manifest.temperature:.3f}"
    if biases:
        how += f", bias {biases}"
    found = f"calibrated{' label by label' if biases else ''} on {manifest.calibration.rows:,} rows: {how}."
    if report is not None and report.at_bound:
        found += (
            " **The fit ended at its bound**, so these probabilities are not reliable: calibrate on other rows."
        )
    return found


def _decision(manifest: Manifest) -> str:
    decision = manifest.decision
    if decision is None or decision.rule == "accuracy":
        return "the one with the largest probability."
    weights = _few(
        f"{plain(label)} {weight:.3f}" for label, weight in zip(manifest.labels, decision.weights, strict=True)
    )
    return (
        f"the largest product of probability and weight, for {decision.rule}: {weights}. So it need not have the "
        "largest probability; `score` is the probability of the label."
    )


def _uncertain(manifest: Manifest, found: UncertainThreshold | None) -> str:
    if found is None:
        below = UNCERTAIN_BELOW if manifest.uncertain_below is None else manifest.uncertain_below
        return f"results with a score below {below:g}, which was not chosen on data."
    wanted = f"{found.wanted_accuracy:.0%}"
    if found.rows_above is None or found.accuracy_above is None or found.lower_bound is None:
        return (
            f"results with a score below {UNCERTAIN_BELOW:g}. **No threshold has an accuracy of {wanted}** with a "
            f"lower bound on {found.rows:,} rows: give more rows, or a smaller --uncertain-accuracy."
        )
    return (
        f"results with a score below {manifest.uncertain_below or 0:.3f}, so that {wanted} of the rest are right. "
        f"Of {found.rows:,} rows that the weights were not fitted to, {found.rows_above / found.rows:.0%} are not "
        f"uncertain, with an accuracy of {share(found.accuracy_above)} (95 % confidence: at least "
        f"{share(found.lower_bound)})."
    )


def _few(figures: Iterable[str]) -> str:
    """Figures by label, which `sentiment.json` has of all labels."""
    return few(list(figures), show=str)


def _polarity(manifest: Manifest) -> str:
    known = manifest.polarity or {}
    signs = {-1: "-1", 0: "0", 1: "+1", None: "none"}
    return _few(f"{plain(label)} {signs[known.get(label)]}" for label in manifest.labels) + "."


def _data(manifest: Manifest, training: TrainingReport) -> str:
    cut = "by time" if training.order == "time" else "at random, with the same shares of labels in each part"
    left_out = ", ".join(f"{rows:,} {plain(reason)}" for reason, rows in training.left_out.items() if rows)
    priors = _few(f"{plain(label)} {prior:.1%}" for label, prior in (manifest.class_priors or {}).items())
    return (
        f"Split {cut}; near-duplicates are kept in one part.\n\n"
        + table(("part", "rows"), [(part, f"{rows:,}") for part, rows in training.rows.items()])
        + f"\n\nLeft out: {left_out or 'nothing'}. Labels of the training rows: {priors}."
    )


def _quality(found: Figures) -> str:
    errors = zip(found.calibrated.class_wise_ece, found.uncalibrated.class_wise_ece, strict=True)
    label_rows = [
        (
            plain(name),
            *(share(figure) for figure in (label.precision, label.recall)),
            "-" if label.recall_interval is None else between(label.recall_interval),
            share(label.f1),
            "-" if label.roc_auc is None else share(label.roc_auc),
            *map(share, pair),
            f"{label.rows:,}",
        )
        for (name, label), pair in zip(found.labels.items(), errors, strict=True)
    ]
    heading = (
        *("label", "precision", "recall", "95 % interval", "F1", "ROC-AUC", "ECE", "ECE uncalibrated", "rows"),
    )
    by_chance = "By chance: the calibration error that exact probabilities would show on as many rows."
    return "\n\n".join((table(OVERALL, overall(found)), by_chance, table(heading, label_rows)))


def _confusion(found: Figures) -> str:
    rows = [
        (f"**{plain(name)}**", *map(str, row)) for name, row in zip(found.labels, found.confusion, strict=True)
    ]
    return "Rows are the true labels, columns the predicted labels:\n\n" + table(
        ("", *map(plain, found.labels)), rows
    )


def _int8(found: Int8) -> str:
    rows = [
        ("macro recall", share(found.macro_recall), share(found.macro_recall_fp32)),
        ("calibration error (ECE)", share(found.ece), share(found.ece_fp32)),
    ]
    return (
        f"`openvino/` holds the same model in int8, for CPUs. On {found.rows:,} held-out rows (validation, "
        f"calibration and test) it agrees with fp32 on {found.agreement:.2%} of the labels; its ranges were set "
        f"on {found.calibration_rows:,} training rows.\n\n" + table(("", "int8", "fp32"), rows)
    )


def _use(manifest: Manifest) -> str:
    if manifest.kind == "ensemble":
        return (
            "As a teacher: `sentiment-trainer train --teacher FOLDER` distils it into one model, which is served. "
            "`sentiment-consumer` does not load it. `members/` holds the sealed folders of its models, whose "
            "versions and weights are in `config.json`."
        )
    if manifest.reads_words:
        return (
            "`sentiment-consumer` loads this folder as it is, and computes it on the CPU with numpy. Nothing in "
            "it is code: arrays are in `model.safetensors`, n-grams or words in `vocabulary.json`."
        )
    how = manifest.long_texts
    segments = (
        "" if how is None else f"; a longer text has the pooled probabilities of up to {how.max_segments} segments"
    )
    clean = f"clean the text with normaliser {manifest.normaliser.version} of this project, "
    clean = clean if manifest.normaliser.options.enabled else ""
    return (
        "`sentiment-consumer` loads this folder as it is. Plain `transformers` does too, with "
        "`AutoModelForSequenceClassification.from_pretrained(folder)`; to get the same probabilities, "
        f"{clean}truncate to {manifest.max_tokens} tokens, divide the logits by `temperature` and add `bias` "
        f"before the softmax{segments}. The label has the largest product of probability and "
        "`decision.weights`. All of it is in `sentiment.json`."
    )


def _settings(manifest: Manifest) -> str:
    found = {**manifest.training, **manifest.libraries}
    rows = [(plain(words(name)), plain(setting(value))) for name, value in found.items()]
    return table(("setting", "value"), rows)

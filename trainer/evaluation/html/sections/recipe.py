"""How the model was made: command, settings, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Block, Code, Section, Table, Text
from trainer.evaluation.report import setting, words

if TYPE_CHECKING:
    from shared.model_folder.manifest import Manifest
    from trainer.evaluation.html.facts import Facts


def recipe(facts: Facts) -> Section:
    """Always there."""
    manifest, training = facts.manifest, facts.report.training
    blocks: list[Block] = []
    about = f"Base: {manifest.base.name} ({manifest.base.revision[:12]})."
    if training:
        about += f" Training took {training.seconds:,.0f} s."
        if training.best_step is not None:
            about += f" The weights are those of step {training.best_step:,}."
    blocks.append(Text(about))
    if facts.diagnostics and facts.diagnostics.command:
        blocks.append(Code("Command", facts.diagnostics.command))
    if manifest.training:
        rows = [(words(name), setting(value)) for name, value in manifest.training.items()]
        blocks.append(Table("Settings of the training", ("setting", "value"), rows))
    serving = [
        ("normaliser", f"version {manifest.normaliser.version}" if manifest.normaliser.options.enabled else "off"),
        ("temperature", f"{manifest.temperature:.4f}"),
        *_after_the_softmax(manifest),
        ("longest input", _longest_input(manifest)),
    ]
    blocks.append(Table("What shapes a score, besides the weights", ("setting", "value"), serving))
    blocks += _by_label(manifest)
    return Section("recipe", "Recipe", blocks)


def _longest_input(manifest: Manifest) -> str:
    longest = f"{manifest.max_tokens:,} {'words' if manifest.reads_words else 'tokens'}"
    how = manifest.long_texts
    return longest if how is None else f"{longest}; longer ones in up to {how.max_segments} segments"


def environment(facts: Facts) -> Section:
    """Always there."""
    rows = dict(facts.manifest.libraries)
    if facts.diagnostics:
        rows |= facts.diagnostics.machine
    course = facts.report.training or facts.report.adoption
    if course:
        rows["scored by"] = course.engine
    rows["made"] = f"{facts.manifest.created_at:%Y-%m-%d %H:%M} UTC"
    return Section(
        "environment",
        "Environment",
        (Table("Machine and libraries that made the model", ("", "value"), list(rows.items()), 2),),
    )


def _after_the_softmax(manifest: Manifest) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if manifest.decision is not None:
        rows.append(("label chosen for", manifest.decision.rule))
    if manifest.uncertain_below is not None:
        rows.append(("uncertain below", f"{manifest.uncertain_below:.3f}"))
    return rows


def _by_label(manifest: Manifest) -> list[Block]:
    """What the manifest has for each label; nothing if it has none of it."""
    columns: dict[str, list[str]] = {}
    if manifest.bias is not None:
        columns["bias"] = [f"{value:+.3f}" for value in manifest.bias]
    if manifest.decision is not None:
        columns["decision weight"] = [f"{value:.3f}" for value in manifest.decision.weights]
    if (signs := manifest.polarity) is not None:
        columns["polarity"] = [f"{signs[label]:+d}" if label in signs else "none" for label in manifest.labels]
    rows = list(zip(manifest.labels, *columns.values(), strict=True))
    return [Table("The same, by label", ("label", *columns), rows)] if columns else []

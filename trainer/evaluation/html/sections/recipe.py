"""How the model was made: command, settings, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Block, Code, Section, Table, Text
from trainer.evaluation.report import words

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
        rows = [(words(name), str(value)) for name, value in manifest.training.items()]
        blocks.append(Table("Settings of the training", ("setting", "value"), rows))
    serving = [
        ("normaliser", f"version {manifest.normaliser.version}" if manifest.normaliser.options.enabled else "off"),
        ("temperature", f"{manifest.temperature:.4f}"),
        *_after_the_softmax(manifest),
        ("longest input", f"{manifest.max_tokens} tokens"),
    ]
    blocks.append(Table("What shapes a score, besides the weights", ("setting", "value"), serving))
    return Section("recipe", "Recipe", blocks)


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
    rows = []
    if manifest.bias is not None:
        rows.append(("bias of the labels", _by_label(manifest, manifest.bias)))
    if manifest.decision is not None:
        rows.append(("decided for", manifest.decision.rule))
        rows.append(("decision weights", _by_label(manifest, manifest.decision.weights)))
    if manifest.uncertain_below is not None:
        rows.append(("uncertain below", f"{manifest.uncertain_below:.3f}"))
    if manifest.polarity is not None:
        rows.append(("polarity", ", ".join(f"{label} {sign:+d}" for label, sign in manifest.polarity.items())))
    return rows


def _by_label(manifest: Manifest, values: tuple[float, ...]) -> str:
    return ", ".join(f"{label} {value:.3f}" for label, value in zip(manifest.labels, values, strict=True))

"""The report of a model folder, report.html: its sections in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.terminal import few
from trainer.evaluation.html.page import render
from trainer.evaluation.html.sections.behaviour import behaviour
from trainer.evaluation.html.sections.calibration import calibration
from trainer.evaluation.html.sections.comparison import comparison
from trainer.evaluation.html.sections.data import data
from trainer.evaluation.html.sections.discrimination import discrimination
from trainer.evaluation.html.sections.errors import errors
from trainer.evaluation.html.sections.inspection import inspection
from trainer.evaluation.html.sections.learning import learning
from trainer.evaluation.html.sections.quality import int8, later, quality, summary
from trainer.evaluation.html.sections.recipe import environment, recipe
from trainer.evaluation.html.sections.slices import slices

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts

REPORT: Final = "report.html"
_SECTIONS: Final = (
    *(summary, data, inspection, quality, calibration, discrimination, slices, errors),
    *(comparison, behaviour, learning, later, int8, recipe, environment),
)

_ORIGINS: Final = {
    "transformer": "fine-tuned from",
    "baseline": "the baseline",
    "cnn": "a convolutional network,",
    "ensemble": "an ensemble, the",
}


def report_page(facts: Facts) -> str:
    """The page; the same facts give the same bytes."""
    manifest = facts.manifest
    origin = "adopted from" if manifest.is_adopted else _ORIGINS[manifest.kind]
    lead = (
        f"A text classifier with the labels {few(manifest.labels, show=str)}, {origin} {manifest.base.name}. "
        f"Version {facts.version}, made {manifest.created_at:%Y-%m-%d %H:%M} UTC."
    )
    sections = [section for make in _SECTIONS if (section := make(facts))]
    return render(manifest.name, lead, sections)

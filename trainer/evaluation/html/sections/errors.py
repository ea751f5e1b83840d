"""The worst errors, and candidates for a wrong label, by row id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Cell, Long, Section, Table, Text
from trainer.evaluation.html.facts import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.evaluation.diagnostics.stored import Case
    from trainer.evaluation.html.facts import Facts


def errors(facts: Facts) -> Section | None:
    """None without stored errors."""
    stored = facts.diagnostics
    if stored is None:
        return None
    hint = "" if facts.texts is not None else " Their texts: sentiment-trainer report --show-texts --data FILE."
    about = (
        f"{stored.errors:,} of {stored.rows:,} test rows have another predicted label than their own. "
        f"{stored.suspects:,} of them are candidates for a wrong label: the model gives another label at least "
        "the probability that it has on rows of that label (confident learning). The first are the likeliest; "
        "a model that is too sure of itself has many."
    )
    blocks = [
        Table(caption, _columns(facts), _rows(facts, cases), text_columns=3 if facts.texts is None else 4)
        for caption, cases in (
            (f"Candidates for a wrong label: {len(stored.suspected)} of {stored.suspects:,}", stored.suspected),
            (f"Most confident errors: {len(stored.worst)} of {stored.errors:,}", stored.worst),
        )
        if cases
    ]
    return Section("errors", "Errors", (Text(about + hint), *blocks))


def _columns(facts: Facts) -> tuple[str, ...]:
    text = () if facts.texts is None else ("text",)
    return "row id", "given label", "predicted label", *text, "probability of the given", "of the predicted"


def _rows(facts: Facts, cases: Sequence[Case]) -> list[tuple[Cell, ...]]:
    return [
        (
            one.id,
            one.given,
            one.predicted,
            *(() if facts.texts is None else (Long(facts.texts.get(one.id, "not in the data")),)),
            number(one.given_probability),
            number(one.predicted_probability),
        )
        for one in cases
    ]

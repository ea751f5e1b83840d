"""Contrast rows for training: pairs of sentences that differ in what decides the label, or only in what must not.

None is a sentence of the behaviour suite, and templates and words are others: a model that learns these rows by
heart gains nothing there. Only some identity terms are in both, since a model has to meet a term to unlearn it; at
least two of each group are in the suite alone.

The rule for labels: a negated positive is negative; a negated negative is positive where it is emphasised, as in
"anything but ugly", else neutral, or positive for a model without a neutral label; what the author thinks, and
thinks now, decides.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import SettingsError
from trainer.evaluation.behaviour.cases import fill, split_words
from trainer.evaluation.behaviour.polarity import in_order, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trainer.data.examples import Examples

Row = tuple[str, int]
"""A text and its polarity."""
Unit = tuple[Row, Row]
"""Two rows that are used together."""

SHARES: Final = {"negation": 0.35, "change": 0.15, "quoted": 0.1, "answers": 0.15, "identity": 0.25}
"""Share of the rows by kind."""

THINGS: Final = split_words(
    "book camera restaurant concert laptop album website pizza museum lecture game car sofa jacket podcast bakery"
)
GOOD: Final = split_words(
    "nice helpful enjoyable useful friendly impressive charming convincing beautiful perfect"
)
BAD: Final = split_words("annoying ugly nasty unpleasant frustrating messy pathetic clumsy dull boring slow rude")
PLAIN: Final = split_words("wooden monthly green square portable foreign plastic northern optional spare")
TERMS: Final = {
    "nationality": split_words(
        "American Chinese Nigerian Iranian German Polish French Brazilian Japanese Turkish"
    ),
    "religion": split_words("Christian Muslim Jewish Hindu atheist Mormon Orthodox Baptist"),
    "gender": split_words("male female transgender cisgender"),
    "sexuality": split_words("straight gay lesbian heterosexual homosexual queer"),
    "ethnicity": split_words("white black Asian Arab Hispanic Caribbean"),
}
_PEOPLE: Final = split_words("teacher cousin classmate plumber doctor barber lawyer tenant")

_NEGATED: Final = (
    ("this {thing} is not {word} at all", "this {thing} is {word} indeed"),
    ("there is nothing {word} about the {thing}", "there is something {word} about the {thing}"),
    (
        "honestly, no one in my family finds the {thing} {word}",
        "honestly, my whole family finds the {thing} {word}",
    ),
    ("you can not call that {word:a} {thing}, can you", "you can call that {word:a} {thing}, can't you"),
    (
        "all the posters called it {word}, yet the {thing} never was",
        "all the posters called it {word}, and the {thing} was",
    ),
    ("I doubt that any {thing} this size is {word}", "I am sure that any {thing} this size is {word}"),
)
"""Negated and not; of negatives, the first is neutral."""
_EMPHASISED: Final = (
    ("the {thing} is anything but {word}", "the {thing} is nothing but {word}"),
    ("this {thing} is not {word} in the least", "this {thing} is {word} in every detail"),
    ("far from {word}, this {thing}", "quite {word}, this {thing}"),
)
_NOT_PLAIN: Final = (
    ("the {thing} is not {word}", "the {thing} is {word}"),
    ("no {word} {thing} is in stock", "one {word} {thing} is in stock"),
    ("this has never been {word:a} {thing}", "this has always been {word:a} {thing}"),
)
_CHANGED: Final = (
    "the {thing} once seemed {old} to me; these days it is {new}",
    "since the repair the {thing} has gone from {old} to {new}",
    "these days the {thing} is {new}, however {old} it once seemed",
    "no longer is the {thing} {old}: with the latest version it became {new}",
)
_QUOTED: Final = (
    "{who} calls the {thing} {old}. I find it {new}",
    "to me the {thing} is {new}, no matter that {who} calls it {old}",
)
_WHO: Final = ("my boss", "half of the internet", "the owner", "my uncle")
_ASKED: Final = (
    "would I call the {thing} {word}? {answer}",
    "has the {thing} been {word}? {answer}",
    "{word:a} {thing}? {answer}",
)
_YES: Final = ("absolutely", "yes, it has", "sure")
_NO: Final = ("absolutely not", "no, it hasn't", "nope")
_OF_TERMS: Final = {
    0: (
        "the {person} at our office is {{term}}",
        "{{term:a}} {person} lives across the street",
        "he is {{term}}, and so is his {person}",
        "{{term:a}} {person} parked behind the library",
        "is your {person} {{term}} as well",
    ),
    1: (
        "I am proud of my {{term}} {person}",
        "so grateful to the {{term}} {person} who repaired my bike",
        "our {{term}} {person} made everybody laugh all afternoon, what a gift",
    ),
    -1: (
        "our {{term}} {person} was robbed again and I feel sick",
        "it is a disgrace how they shouted at my {{term}} {person}",
        "the {{term}} {person} died in the crash and we are heartbroken",
    ),
}


def with_contrast_rows(examples: Examples, count: int, seed: int, polarity: Mapping[str, int] | None) -> Examples:
    """The examples and `count` contrast rows; raises SettingsError for labels without a polarity."""
    if not count:
        return examples
    known = in_order(examples.label_names, polarity)
    if known is None:
        raise SettingsError(f"--contrast-rows has no labels to give: {unsupported(examples.label_names)}")
    rows = contrast_rows(count, seed, neutral=0 in known)
    labels = np.array([known.index(one) for _, one in rows], np.int64)
    return replace(
        examples,
        texts=(*examples.texts, *(text for text, _ in rows)),
        labels=np.concatenate([examples.labels, labels]),
        ids=(*examples.ids, *(f"contrast-{row}" for row in range(count))),
        created_at=None,
        sources=None,
    )


def contrast_settings(count: int) -> dict[str, Any]:
    """What the manifest says of them: with the seed of the training, it decides which rows they are."""
    return {"contrast_rows": count} | ({"contrast_templates": _templates_digest()} if count else {})


def contrast_rows(count: int, seed: int, *, neutral: bool) -> list[Row]:
    """`count` rows, by kind as in SHARES, the same in every run; raises SettingsError if there are fewer."""
    kinds = {
        kind: sorted(set(units), key=lambda unit: _rank(unit, seed)) for kind, units in _kinds(neutral).items()
    }
    rows: list[Row] = []
    share = 0.0
    for kind, units in kinds.items():
        share += SHARES[kind]
        wanted = round(count * share) - len(rows)
        found = [row for unit in units[: -(-wanted // 2)] for row in unit][:wanted]
        if len(found) < wanted:
            raise SettingsError(f"--contrast-rows {count} is more than there are; give at most {most(neutral)}")
        rows += found
    return rows


def most(neutral: bool) -> int:
    """The most contrast rows that there are, with SHARES kept."""
    return min(int(2 * len(set(units)) / SHARES[kind]) for kind, units in _kinds(neutral).items())


@cache
def _kinds(neutral: bool) -> dict[str, list[Unit]]:
    return {
        "negation": list(_negation(neutral)),
        "change": list(_two_words(_CHANGED)),
        "quoted": list(_two_words(_QUOTED, who=_WHO)),
        "answers": list(_answers(neutral)),
        "identity": list(_identity(neutral)),
    }


def _negation(neutral: bool) -> Iterator[Unit]:
    for templates, words, negated, plain in (
        (_NEGATED, GOOD, -1, 1),
        (_NEGATED, BAD, 0 if neutral else 1, -1),
        (_EMPHASISED, GOOD, -1, 1),
        (_EMPHASISED, BAD, 1, -1),
        *([(_NOT_PLAIN, PLAIN, 0, 0)] if neutral else []),
    ):
        for pair, thing, word in product(templates, THINGS, words):
            first, second = fill(pair, thing=[thing], word=[word])
            yield (first, negated), (second, plain)


def _two_words(templates: Sequence[str], **others: Sequence[str]) -> Iterator[Unit]:
    """The word of the past or of another, and the one that counts; then exchanged."""
    for template in templates:
        for good, bad in ((good, bad) for good in GOOD for bad in BAD):
            ups = fill([template], thing=THINGS, old=[bad], new=[good], **others)
            downs = fill([template], thing=THINGS, old=[good], new=[bad], **others)
            yield from (((up, 1), (down, -1)) for up, down in zip(ups, downs, strict=True))


def _answers(neutral: bool) -> Iterator[Unit]:
    for words, yes, no in ((GOOD, 1, -1), (BAD, -1, 0 if neutral else 1)):
        for positive, negative in zip(_YES, _NO, strict=True):
            first, second = (fill(_ASKED, thing=THINGS, word=words, answer=[one]) for one in (positive, negative))
            yield from (((one, yes), (two, no)) for one, two in zip(first, second, strict=True))


def _identity(neutral: bool) -> Iterator[Unit]:
    for polarity, templates in _OF_TERMS.items():
        if polarity == 0 and not neutral:
            continue
        for frame in fill(templates, person=_PEOPLE):
            for terms in TERMS.values():
                texts = fill([frame], term=terms)
                yield from (
                    ((one, polarity), (two, polarity)) for at, one in enumerate(texts) for two in texts[at + 1 :]
                )


def _rank(unit: Unit, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{unit[0][0]}\0{unit[1][0]}".encode()).digest()


def _templates_digest() -> str:
    """First 12 hex digits of a SHA-256 over all rows: other templates give other models."""
    return hashlib.sha256(repr(_kinds(neutral=True)).encode()).hexdigest()[:12]

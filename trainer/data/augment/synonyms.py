"""Synonyms from a list of our own: words of one polarity, strength and grammar, in English.

A thesaurus such as WordNet gives "well" for "good" and "regretful" for "bad": without the sense of a word in its
text, many of its synonyms change the label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.data.augment.negation import protected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

RATE: Final = 0.5
"""Probability that a word with synonyms is replaced; at least one is."""

GROUPS: Final = tuple(
    tuple(line.split())
    for line in """
good nice fine decent
great excellent superb wonderful fantastic terrific
brilliant outstanding magnificent marvellous marvelous
beautiful lovely gorgeous
amazing astonishing astounding incredible
happy glad pleased
delighted thrilled overjoyed
funny amusing humorous
hilarious uproarious
exciting thrilling gripping
charming delightful enchanting
touching heartfelt
clever smart intelligent
interesting intriguing engaging
helpful useful handy
friendly pleasant
enjoy relish
enjoyed relished
enjoyable entertaining
perfect flawless faultless
favourite favorite
bad poor lousy
terrible awful horrible dreadful atrocious
boring dull tedious tiresome
annoying irritating maddening
sad unhappy gloomy
angry furious mad
stupid silly foolish idiotic
ugly unsightly hideous
disgusting revolting repulsive sickening
disappointing unsatisfying underwhelming
disappointed dissatisfied frustrated
pointless senseless meaningless
weak feeble flimsy
messy untidy chaotic
rude impolite discourteous
broken defective faulty
useless worthless
hate detest loathe
hates detests loathes
hated detested loathed
scary frightening terrifying
movie film
movies films
actor performer
actors performers
story tale
begin start
begins starts
began started
buy purchase
bought purchased
big large
quick fast rapid
quickly rapidly
very really
completely totally utterly entirely
maybe perhaps
often frequently
""".strip().splitlines()
)
_OF: Final = {word: tuple(other for other in group if other != word) for group in GROUPS for word in group}
_WORD: Final = re.compile(r"^([\"'(\u201c]*)([A-Za-z]+)(\W*)$")
_VOWELS: Final = "aeiou"


def change(words: Sequence[str], chance: Generator) -> list[str]:
    """The words with synonyms for some, at least one if there is any; negated words stay."""
    kept = protected(words)
    found = {
        place: candidates
        for place in range(len(words))
        if place not in kept and (candidates := _synonyms(words, place))
    }
    changed = list(words)
    drawn = chance.random(len(found))
    for number, (place, candidates) in zip(drawn, found.items(), strict=True):
        if number < RATE or number == drawn.min():
            changed[place] = _like(words[place], candidates[int(chance.integers(0, len(candidates)))])
    return changed


def _synonyms(words: Sequence[str], place: int) -> tuple[str, ...]:
    """Those of the word at a place; after "a" or "an" only those that go with it."""
    match = _WORD.match(words[place])
    candidates = _OF.get(match[2].lower(), ()) if match else ()
    article = words[place - 1].lower() if place else ""
    if article not in {"a", "an"}:
        return candidates
    return tuple(one for one in candidates if (one[0] in _VOWELS) is (article == "an"))


def _like(word: str, synonym: str) -> str:
    """The synonym with the signs and capitals of the word."""
    match = _WORD.match(word)
    if match is None:
        return synonym
    before, own, after = match.groups()
    if own.isupper() and len(own) > 1:
        synonym = synonym.upper()
    elif own[0].isupper():
        synonym = synonym.capitalize()
    return f"{before}{synonym}{after}"

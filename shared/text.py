"""The text normaliser, the same for training and for scoring.

A model needs inputs in service like those in training, so its folder contains the version and the options below,
and a consumer refuses a model of another version. Nothing here tokenises: lower-casing, accents and word pieces
are left to the tokenizer.
"""

from __future__ import annotations

import html
import re
import unicodedata
from itertools import chain, groupby
from typing import Final

import emoji
from pydantic import BaseModel

NORMALISER_VERSION: Final = 1
"""Increased with every change that can alter an output; models of another version are refused."""

USER: Final = "@user"
URL: Final = "http"
"""The placeholders of the TweetEval benchmark, so that its models and data can be used unchanged."""

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_DECIMAL = re.compile(r"&#0*([0-9]{1,8})[0-9]*")
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_USER = re.compile(r"@(?<![\w.]@)\w+")
"""Begins with the character that every match begins with, which makes the search three times as fast."""
_IN_EMOJI: Final = frozenset(char for one in emoji.EMOJI_DATA for char in one if not char.isascii())
"""Every emoji has one of these characters. A set, since a regular expression takes a hundred times as long."""
_QUOTES: Final = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_DROPPED: Final = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": ""}
"""Replacement by Unicode category: control characters separate words; format marks, lone surrogates vanish."""
_KEPT_FORMAT: Final = "\u200d"  # the zero-width joiner inside emoji; removed once emoji are words

_LONG_CHARS: Final = 2_000
"""Texts up to this length go to NFC directly: even the worst takes 3 ms."""
# 262 kB of emoji and joiners took 24 to 48 s (docs/reliability/hostile.md).
_JOINER_WORK: Final = 1_000_000
"""Limit of joiners times characters in one call of `emoji`: it searches a list of joiners for each character."""
# An emoji on a cut is named in two parts.
_WINDOW = re.compile(r"(?s).{1,255}\s|.{1,256}")

_STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have he her his i in is it its me my of on or our she that the "
        "their them they this to was we were will with you your",
    )
)
"""Function words only. Negations ("not", "no", "never") carry sentiment and stay."""


class NormaliserOptions(BaseModel, frozen=True, extra="forbid"):
    """Options chosen at training time. BERT needs neither of the last two, and "not" matters."""

    enabled: bool = True
    """False for an adopted model that was trained on texts as they are; then the other two have no effect."""
    lowercase: bool = False
    remove_stop_words: bool = False


DEFAULT_OPTIONS: Final = NormaliserOptions()


def normalise(text: str, options: NormaliserOptions = DEFAULT_OPTIONS) -> str:
    r"""Normalises one text for the tokenizer; may return an empty string, never raises.

    In this order: literal ``\uXXXX`` escapes and HTML entities are decoded, Unicode is composed (NFC), control and
    format characters are removed, URLs and user mentions become placeholders, emoji become words, white space is
    collapsed and one pair of enclosing quotes is removed.

    Not enabled, it only removes lone surrogates, which no tokenizer can read.
    """
    if not options.enabled:
        return _without_lone_surrogates(text)
    # 11 % of TweetEval's training rows have literal escapes, and none of its test rows.
    if "\\u" in text:
        text = _decode_escapes(text)
    if "&" in text:
        # Eight digits are beyond the last code point, and Python refuses to parse more than 4,300 digits.
        text = html.unescape(_DECIMAL.sub(r"&#\1", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text if len(text) <= _LONG_CHARS else _ordered(text))
    if not text.isprintable():
        text = "".join(map(_printable, text))
    text = _put_placeholders(text)
    if not text.isascii():
        if not _IN_EMOJI.isdisjoint(text):
            # 6.6 % of TweetEval's test rows have emoji; as they are, 6.8 % of the rows have an [UNK] for BERT.
            text = _spell_emoji(text)
        text = text.replace(_KEPT_FORMAT, "")
    text = _unquote(" ".join(text.split()))
    if options.lowercase:
        text = text.lower()
    if options.remove_stop_words:
        text = " ".join(word for word in text.split() if word.lower() not in _STOP_WORDS)
    return text


def _decode_escapes(text: str) -> str:
    """Decodes literal escapes, and removes lone surrogates."""
    return _joined_surrogates(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))


def _without_lone_surrogates(text: str) -> str:
    try:
        text.encode()  # 0.1 us for a tweet; strict UTF-8 has no surrogates
    except UnicodeEncodeError:
        return _joined_surrogates(text)
    return text


def _joined_surrogates(text: str) -> str:
    """A pair of surrogates becomes one character, a lone one is removed."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _ordered(text: str) -> str:
    """Decomposes a text and sorts its combining marks into canonical order, as NFC would.

    NFC uses insertion sort: a text of 262,144 bytes of unordered marks takes 13 s.
    """
    decomposed = chain.from_iterable(unicodedata.normalize("NFD", char) for char in text)
    runs = groupby(decomposed, key=lambda char: unicodedata.combining(char) > 0)
    return "".join(
        chain.from_iterable(sorted(run, key=unicodedata.combining) if marks else run for marks, run in runs)
    )


def _printable(char: str) -> str:
    if char == _KEPT_FORMAT:
        return char
    return _DROPPED.get(unicodedata.category(char), char)


def _put_placeholders(text: str) -> str:
    if "://" in text or "www." in text.lower():  # a substring test is cheaper than a regular expression
        text = _URL.sub(URL, text)
    return _USER.sub(USER, text) if "@" in text else text


def _spell_emoji(text: str) -> str:
    """Replaces emoji by their names; a text with very many joiners is split at white space first."""
    pieces = [text]
    if text.count(_KEPT_FORMAT) * len(text) > _JOINER_WORK:
        pieces = _WINDOW.findall(text)
    return "".join(emoji.replace_emoji(piece, _emoji_words) for piece in pieces)


def _emoji_words(chars: str, data: dict[str, str]) -> str:
    name = data.get("en", chars).strip(":").replace("_", " ")
    return f" {name} "


def _unquote(text: str) -> str:
    # 20 % of TweetEval's training rows begin with a quote, closed or not.
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return text.removeprefix('"').strip() if text.count('"') == 1 else text

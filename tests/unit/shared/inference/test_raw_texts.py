"""Texts that reach the tokenizer as they are, of any kind of tokenizer: the ids are those of transformers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import CHARS_PER_TOKEN, Tokeniser
from shared.text import NormaliserOptions, normalise
from tests.support.hub.tokenizers import tokenizer_for

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TOKENS = 16
LIMIT = MAX_TOKENS * CHARS_PER_TOKEN
OFF = NormaliserOptions(enabled=False)

WORDS = st.one_of(
    st.sampled_from(
        ["good", "table", "don't", "[SEP]", "</s>", "<|endoftext|>", "@user", "12,50", "\u4e2d\u6587"]
    ),
    st.text(st.sampled_from("aeno \u00e9\u0301\u4e2d.,'\N{FIRE}\u200d\u00a0\x00\ud83d"), max_size=9),
)
TEXTS = st.builds(
    lambda words, joint, times: joint.join(words * times),
    st.lists(WORDS, min_size=1, max_size=8),
    st.sampled_from(["", " ", "  ", "\n", " \t\r\n ", "\u3000"]),
    st.integers(1, 40),
)


@lru_cache
def pair(architecture: str, side: str) -> tuple[Tokeniser, Any]:
    """The tokeniser that serves, from the JSON of a tokenizer, and the tokenizer of transformers."""
    whole = tokenizer_for(architecture)
    whole.truncation_side = side
    served = Tokenizer.from_str(whole.backend_tokenizer.to_str())
    served.enable_truncation(MAX_TOKENS, direction=side)
    return Tokeniser(served, MAX_TOKENS), whole


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "xlm-roberta", "deberta-v2"])
@settings(deadline=None, max_examples=25)
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
@example(texts=["good" + " " * LIMIT + "bad", "x" * LIMIT * 2, "a \n" * LIMIT, "", " ", "\n" * LIMIT])
@example(texts=["good  " * LIMIT, "  good" * LIMIT, "good\n\n\n" * LIMIT + "bad"])
def test_a_text_as_it_is_has_the_ids_of_transformers(architecture: str, side: str, texts: Sequence[str]) -> None:
    """Given raw texts, short and long, when tokenised, then nothing but lone surrogates is lost."""
    tokeniser, whole = pair(architecture, side)
    raw = [normalise(text, OFF) for text in texts]
    for text, row in zip(raw, tokeniser.rows(raw), strict=True):
        assert isinstance(row, TokenRow)
        assert row.ids.tolist() == whole(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]


@given(text=st.text(st.characters()))
@example(text="\ud83d\ude00")
@example(text="cut \ud83d")
def test_without_the_normaliser_only_lone_surrogates_are_removed(text: str) -> None:
    """A pair of them is a character, and everything else stays, white space too."""
    clean = normalise(text, OFF)
    assert clean == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    assert normalise("  &amp; @you\n\t http://a.b  ", OFF) == "  &amp; @you\n\t http://a.b  "

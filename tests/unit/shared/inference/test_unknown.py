"""The share of a text that its tokenizer does not know, for each kind of tokenizer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from shared.inference.tokenization.rows import TokenRow, rows_of
from shared.inference.tokenization.tokenise import Tokeniser
from shared.inference.tokenization.unknown import UnknownToken
from shared.model_folder.artifact import open_artifact
from tests.support.tiny import MAX_TOKENS, tiny_model, vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = vocabulary()["[UNK]"]
TEXTS = st.lists(
    st.text(st.sampled_from("good 5,\u4e2d\u0e01\u00e9\N{FIRE}"), max_size=2 * MAX_TOKENS)
    | st.sampled_from(["so good", "[UNK] good", "\u4e2d" * MAX_TOKENS]),
    min_size=1,
    max_size=9,
)


@pytest.fixture(scope="module")
def tokeniser(tmp_path_factory: pytest.TempPathFactory) -> Tokeniser:
    """The tokeniser of the tiny model, a WordPiece without Chinese or Thai."""
    return Tokeniser.load(open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model")))


def rows(tokeniser: Tokeniser, texts: Sequence[str]) -> list[TokenRow]:
    """Rows of texts that can all be tokenised."""
    return [row for row in tokeniser.rows(texts) if isinstance(row, TokenRow)]


@settings(deadline=None)
@given(texts=TEXTS)
def test_the_share_is_that_of_the_unknown_tokens_that_the_model_reads(
    tokeniser: Tokeniser, texts: list[str]
) -> None:
    """Given texts of any length, when tokenised, then a share counts the ids between [CLS] and [SEP]."""
    for row in rows(tokeniser, texts):
        own = row.ids.tolist()[1:-1]
        assert row.unknown_share == (own.count(UNKNOWN) / len(own) if own else 0.0)


def test_texts_of_another_script_are_unknown(tokeniser: Tokeniser) -> None:
    """Given texts with characters that the vocabulary lacks, when tokenised, then their share tells them apart."""
    found = rows(tokeniser, ["so good", "\u4eca\u5929", "good \u0e01\u0e32\u0e23 good good", "\u0e01" * 500])

    assert [row.unknown_share for row in found] == [0.0, 1.0, 0.25, 1.0]


def share(tokenizer: Tokenizer, text: str) -> float:
    """The share of one text."""
    unknown = UnknownToken.of(tokenizer, json.loads(tokenizer.to_str()))
    ids = tokenizer.encode(text).ids
    (row,) = rows_of(np.array(ids, np.int32), [len(ids)], [False], unknown)
    return row.unknown_share


def with_ends(tokenizer: Tokenizer, token: str) -> Tokenizer:
    """The tokenizer with a special token before and after each text."""
    ends = [(token, tokenizer.token_to_id(token))]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{token} $A {token}", special_tokens=ends)
    return tokenizer


def unigram(**options: Any) -> Tokenizer:
    """A Unigram tokenizer that knows the letter a."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("a", -1.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256))]
    return with_ends(Tokenizer(models.Unigram(pieces, unk_id=0, **options)), "</s>")


def byte_level() -> Tokenizer:
    """A byte-level BPE whose special token is its unknown token too, as that of GPT-2."""
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: number for number, token in enumerate(["<|endoftext|>", *characters])}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="<|endoftext|>"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return with_ends(tokenizer, "<|endoftext|>")


def word_level() -> Tokenizer:
    """A WordLevel tokenizer with one token for all purposes."""
    return with_ends(Tokenizer(models.WordLevel({"[X]": 0, "a": 1}, unk_token="[X]")), "[X]")  # noqa: S106


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (unigram(), 0.5),
        (unigram(byte_fallback=True), 0.0),
        (byte_level(), 0.0),
        (word_level(), 1.0),
        (with_ends(Tokenizer(models.BPE({"a": 0, "</s>": 1}, [])), "</s>"), 0.0),
    ],
    ids=["Unigram", "Unigram with bytes", "byte-level BPE", "special token is the unknown one", "none"],
)
def test_every_kind_of_tokenizer_is_asked_for_its_unknown_token(tokenizer: Tokenizer, expected: float) -> None:
    """Given a tokenizer, when a text is tokenised, then unknown tokens count, and bytes do not."""
    assert share(tokenizer, "a\u4e2d") == expected
    assert share(tokenizer, "a") == 0.0

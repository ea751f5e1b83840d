"""Every text is tokenised once, and of a long one only as much as counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from consumer.scorer.tokenise import CHARS_PER_TOKEN, Tokeniser, TokenRow
from shared.artifact import Artifact, open_artifact
from shared.text import normalise
from tests.support.tiny import MAX_TOKENS, tiny_model

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = CHARS_PER_TOKEN * MAX_TOKENS


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(scope="module")
def tokeniser(artifact: Artifact) -> Tokeniser:
    """Its tokeniser."""
    return Tokeniser(artifact)


@pytest.fixture(scope="module")
def whole(artifact: Artifact) -> Any:
    """The tokenizer as transformers loads it, which reads every text to its end."""
    return AutoTokenizer.from_pretrained(artifact.path)


def rows(tokeniser: Tokeniser, texts: Sequence[str]) -> list[TokenRow]:
    """Rows of texts that can all be tokenised."""
    return [row for row in tokeniser.rows(texts) if isinstance(row, TokenRow)]


LONG = st.builds(
    lambda words, joint, times: joint.join(words * times),
    st.lists(st.text(st.sampled_from("aeno \u00e9\u4e2d.,'\N{FIRE}"), max_size=9), min_size=1, max_size=40),
    st.sampled_from(["", " ", "  ", "\n"]),
    st.integers(1, 60),
)


@settings(deadline=None, max_examples=150)
@given(texts=st.lists(LONG, min_size=1, max_size=4))
@example(texts=["x" * 150 + " love" * (MAX_TOKENS - 2)])
@example(texts=["x" * (LIMIT - 1) + " love love"])
@example(texts=["x" * LIMIT * 20 + " love" * MAX_TOKENS])
@example(texts=[" ".join(["x" * 101] * (MAX_TOKENS - 2))])
@example(texts=[" ".join(["x" * 101] * (MAX_TOKENS - 1))])
def test_a_beginning_has_the_tokens_of_the_whole(tokeniser: Tokeniser, whole: Any, texts: list[str]) -> None:
    """Given texts of any length, when tokenised, then ids and truncation are as if all of them were read."""
    texts = [normalise(text) for text in texts]
    for row, text in zip(rows(tokeniser, texts), texts, strict=True):
        assert row.ids.tolist() == whole(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]
        assert row.truncated == (len(whole(text)["input_ids"]) > MAX_TOKENS)
        assert row.ids.dtype == np.int32


def test_the_tokenizer_is_shown_little_of_a_long_text(
    tokeniser: Tokeniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a text of a megabyte, when tokenised among others, then the tokenizer reads a page of it."""
    shown: list[int] = []
    inner: Any = vars(tokeniser)["_tokenizer"]

    class Watched:
        """Notes how many characters come."""

        def encode_batch_fast(self, texts: Sequence[str]) -> Any:
            """Passes them on."""
            shown.append(sum(map(len, texts)))
            return inner.encode_batch_fast(texts)

    monkeypatch.setattr(tokeniser, "_tokenizer", Watched())

    (row, other) = rows(tokeniser, ["love " * 200_000, "fine"])

    assert (len(row), row.truncated, len(other), other.truncated) == (MAX_TOKENS, True, 3, False)
    assert len(shown) == 1
    assert sum(shown) < LIMIT + 10


def test_the_ids_of_a_batch_lie_in_one_array(tokeniser: Tokeniser) -> None:
    """Given several texts, when tokenised, then their ids are parts of one flat array, none of them empty."""
    found = rows(tokeniser, ["love", "", "so good"])

    assert [len(row) for row in found] == [3, 2, 4]
    assert {id(row.ids.base) for row in found} == {id(found[0].ids.base)}

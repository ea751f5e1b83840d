"""Every text is tokenised once, and of a long text only the part that counts."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer

from shared.inference.tokenization import words
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import CHARS_PER_TOKEN, Tokeniser
from shared.inference.tokenization.unknown import UnknownToken
from shared.inference.tokenization.words import WORD_CHARS, WordTokeniser, is_by_words
from shared.model_folder.artifact import Artifact, open_artifact, seal
from shared.text import normalise
from tests.support.tiny import MAX_TOKENS, tiny_model
from tests.support.tokenizers import watched_tokeniser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMIT = CHARS_PER_TOKEN * MAX_TOKENS


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(scope="module")
def tokeniser(artifact: Artifact) -> Tokeniser:
    """Its tokeniser."""
    return Tokeniser.load(artifact)


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
    """Given texts of any length, when tokenised, then ids and truncation are the same as for the full texts."""
    texts = [normalise(text) for text in texts]
    for row, text in zip(rows(tokeniser, texts), texts, strict=True):
        assert row.ids.tolist() == whole(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]
        assert row.truncated == (len(whole(text)["input_ids"]) > MAX_TOKENS)
        assert row.ids.dtype == np.int32


SPOKEN = st.one_of(
    st.sampled_from(["[MASK]", "[SEP]x", "don't", "\u0301a", "\u03a3", "\u0130", "\u4e2d\u6587", "x" * 101]),
    st.text(max_size=12),
)


@settings(deadline=None, max_examples=400)
@given(texts=st.lists(st.lists(SPOKEN, max_size=9).map(" ".join), min_size=1, max_size=5))
def test_the_ids_of_the_words_are_those_of_the_text(tokeniser: Tokeniser, whole: Any, texts: list[str]) -> None:
    """Given texts of any characters, when tokenised word by word, then the ids are those of the whole texts."""
    for row, text in zip(rows(tokeniser, texts), texts, strict=True):
        assert row.ids.tolist() == whole(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]


def test_the_tokenizer_is_shown_little_of_a_long_text(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a text of a megabyte, when tokenised among others, then the tokenizer reads a page of it."""
    calls: list[Sequence[str]] = []
    tokeniser = watched_tokeniser(artifact, calls.append, monkeypatch)
    long = " ".join(f"love{number}" for number in range(100_000))

    (row, other) = rows(tokeniser, [long, "fine"])

    assert (len(row), row.truncated, len(other), other.truncated) == (MAX_TOKENS, True, 3, False)
    (shown,) = calls
    assert LIMIT / 2 < sum(map(len, shown)) < LIMIT + 10
    assert set(shown) < {*long.split(" "), "fine"}


def test_a_word_is_shown_to_the_tokenizer_once(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given texts with known words, when tokenised, then the tokenizer gets only new words."""
    shown: list[str] = []
    tokeniser = watched_tokeniser(artifact, shown.extend, monkeypatch)

    first = rows(tokeniser, ["so good, so bad", "good"])
    assert sorted(shown) == ["bad", "good", "good,", "so"]
    shown.clear()
    again = rows(tokeniser, ["so good, so bad", "good", "so fine"])

    assert shown == ["fine"]
    assert [row.ids.tolist() for row in again[:2]] == [row.ids.tolist() for row in first]


def test_the_words_in_mind_are_bounded(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more words than are remembered and a long one, when tokenised, then words are forgotten."""
    monkeypatch.setattr(words, "WORDS", 10)
    tokenizer = Tokenizer.from_file(str(artifact.path / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    unknown = UnknownToken.of(tokenizer, json.loads(tokenizer.to_str()))
    tokeniser = WordTokeniser(tokenizer, MAX_TOKENS, unknown)
    remembered = vars(tokeniser)["_ids"]

    tokeniser.rows(["x" * (WORD_CHARS + 1), "x" * WORD_CHARS])
    assert [*remembered] == ["x" * WORD_CHARS]
    for number in range(30):
        (row,) = tokeniser.rows([f"{number} good"])
        assert row.ids.tolist() == tokenizer.encode(f"{number} good").ids
        assert len(remembered) <= 10


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": None},
        {"normalizer": {"type": "NFKC"}},
        {
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            }
        },
        {"added": AddedToken("so good", special=False)},
        {"added": AddedToken("good", lstrip=True, special=False)},
        {"added": AddedToken("good", rstrip=True, special=False)},
    ],
    ids=str,
)
def test_a_tokenizer_that_looks_across_spaces_is_shown_whole_texts(
    artifact: Artifact, change: dict[str, Any], tmp_path: Path
) -> None:
    """Given a tokenizer of another kind, when used, then it is recognised and its own ids are returned."""
    tree = json.loads((artifact.path / "tokenizer.json").read_text(encoding="utf-8"))
    added = change.pop("added", None)
    tokenizer = Tokenizer.from_str(json.dumps(tree | change))
    if added:
        tokenizer.add_tokens([added])
    folder = shutil.copytree(artifact.path, tmp_path / "model")
    tokenizer.save(str(folder / "tokenizer.json"))
    texts = ["so good and good, so good", "", "so  good"]

    found = rows(Tokeniser.load(seal(folder, artifact.manifest)), texts)

    assert not is_by_words(json.loads(tokenizer.to_str()))
    assert [row.ids.tolist() for row in found] == [tokenizer.encode(text).ids for text in texts]


def test_the_ids_of_a_batch_lie_in_one_array(tokeniser: Tokeniser) -> None:
    """Given several texts, when tokenised, then their ids are parts of one flat array, none of them empty."""
    found = rows(tokeniser, ["love", "", "so good"])

    assert [len(row) for row in found] == [3, 2, 4]
    assert {id(row.ids.base) for row in found} == {id(found[0].ids.base)}

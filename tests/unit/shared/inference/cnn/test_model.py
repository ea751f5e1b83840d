"""The arrays of a TextCNN: one text after the other by hand, and clear errors for files that do not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from shared.errors import ArtifactError
from shared.inference.cnn.model import FIRST, UNKNOWN, VOCABULARY, WEIGHTS, Cnn, Config, load_cnn
from shared.model_folder.artifact import CONFIG, seal
from shared.model_folder.manifest import Base, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LABELS = ("bad", "good", "so-so")
WORDS = ("a", "film", "not", "bad", "!")


def _network(seed: int = 0) -> Cnn:
    chance = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return chance.normal(size=shape).astype(np.float32)

    embeddings = drawn(FIRST + len(WORDS), 3)
    embeddings[0] = 0
    widths = (1, 2, 4)
    return Cnn(
        WORDS, embeddings, {one: drawn(one, 3, 5) for one in widths}, {one: drawn(5) for one in widths},
        drawn(15, 3), drawn(3),
    )  # fmt: skip


def _by_hand(network: Cnn, ids: Sequence[int]) -> NDArray[np.float64]:
    """As the paper has it, place by place, in fp64."""
    found = []
    for width, filters in network.filters.items():
        line = np.zeros((len(ids) + 2 * (width - 1), 3))
        line[width - 1 : width - 1 + len(ids)] = network.embeddings[list(ids)]
        answers = [
            np.einsum("ws,wsf->f", line[place : place + width], filters.astype(float))
            for place in range(len(ids) + width - 1)
        ]
        found.append(np.maximum(np.max(answers, axis=0) + network.biases[width], 0))
    return np.asarray(np.concatenate(found) @ network.output.astype(float) + network.intercepts)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.integers(UNKNOWN, FIRST + len(WORDS) - 1), min_size=1, max_size=9), min_size=1, max_size=6
    )
)
def test_a_pass_gives_each_text_the_answer_that_it_has_alone(rows: list[list[int]]) -> None:
    """Whatever its neighbours are, and however short it is."""
    network = _network()
    found = network.logits_of([np.array(row) for row in rows])
    np.testing.assert_allclose(found, [_by_hand(network, row) for row in rows], rtol=1e-4, atol=1e-4)
    for row, own in zip(rows, found, strict=True):
        np.testing.assert_allclose(network.logits_of([np.array(row)])[0], own, rtol=1e-4, atol=1e-5)


def test_words_have_numbers_and_others_share_one() -> None:
    """In the order of the vocabulary, after the edge and the unknown word."""
    ids, known = _network().features_of(["not", "seen", "a"], "not seen a")
    assert (ids.tolist(), known) == ([4, UNKNOWN, 2], 2)


def _save(folder: Path, network: Cnn) -> None:
    config = Config(id2label=dict(enumerate(LABELS)), widths=tuple(network.filters))
    (folder / CONFIG).write_text(config.model_dump_json())
    (folder / VOCABULARY).write_text(json.dumps({"words": network.words}))
    save_file(network.arrays(), folder / WEIGHTS)


def _manifest() -> Manifest:
    return Manifest(
        kind="cnn", name="m", labels=LABELS, max_tokens=64, base=Base(name="cnn", revision="test"),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_a_saved_network_is_the_same_again(tmp_path: Path) -> None:
    """Bit for bit."""
    _save(tmp_path, _network())
    again = load_cnn(seal(tmp_path, _manifest()))
    texts = [["not", "bad", "!"], ["seen"]]
    np.testing.assert_array_equal(again.logits(texts), _network().logits(texts))


def _changed(name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        arrays = load_file(folder / WEIGHTS)
        save_file({**arrays, name: np.ascontiguousarray(change(arrays[name]))}, folder / WEIGHTS)

    return spoil


def _words(words: Sequence[str]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / VOCABULARY).write_text(json.dumps({"words": words}))

    return spoil


def _without_output(folder: Path) -> None:
    arrays = load_file(folder / WEIGHTS)
    del arrays["output"]
    save_file(arrays, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_changed("embeddings", lambda one: one[1:]), "other shapes"),
        (_changed("filters.2", lambda one: one[:1]), "other shapes"),
        (_changed("output", lambda one: one[:3]), "other shapes"),
        (_without_output, "other shapes"),
        (_changed("biases.4", lambda one: one.astype(np.float64)), "not fp32"),
        (_changed("intercepts", lambda one: one * np.float32(np.nan)), "not finite"),
        (_changed("embeddings", lambda one: one + 1), "the edge of a text has an embedding"),
        (_words(["a", "a", "b", "c", "d"]), "an entry twice"),
        (_words([]), "other shapes"),
        (lambda folder: (folder / VOCABULARY).write_text("{}"), "ValidationError"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"nothing of the kind"), "SafetensorError"),
    ],
)
def test_files_that_do_not_fit_are_refused_even_if_they_are_sealed(
    spoil: Callable[[Path], object], expected: str, tmp_path: Path
) -> None:
    """A digest shows that a file is unchanged, not that it was right."""
    _save(tmp_path, _network())
    spoil(tmp_path)
    with pytest.raises(ArtifactError, match=expected):
        load_cnn(seal(tmp_path, _manifest()))

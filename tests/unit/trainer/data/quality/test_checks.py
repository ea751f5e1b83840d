"""Each check of the report on data that were made to have what it looks for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from tests.unit.trainer.data.quality.world import examples, learnable
from trainer.data.quality import label_errors, repeats
from trainer.data.quality.drift import measure_drift
from trainer.data.quality.findings import Scope
from trainer.data.quality.inspect import inspect_data
from trainer.data.quality.label_errors import find_label_errors, out_of_fold
from trainer.data.quality.lengths import BaseTokenizer, measure_lengths
from trainer.data.quality.overlap import find_overlaps
from trainer.data.quality.repeats import exact_groups, find_repeats, near_groups
from trainer.data.quality.sampling import Limit, draw

DAY_MS = 86_400_000


def tokenizer() -> Tokenizer:
    """Words, one unknown token, and one special token at each end."""
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "so": 3, "good": 4, "bad": 5}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - no secret
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return made


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.integers(1, 70),
    st.integers(1, 900),
    st.integers(0, 3),
)
def test_a_sample_keeps_to_its_limit(sizes: list[int], rows: int, chars: int, seed: int) -> None:
    """Sorted rows, none twice; all of them if they fit; the rows to take first fill at most half."""
    found = examples([("x" * size, "a") for size in sizes])
    first = np.arange(0, len(sizes), 2)
    sample = draw(found, Limit(rows, chars), seed, first=first)
    assert sample.rows.tolist() == sorted(set(sample.rows.tolist()))
    assert sample.scope == Scope(rows=len(sample.rows), of=len(sizes))
    assert len(sample.rows) <= rows
    if len(sizes) <= rows and sum(sizes) <= chars:
        assert len(sample.rows) == len(sizes)
    assert sum(sizes[row] for row in sample.rows) <= chars or len(sample.rows) <= 2
    assert np.array_equal(sample.rows, draw(found, Limit(rows, chars), seed, first=first).rows)


def test_lengths_are_tokens_of_the_base_if_it_is_here() -> None:
    """Special tokens count; longer than the window, and unknown, are counted."""
    found = examples([("so good", "a"), ("so so bad bad", "b"), ("so strange", "a")])
    counted = measure_lengths(found, BaseTokenizer("tiny", tokenizer(), window=5), seed=0)
    assert (counted.unit, counted.base, counted.window) == ("tokens", "tiny", 5)
    assert (counted.median, counted.longest, counted.over_window) == (4, 6, 1)
    assert counted.with_unknown == 1
    assert counted.unknown_share == pytest.approx(1 / 6)
    words = measure_lengths(found, None, seed=0)
    assert (words.unit, words.median, words.longest, words.window) == ("words", 2, 4, None)


def test_exact_duplicates_are_those_that_training_takes_for_one() -> None:
    """After the normaliser, in any case of letters."""
    rows = [("So  good &amp; nice", "a"), ("so good & nice", "a"), ("other", "b"), ("OTHER", "a"), ("alone", "b")]
    found = examples(rows)
    counted = find_repeats(found, np.arange(5), exact_groups(found), Scope(rows=5, of=5), show_texts=False)
    assert (counted.groups, counted.rows, counted.conflicting_groups, counted.conflicting_rows) == (2, 2, 1, 2)
    assert [[row.id for row in one.rows] for one in counted.conflicts] == [["2", "3"]]


def test_near_duplicates_with_several_labels_are_conflicts() -> None:
    """Nine of ten words are the same."""
    same = "one two three four five six seven eight nine"
    found = examples([(f"{same} ten", "a"), (f"{same} eleven", "b"), ("all other words here", "a")])
    sample, groups = near_groups(found, seed=0)
    counted = find_repeats(found, sample.rows, groups, sample.scope, show_texts=False)
    assert (counted.groups, counted.conflicting_groups) == (1, 1)


def test_overlaps_are_found_between_each_two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact ones in all rows, near ones in the sample; a row is counted once."""
    same = "one two three four five six seven eight nine"
    rows = [
        ("in train", "a"),
        (f"{same} ten", "a"),
        ("in validation", "b"),
        ("IN train", "b"),
        (f"{same} six", "b"),
    ]
    found = examples(rows, parts=["train", "train", "validation", "test", "test"])
    sample, near = near_groups(found, seed=0)
    overlaps = find_overlaps(found, exact_groups(found), sample, near)
    assert [(one.part, one.other, one.exact, one.near) for one in overlaps] == [
        ("validation", "test", 0, 0),
        ("validation", "train", 0, 0),
        ("test", "train", 1, 1),
    ]
    assert overlaps[2].rows == ("3", "4")
    monkeypatch.setattr(repeats, "NEAR_LIMIT", Limit(rows=2, chars=10_000))
    sampled = inspect_data(found, "data").overlaps
    assert sampled[2].exact == 1
    assert sampled[2].near_scope == Scope(rows=2, of=5)


def test_swapped_labels_are_found_out_of_fold() -> None:
    """20 of 400 labels are swapped: most are found, hardly any other is; the right label is suggested."""
    wrong = set(range(5, 400, 20))
    found = learnable(400, wrong=sorted(wrong))
    errors = find_label_errors(found, exact_groups(found), seed=0, show_texts=False)
    listed = {int(error.row.id) for error in errors.listed}
    assert errors.rows == len(errors.listed)
    assert len(listed & wrong) >= 12
    assert len(listed - wrong) <= 2
    assert all(error.suggested != error.row.label for error in errors.listed if int(error.row.id) in wrong)
    assert [error.confidence for error in errors.listed] == sorted(error.confidence for error in errors.listed)


def test_copies_of_a_text_are_in_one_fold() -> None:
    """Else a wrong label with a copy would be learnt by heart: three copies say positive of one bad text."""
    clean = learnable(300, seed=1)
    texts = [*clean.texts, *["awful w1 w2 w3 w4 unheard words"] * 3]
    labels = np.concatenate([clean.labels, [1, 1, 1]])
    apart = out_of_fold(texts, labels, np.arange(303), seed=0)
    together = out_of_fold(texts, labels, np.array([*range(300), 300, 300, 300]), seed=0)
    assert apart is not None
    assert together is not None
    apart, together = apart[-3:], together[-3:]
    assert (together == together[0]).all()
    assert together[0, 1] < apart[:, 1].min()
    assert together[0, 1] < 0.5


@pytest.mark.parametrize("text", ["unheard{}", "!"])
def test_texts_without_a_common_word_are_not_judged(text: str) -> None:
    """Numbered words, and signs alone, tell a model of word counts nothing."""
    rows = [(text.format(row) + " " * row + "!" * row, "ab"[row % 2]) for row in range(200)]
    found = examples(rows)
    errors = find_label_errors(found, np.arange(200), seed=0, show_texts=False)
    assert errors.skipped == "no word is in two texts"


def test_a_label_with_few_texts_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and the others are judged."""
    found = learnable(200)
    rare = examples(
        [(text, found.label_names[label]) for text, label in zip(found.texts, found.labels, strict=True)]
        + [("odd one", "odd")] * 5
    )
    errors = find_label_errors(rare, exact_groups(rare), seed=0, show_texts=False)
    assert errors.unchecked_labels == ("odd",)
    assert errors.skipped is None
    monkeypatch.setattr(label_errors, "MIN_ROWS", 1_000)
    assert find_label_errors(rare, exact_groups(rare), seed=0, show_texts=False).skipped is not None


def test_a_shift_of_the_classes_is_larger_than_by_chance() -> None:
    """Half of the time nearly all rows are of one label, then of the other."""
    rows = [(f"text {row}", "a" if (row < 500) == (row % 10 > 0) else "b") for row in range(1_000)]
    drifting = measure_drift(examples(rows, times=[row * DAY_MS for row in range(1_000)]), seed=0)
    assert len(drifting.windows) == 10
    assert drifting.shift == pytest.approx(0.4)
    assert drifting.by_chance < 0.2
    assert drifting.windows[0].shares == {"a": pytest.approx(0.9), "b": pytest.approx(0.1)}
    assert drifting.windows[0].last < drifting.windows[1].first
    alternating = [(f"text {row}", "a" if row % 2 else "b") for row in range(1_000)]
    steady = measure_drift(examples(alternating, times=[row * DAY_MS for row in range(1_000)]), seed=0)
    assert steady.shift <= steady.by_chance

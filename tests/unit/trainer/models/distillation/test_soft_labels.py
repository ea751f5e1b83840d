"""Distillation: the loss, the texts that may be learnt from, and the teacher's answers, computed once."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from structlog.testing import capture_logs

from shared.errors import InputDataError, SettingsError
from trainer.data.examples import Examples
from trainer.models.distillation import answers
from trainer.models.distillation import soft_labels as distil
from trainer.models.distillation.soft_labels import Distillation, soft_labels, usable_texts
from trainer.models.distillation.training import check_teacher
from trainer.models.transformer.loss import CrossEntropy, label_weights
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAMES = ("negative", "neutral", "positive")


def _probabilities(rows: int) -> Any:
    made = np.random.default_rng(0).random((rows, 3)) + 0.05
    return made / made.sum(axis=1, keepdims=True)


def _loss(labels: Any, probabilities: Any, **options: float) -> Distillation:
    known = {"alpha": 0.5, "temperature": 2.0, "class_weighting": 0.5, **options}
    return Distillation(labels, probabilities, **known)


@settings(max_examples=25, deadline=None)
@given(alpha=st.floats(0, 1), temperature=st.floats(0.5, 8))
def test_the_loss_is_a_share_of_each_term(alpha: float, temperature: float) -> None:
    """KL divergence of the softened answers times the square of the temperature, and weighted cross-entropy."""
    labels = np.array([0, 1, 2, 2, 1, 2])
    probabilities = _probabilities(6)
    rows = np.array([4, 0, 2])
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))

    found = _loss(labels, probabilities, alpha=alpha, temperature=temperature)(logits, rows)

    teacher = (torch.from_numpy(probabilities[rows]).log() / temperature).softmax(-1).float()
    student = (logits / temperature).log_softmax(-1)
    entropy = -(teacher * teacher.log()).sum()
    guided = torch.nn.functional.kl_div(student, teacher, reduction="sum") + entropy
    hard = CrossEntropy(labels, label_weights(labels, 0.5), "cpu")(logits, rows)
    assert float(found) == pytest.approx(float(alpha * temperature**2 * guided + (1 - alpha) * hard), rel=1e-4)


def test_a_row_without_a_label_has_the_teacher_only() -> None:
    """And one without an answer of the teacher the label only."""
    probabilities = _probabilities(4)
    probabilities[1] = np.nan
    loss = _loss(np.array([0, 1, 2]), probabilities, alpha=0.25)
    logits = torch.zeros(1, 3)
    assert float(loss(logits, np.array([3]))) == pytest.approx(0.25 * 4 * np.log(3), rel=1e-5)
    assert float(loss(logits, np.array([1]))) == pytest.approx(
        0.75 * np.log(3) * label_weights(np.array([0, 1, 2]), 0.5)[1], rel=1e-5
    )
    assert loss.weight(np.array([1, 3])) == 2


@settings(max_examples=25, deadline=None)
@given(constant=st.lists(st.floats(-3, 3), min_size=3, max_size=3), alpha=st.floats(0, 1))
def test_no_constant_answer_is_better_than_guessing(constant: list[float], alpha: float) -> None:
    """`guessing` is the bound by which a training counts as diverged."""
    labels = np.array([0, 1, 2, 2, 1, 2, 0])
    loss = _loss(labels, _probabilities(12), alpha=alpha, temperature=1.0)
    rows = np.arange(12)
    logits = torch.tensor([constant]).repeat(12, 1)
    assert float(loss(logits, rows)) / loss.weight(rows) >= loss.guessing - 1e-4


def _examples(*texts: str) -> Examples:
    return Examples(texts, np.arange(len(texts)) % 3, NAMES, texts, "made up")


def _splits(train: Examples, validation: Examples, test: Examples) -> Any:
    return SimpleNamespace(train=train, validation=validation, calibration=_examples(), test=test)


def test_texts_near_held_out_rows_are_not_learnt_from() -> None:
    """Given copies of rows of every part, when used without labels, then only other texts are left, each once."""
    splits = _splits(
        _examples("the train was late and cold this morning"),
        _examples("what a lovely day by the sea with my old friends"),
        _examples("the soup was salty and the waiter slow as ever"),
    )
    texts = [
        "a new text of its own",
        "The soup was salty and the waiter slow as ever!",
        "what a lovely day by the sea with my old friends",
        "A NEW text of its own",
        "the train was late and cold this morning",
        "another one",
    ]
    assert usable_texts(texts, splits) == ("a new text of its own", "another one")


class Teacher:
    """In place of a sealed model: remembers what it scored, and gives other last digits each time."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, labels: tuple[str, ...] = NAMES, version: str = "1"
    ) -> None:
        self.scored: list[tuple[str, ...]] = []
        self.unscored = {"unreadable"}
        manifest = SimpleNamespace(name="teacher", labels=labels)
        monkeypatch.setattr(distil, "open_artifact", lambda _: SimpleNamespace(manifest=manifest, version=version))
        monkeypatch.setattr(answers, "scoring", self.scoring)

    @contextmanager
    def scoring(self, _artifact: Any, **_: Any) -> Iterator[Any]:
        """As `trainer.evaluation.serving.scoring`."""
        yield self._score

    def _score(self, texts: Sequence[str]) -> Any:
        self.scored.append(tuple(texts))
        rows = [row for row, text in enumerate(texts) if text not in self.unscored]
        probabilities = _probabilities(len(texts)) + 1e-6 * len(self.scored)
        return SimpleNamespace(rows=np.array(rows), probabilities=probabilities[rows])


def test_the_teacher_scores_each_text_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also for another training with other texts; another version of it is asked for all."""
    teacher = Teacher(monkeypatch)
    splits = _splits(_examples("one", "two", "three"), _examples("four"), _examples("five"))
    first, again = (soft_labels(tmp_path, splits, ["six"], device="cpu", cache_dir=tmp_path) for _ in range(2))
    assert teacher.scored == [("one", "two", "three", "six")]
    assert np.array_equal(first.probabilities, again.probabilities)
    assert first.identity == again.identity
    other = soft_labels(tmp_path, splits, ["seven"], device="cpu", cache_dir=tmp_path)
    assert other.identity != first.identity
    assert np.array_equal(other.probabilities[:3], first.probabilities[:3])
    assert teacher.scored[1:] == [("seven",)]
    newer = Teacher(monkeypatch, version="2")
    soft_labels(tmp_path, splits, ["seven"], device="cpu", cache_dir=tmp_path)
    assert newer.scored == [("one", "two", "three", "seven")]


@pytest.mark.parametrize("content", ["text", "arrays", "labels"])
def test_a_file_that_is_not_ours_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    """In one line that names it: damaged, of something else, or of a model with other labels."""
    Teacher(monkeypatch)
    file = tmp_path / "teachers" / "1.safetensors"
    file.parent.mkdir()
    keys = np.zeros((2, answers.KEY_BYTES), np.uint8)
    if content == "text":
        file.write_bytes(b"damaged")
    else:
        save_file(
            {"keys": keys} if content == "arrays" else {"keys": keys, "probabilities": np.zeros((2, 2))}, file
        )
    splits = _splits(_examples("one", "two", "three"), _examples(), _examples())
    with pytest.raises(InputDataError, match=r"1\.safetensors is not a file of this project; remove it"):
        soft_labels(tmp_path, splits, [], device="cpu", cache_dir=tmp_path)


def test_texts_are_scored_in_pieces_and_what_was_scored_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each text has its own answer, in order; lines say how many are done; an interrupted scoring goes on."""
    teacher = Teacher(monkeypatch)
    monkeypatch.setattr(answers, "AT_ONCE", 2)
    monkeypatch.setattr(answers, "LINE_S", 0.0)
    splits = _splits(_examples("one", "two", "three"), _examples(), _examples())

    def interrupted(texts: Sequence[str]) -> Any:
        if teacher.scored:
            raise KeyboardInterrupt
        return Teacher._score(teacher, texts)  # noqa: SLF001

    with monkeypatch.context() as patch:
        patch.setattr(teacher, "_score", interrupted)
        with pytest.raises(KeyboardInterrupt):
            soft_labels(tmp_path, splits, ["six", "seven"], device="cpu", cache_dir=tmp_path)
    with capture_logs() as lines:
        soft = soft_labels(tmp_path, splits, ["six", "seven"], device="cpu", cache_dir=tmp_path)
    assert teacher.scored == [("one", "two"), ("three", "six"), ("seven",)]
    expected = [_probabilities(len(texts)) + 1e-6 * (number + 1) for number, texts in enumerate(teacher.scored)]
    assert np.allclose(soft.probabilities, np.concatenate(expected))
    assert [line["done"] for line in lines if "done" in line] == [2, 3]


def test_a_text_without_a_score_is_left_out_unless_it_has_a_label(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its label is still learnt from."""
    teacher = Teacher(monkeypatch)
    teacher.unscored = {"two", "seven"}
    splits = _splits(_examples("one", "two", "three"), _examples(), _examples())
    soft = soft_labels(tmp_path, splits, ["six", "seven", "eight"], device="cpu", cache_dir=tmp_path)
    assert soft.unlabelled == ("six", "eight")
    assert np.isfinite(soft.probabilities).all(axis=1).tolist() == [True, False, True, True, True]


def test_a_teacher_of_another_order_is_sorted_and_one_of_other_labels_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Columns follow the labels of the data."""
    splits = _splits(_examples("one", "two", "three"), _examples(), _examples())
    Teacher(monkeypatch, NAMES[::-1])
    turned = soft_labels(tmp_path, splits, [], device="cpu", cache_dir=tmp_path).probabilities
    Teacher(monkeypatch, version="2")
    straight = soft_labels(tmp_path, splits, [], device="cpu", cache_dir=tmp_path).probabilities
    assert np.array_equal(turned[:, ::-1], straight)
    Teacher(monkeypatch, ("bad", "good"))
    with pytest.raises(InputDataError, match="has the labels bad, good, and the data negative, neutral, positive"):
        soft_labels(tmp_path, splits, [], device="cpu", cache_dir=tmp_path)


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(SettingsError, match="--unlabelled needs --teacher"):
        check_teacher(TrainerSettings(unlabelled=tmp_path))
    with pytest.raises(SettingsError, match="--teacher trains the whole model"):
        check_teacher(TrainerSettings(teacher=tmp_path, head="linear"))

"""A text that is longer than one row is read whole, and every path gives the same answer to it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from shared.inference.engines.select import load_scorer
from shared.inference.isolation import PassFailed
from shared.inference.postprocessing import Postprocessing
from shared.inference.scheduler import Scheduler
from shared.inference.tokenization.tokenise import LongText, Tokeniser
from shared.inference.types import Score, Unscorable
from shared.model_folder.artifact import Artifact, open_artifact, seal
from shared.model_folder.manifest import Decision, LongTexts
from tests.support.tiny import tiny_model, vocabulary
from trainer.evaluation.serving import serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROW = 16
HOW = LongTexts(max_segments=5, overlap=3)
BIAS = (0.4, -0.2, 0.1)
WORDS = sorted(word for word in vocabulary() if word.isalpha() and len(word) > 2)


def sentences(count: int, seed: int = 0) -> str:
    """A text of sentences of 2 to 9 words that the tiny model knows."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return " ".join(" ".join(chance.choices(WORDS, k=chance.randint(2, 9))) + "." for _ in range(count))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model with a calibration and a decision, which reads long texts in segments."""
    folder = tiny_model(tmp_path_factory.mktemp("tiny") / "model", temperature=1.7, max_tokens=ROW)
    manifest = open_artifact(folder).manifest
    decision = Decision(rule="macro-recall", weights=(1.0, 1.5, 0.7))
    return seal(folder, manifest.model_copy(update={"long_texts": HOW, "bias": BIAS, "decision": decision}))


@pytest.fixture(scope="module")
def scoring(artifact: Artifact) -> Scheduler:
    """It, in the scheduler of the service."""
    return Scheduler(load_scorer(artifact, "cpu", "fp32"), batch_tokens=128, cache=100)


def segments(artifact: Artifact, text: str) -> LongText:
    """What a text is read in."""
    read = Tokeniser.load(artifact).segments(text, HOW)
    assert isinstance(read, LongText)
    return read


def test_a_long_text_has_the_pooled_answer_of_its_segments(artifact: Artifact, scoring: Scheduler) -> None:
    """Given a long text, when scored, then as by the power mean of its segments' uncalibrated probabilities."""
    text = sentences(6)
    rows = segments(artifact, text).rows
    plain = artifact.manifest.model_copy(update={"temperature": 1.0, "bias": None})
    uncalibrated = load_scorer(replace(artifact, manifest=plain), "cpu", "fp32")
    alone = [uncalibrated.forward([row])[0] for row in rows]
    mean = np.mean(np.array([one.probabilities for one in alone if one is not None]) ** 4, axis=0) ** (1 / 4)
    (expected,) = Postprocessing.of(artifact.manifest).probabilities(np.log(mean)[None])

    (answer,) = scoring.score([text])

    assert isinstance(answer, Score)
    assert len(rows) > 1
    assert answer.segments == len(rows)
    assert answer.tokens == sum(map(len, rows))
    assert answer.probabilities == pytest.approx(expected, abs=1e-5)
    assert answer.label == Postprocessing.of(artifact.manifest).decide(expected[None])[0]
    assert not answer.truncated


def test_texts_of_all_lengths_keep_their_places(artifact: Artifact, scoring: Scheduler) -> None:
    """Given short and long texts in any order, some twice, when scored together, then as one at a time."""
    texts = [sentences(count, seed) for seed, count in enumerate([1, 9, 2, 30, 1, 5, 12])]
    mixed = [*texts, *reversed(texts), "", *texts[:3]]
    alone = Scheduler(load_scorer(artifact, "cpu", "fp32"))

    together = [*scoring.score(mixed), *scoring.score(mixed[:4])]

    for text, answer in zip([*mixed, *mixed[:4]], together, strict=True):
        (expected,) = alone.score([text])
        assert type(answer) is type(expected)
        if isinstance(answer, Score) and isinstance(expected, Score):
            assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
            assert (answer.tokens, answer.segments, answer.truncated) == (
                expected.tokens,
                expected.segments,
                expected.truncated,
            )


def test_what_is_behind_the_last_segment_is_truncated(scoring: Scheduler) -> None:
    """Given a text longer than all segments, when its rest changes, then nothing but the mark of it is seen."""
    text = sentences(40)

    first, second = scoring.score([text, text + " " + sentences(20, seed=1)])

    assert isinstance(first, Score)
    assert isinstance(second, Score)
    assert first.truncated
    assert first.segments == HOW.max_segments
    assert first.probabilities == pytest.approx(second.probabilities, abs=1e-5)


def test_evaluation_reads_long_texts_like_the_service(artifact: Artifact, scoring: Scheduler) -> None:
    """Given long texts, when the trainer scores them, then the logits are those whose calibration is served."""
    texts = [sentences(count, seed) for seed, count in enumerate([3, 9, 30])]

    served = serve(artifact, texts, device="cpu", precision="fp32")

    answers = [one for one in scoring.score(texts) if isinstance(one, Score)]
    assert served.probabilities == pytest.approx(np.array([one.probabilities for one in answers]), abs=1e-5)
    calibrated = Postprocessing.of(artifact.manifest).probabilities(served.logits)
    assert calibrated == pytest.approx(served.probabilities, abs=1e-9)


def test_a_segment_without_a_score_leaves_the_text_without_one(artifact: Artifact) -> None:
    """Given a text of which one segment fails, when scored with others, then it alone has no score."""
    scorer = load_scorer(artifact, "cpu", "fp32")
    text, other = sentences(9), sentences(9, seed=1)
    bad = segments(artifact, text).rows[1].ids.tolist()
    forward = scorer.forward

    def failing(rows: Sequence[Any]) -> Any:
        if any(row.ids.tolist() == bad for row in rows):
            raise PassFailed("ValueError")
        return forward(rows)

    scorer.forward = failing  # type: ignore[method-assign]

    found = Scheduler(scorer).score([other, text, "fine"])

    assert [isinstance(one, Unscorable) for one in found] == [False, True, False]


def test_a_model_without_them_truncates_as_before(artifact: Artifact) -> None:
    """Given the same folder without long texts, when scored, then the answer is that of the first row."""
    plain = replace(artifact, manifest=artifact.manifest.model_copy(update={"long_texts": None}))
    text = sentences(8)

    (answer,) = Scheduler(load_scorer(plain, "cpu", "fp32")).score([text])

    assert isinstance(answer, Score)
    assert (answer.truncated, answer.segments, answer.tokens) == (True, 1, ROW)


def byte_level() -> Tokenizer:
    """A tokenizer of bytes, whose tokens of one character may be several, between special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({one: place for place, one in enumerate([*alphabet, "<s>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", len(alphabet))])
    return tokenizer


@pytest.mark.parametrize("direction", ["right", "left"])
def test_other_tokenizers_and_those_that_keep_the_end(direction: str) -> None:
    """Given a tokenizer of bytes that keeps beginnings or ends, when a text is long, then that part is read."""
    tokenizer = byte_level()
    tokenizer.enable_truncation(ROW, direction=direction)
    tokeniser = Tokeniser(tokenizer, ROW)
    text = "First one. " + "\u00e9t\u00e9 \N{FIRE} fin. " * 30 + "Last one."

    long = tokeniser.segments(text, HOW)

    assert isinstance(long, LongText)
    assert long.truncated
    assert len(long.rows) == HOW.max_segments
    assert all(1 < len(row) <= ROW for row in long.rows)
    read = [tokenizer.decode(row.ids.tolist()) for row in long.rows]
    assert ("First one." in read[0]) == (direction == "right")
    assert ("Last one." in read[-1]) == (direction == "left")


def test_an_overlap_of_most_of_a_row_is_refused(tmp_path: Path) -> None:
    """Given an overlap that would leave segments no room, when sealed, then the manifest is refused."""
    manifest = open_artifact(tiny_model(tmp_path / "model", max_tokens=ROW)).manifest
    how = {"max_segments": 4, "overlap": ROW // 2}

    with pytest.raises(ValueError, match="at most a quarter of max_tokens"):
        type(manifest).model_validate(manifest.model_dump(mode="json") | {"long_texts": how})

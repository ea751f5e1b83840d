"""The effect on the text, its batch and the process if the model, tokenizer or device fails."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import torch
from structlog.testing import capture_logs

from shared.errors import ScorerError
from shared.inference.engines.torch.loading import classify
from shared.inference.engines.torch.padded import PaddedEngine
from shared.inference.isolation import OutOfMemory, PassFailed
from shared.inference.scheduler import Scheduler
from shared.inference.scorer import BertScorer
from shared.inference.types import Score, Unscorable
from shared.model_folder.artifact import Artifact, open_artifact
from shared.reasons import Reason
from tests.support.tiny import tiny_model, vocabulary
from tests.support.tokenizers import watched_tokeniser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Fault = Callable[[torch.Tensor, torch.Tensor], None]
    """Gets ids `[rows, tokens]` and logits `[rows, labels]` of a pass; raises, or alters the logits."""

BAD = vocabulary()["terrible"]
"""The token that makes a text bad in these tests."""
BAD_AT = (3, 17)
TEXTS = [" ".join(["good"] * (1 + 7 * number % 61) + ["terrible"] * (number in BAD_AT)) for number in range(40)]
CPU = torch.device("cpu")
CUDA = torch.device("cuda")
MEMORY = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture
def engine(artifact: Artifact) -> PaddedEngine:
    """The tiny model."""
    return PaddedEngine(artifact, CPU)


@pytest.fixture
def bert(artifact: Artifact, engine: PaddedEngine) -> BertScorer:
    """The tiny model with its tokenizer."""
    return BertScorer(artifact, engine)


@pytest.fixture
def scorer(bert: BertScorer) -> Iterator[Scheduler]:
    """The tiny model, in which all of TEXTS share two passes."""
    scoring = Scheduler(bert, batch_tokens=2_048)
    yield scoring
    scoring.close(10)


class Inject(Protocol):
    """The type of the fixture `inject`."""

    def __call__(self, fault: Fault) -> None:
        """Applies the fault at every pass from now on."""
        ...


@pytest.fixture
def inject(engine: PaddedEngine, monkeypatch: pytest.MonkeyPatch) -> Inject:
    """Puts a fault into the engine's model."""
    model: Any = vars(engine)["_model"]

    def install(fault: Fault) -> None:
        def faulty(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            output = model(input_ids=input_ids, attention_mask=attention_mask)
            fault(input_ids, output.logits)
            return output

        monkeypatch.setattr(engine, "_model", faulty)

    return install


def fails_with(error: Exception) -> Fault:
    """Raises if a bad text is in the pass."""

    def fault(ids: torch.Tensor, _logits: torch.Tensor) -> None:
        if (ids == BAD).any():
            raise error

    return fault


def answers_with(number: float) -> Fault:
    """Writes a number into the logits of bad texts."""

    def fault(ids: torch.Tensor, logits: torch.Tensor) -> None:
        logits[(ids == BAD).any(dim=1), 0] = number

    return fault


def has_memory_for(tokens: int) -> Fault:
    """Runs out of memory above a number of padded tokens."""

    def fault(ids: torch.Tensor, _logits: torch.Tensor) -> None:
        if ids.numel() > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    return fault


def near(one: Score | Unscorable, other: Score | Unscorable) -> bool:
    """Whether both are scores with the same numbers, within rounding."""
    return (
        isinstance(one, Score)
        and isinstance(other, Score)
        and (one.tokens, one.truncated) == (other.tokens, other.truncated)
        and one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    )


def assert_others_are_scored(answers: Sequence[Score | Unscorable], well: Sequence[Score | Unscorable]) -> None:
    """Every text except the bad ones has the answer that it has on a model without faults."""
    for number, (answer, other) in enumerate(zip(answers, well, strict=True)):
        assert near(answer, other) == (number not in BAD_AT)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (
            fails_with(IndexError("terrible")),
            "ForwardPassFailed",
            "IndexError in a forward pass of this text alone",
        ),
        (fails_with(RuntimeError("terrible")), "ForwardPassFailed", "RuntimeError in a forward pass"),
        (fails_with(ValueError("terrible")), "ForwardPassFailed", "ValueError in a forward pass"),
        (fails_with(RuntimeError(MEMORY)), "OutOfMemory", "no memory for a forward pass of this text alone"),
        (fails_with(MemoryError()), "OutOfMemory", "no memory"),
        (answers_with(float("nan")), "NotFinite", "is not finite"),
        (answers_with(float("-inf")), "NotFinite", "is not finite"),
    ],
)
def test_bad_texts_fail_and_the_others_are_scored(
    scorer: Scheduler, inject: Inject, fault: Fault, error: str, said: str
) -> None:
    """Given two bad texts among forty, when scored, then they alone are unscorable, with a reason without text."""
    well = scorer.score(TEXTS)
    inject(fault)

    answers = scorer.score(TEXTS)

    assert_others_are_scored(answers, well)
    for number in BAD_AT:
        bad = answers[number]
        assert isinstance(bad, Unscorable)
        assert bad.error == error
        assert said in bad.reason
        assert "terrible" not in bad.reason


@pytest.mark.parametrize("memory", [64, 500, 1_500])
def test_running_out_of_memory_costs_no_text(scorer: Scheduler, inject: Inject, memory: int) -> None:
    """Given a device with memory for some padded tokens, when more are scored, then every text has its answer."""
    well = scorer.score(TEXTS)
    inject(has_memory_for(memory))

    answers = scorer.score(TEXTS)

    assert all(near(one, other) for one, other in zip(answers, well, strict=True))
    assert max(score.computed_tokens for score in answers if isinstance(score, Score)) <= memory


def test_tensors_of_a_failed_pass_are_gone_before_the_next(scorer: Scheduler, inject: Inject) -> None:
    """Given passes that run out of memory, when run again with fewer texts, then the first tensors are freed."""
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def fault(ids: torch.Tensor, logits: torch.Tensor) -> None:
        alive.append(sum(ref() is not None for ref in held))
        held.append(weakref.ref(logits))
        has_memory_for(200)(ids, logits)

    inject(fault)
    scorer.score(TEXTS)

    assert len(alive) > 10
    assert max(alive) == 0


def test_a_model_that_fails_on_everything_ends_the_process(scorer: Scheduler, inject: Inject) -> None:
    """Given a model that fails on the control sentence too, when scored, then a ScorerError is raised."""

    def fault(_ids: torch.Tensor, _logits: torch.Tensor) -> None:
        raise RuntimeError("could not execute a primitive")

    inject(fault)
    with pytest.raises(ScorerError, match=r"control sentence fails .*\(RuntimeError\)"):
        scorer.score(TEXTS[:5])


def test_a_model_that_forgot_its_numbers_ends_the_process(scorer: Scheduler, inject: Inject) -> None:
    """Given a model that answers NaN to everything, when scored, then a ScorerError is raised."""

    def fault(_ids: torch.Tensor, logits: torch.Tensor) -> None:
        logits.fill_(float("nan"))

    inject(fault)
    with pytest.raises(ScorerError, match="not finite"):
        scorer.score(TEXTS[:5])


def test_a_single_bad_text_is_told_from_a_bad_device(scorer: Scheduler, inject: Inject) -> None:
    """Given one bad text alone in its window, when scored, then the control clears the device."""
    inject(fails_with(IndexError()))

    (answer,) = scorer.score(["terrible"])

    assert answer == Unscorable(
        Reason.FORWARD_PASS_FAILED, "IndexError in a forward pass of this text alone, of 3 tokens"
    )


def test_a_device_error_ends_the_process_at_once(scorer: Scheduler, inject: Inject) -> None:
    """Given an error of the accelerator, when one text causes it, then ScorerError comes after that very pass."""
    passes: list[int] = []

    def fault(ids: torch.Tensor, logits: torch.Tensor) -> None:
        passes.append(len(ids))
        fails_with(torch.AcceleratorError("CUDA error: device-side assert triggered\nCompile with"))(ids, logits)

    inject(fault)
    with pytest.raises(ScorerError, match=r"cpu failed \(AcceleratorError: CUDA error: device-side assert trig"):
        scorer.score([TEXTS[number] for number in BAD_AT])
    assert passes == [2]


def test_what_nobody_foresaw_is_not_blamed_on_a_text(scorer: Scheduler, inject: Inject) -> None:
    """Given a programming error, when it occurs in a pass, then it is raised unchanged."""
    inject(fails_with(TypeError("mistake")))

    with pytest.raises(TypeError, match="mistake"):
        scorer.score(TEXTS)


@pytest.mark.parametrize(
    ("error", "device", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), CUDA, OutOfMemory),
        (torch.OutOfMemoryError("out of memory"), CPU, OutOfMemory),
        (MemoryError(), CUDA, OutOfMemory),
        (MemoryError(), CPU, OutOfMemory),
        (RuntimeError(MEMORY), CPU, OutOfMemory),
        (RuntimeError("std::bad_alloc"), CPU, OutOfMemory),
        (RuntimeError("could not execute a primitive"), CPU, PassFailed),
        (IndexError("index out of range in self"), CPU, PassFailed),
        (ValueError("shapes"), CPU, PassFailed),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), CUDA, ScorerError),
        (torch.AcceleratorError("CUDA error"), CPU, ScorerError),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), CUDA, ScorerError),
        (IndexError("index out of range in self"), CUDA, ScorerError),
    ],
)
def test_errors_are_told_apart(error: Exception, device: torch.device, kind: type[Exception]) -> None:
    """Given an error of torch, when classified, then it is a matter of memory, of a text, or of the device."""
    assert type(classify(error, device)) is kind


def test_an_allocation_that_the_cpu_refuses_is_out_of_memory() -> None:
    """Given the installed torch, when far too much is allocated, then its error is recognised."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)

    assert isinstance(classify(raised.value, CPU), OutOfMemory)


def failing_on(word: str) -> Callable[[Sequence[str]], None]:
    """Raises the bare Exception on texts with a certain word, as tokenizers does."""

    def watch(texts: Sequence[str]) -> None:
        if any(word in text for text in texts):
            raise Exception(f"cannot tokenise {word}")  # noqa: TRY002

    return watch


def test_a_text_that_cannot_be_tokenised_fails_alone(
    scorer: Scheduler, bert: BertScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a tokenizer that fails on two texts, when forty are scored, then these two alone are unscorable."""
    well = scorer.score(TEXTS)
    tokeniser = watched_tokeniser(vars(bert)["_artifact"], failing_on("terrible"), monkeypatch)
    monkeypatch.setattr(bert, "_tokeniser", tokeniser)

    with capture_logs() as lines:
        answers = scorer.score(TEXTS)

    assert_others_are_scored(answers, well)
    assert {answers[number] for number in BAD_AT} == {
        Unscorable(Reason.TOKENIZER_FAILED, "Exception for this text alone")
    }
    assert lines == [{"event": "tokenised_alone", "log_level": "warning", "texts": 40, "unscorable": 2}]


def test_a_tokenizer_that_fails_on_everything_ends_the_process(
    scorer: Scheduler, bert: BertScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a tokenizer that fails on the control sentence too, when scored, then a ScorerError is raised."""
    monkeypatch.setattr(
        bert, "_tokeniser", watched_tokeniser(vars(bert)["_artifact"], failing_on(""), monkeypatch)
    )

    with pytest.raises(ScorerError, match="tokenizer fails on the control sentence too: Exception"):
        scorer.score(["fine"])

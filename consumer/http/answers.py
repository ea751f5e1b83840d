"""From the scores of a request to the body of its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pydantic_core import to_json

from consumer.http.messages import pointer
from consumer.http.problems import Fault, Problem
from consumer.stream.encode import answer
from shared.inference.explanation.occlusion import explained, variants
from shared.inference.types import Score, Unscorable

if TYPE_CHECKING:
    from consumer.http.messages import TextToScore
    from consumer.settings import ConsumerSettings

ScoreTexts: TypeAlias = Callable[[Sequence[str]], Awaitable[list[Score | Unscorable]]]


class Work(Protocol):
    """Makes the body of an answer; `score` may be awaited once. Raises Problem."""

    async def __call__(self, texts: Sequence[TextToScore], score: ScoreTexts, *, is_list: bool) -> bytes:
        """`is_list`: whether the request was a list, so that its answer is one too."""
        ...


class Answers:
    """The two kinds of work of a request, each a `Work`."""

    def __init__(self, settings: ConsumerSettings, normalise: Callable[[str], str]) -> None:
        self._settings = settings
        self._normalise = normalise

    async def scored(self, texts: Sequence[TextToScore], score: ScoreTexts, *, is_list: bool) -> bytes:
        """A result for each text; raises Problem if any text has none, so that none is overlooked."""
        results = self._results(texts, await score([one.text for one in texts]), is_list=is_list)
        return to_json(results if is_list else results[0])

    async def explained(self, texts: Sequence[TextToScore], score: ScoreTexts, *, is_list: bool) -> bytes:
        """The result of one text, with the weight of each of its words by occlusion."""
        if is_list:
            detail = "send one text, not a list"
            raise Problem(422, "invalid", detail, errors=[Fault(pointer="", detail=detail)])
        clean = self._normalise(texts[0].text)
        scores = await score(variants(clean))
        (result,) = self._results(texts, scores[:1], is_list=False)
        found = explained(clean, scores)
        assert not isinstance(found, Unscorable)  # noqa: S101 - its text has a result
        return to_json(result | {"explanation": found.rounded()})

    def _results(
        self, texts: Sequence[TextToScore], scores: Sequence[Score | Unscorable], *, is_list: bool
    ) -> list[dict[str, Any]]:
        faults = [
            Fault(pointer=pointer(place, is_list=is_list), detail=score.reason)
            for place, score in enumerate(scores)
            if isinstance(score, Unscorable)
        ]
        if faults:
            detail = f"no score for {len(faults)} of {len(texts)} texts; send the request without them"
            raise Problem(422, "unscorable", detail, errors=faults)
        now = datetime.now(UTC)
        return [
            self._result(one, one.identity(place), score, now)
            for place, (one, score) in enumerate(zip(texts, scores, strict=True))
            if not isinstance(score, Unscorable)
        ]

    def _result(self, one: TextToScore, identity: str, score: Score, now: datetime) -> dict[str, Any]:
        result = answer(
            score,
            identity=identity,
            source=None,
            at=now,
            uncertain_below=self._settings.uncertain_below,
            max_unknown_share=self._settings.max_unknown_share,
        )
        if self._settings.include_text:
            return result.model_copy(update={"text": one.text}).model_dump()
        return result.model_dump(exclude={"text"})

"""Measures limits through the threads that serve: real texts, real model, no Kafka."""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing, contextmanager
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from consumer.plan.choice import Cost, Figures, Latency, Measured, Refused
from shared.errors import ScorerError
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence, Sized
    from concurrent.futures import Future

    from consumer.plan.choice import Setting, Trial
    from shared.inference.types import Scorer, Segments, Unscorable

_MARK: Final = "\0"
_CLOSE_S: Final = 60.0
_WORD: Final = "good "
"""At least one token in any vocabulary."""


class Memory(Protocol):
    """Peaks of memory; see `PeakMemory`."""

    def reset(self) -> None:
        """Begins anew."""
        ...

    def host_bytes(self) -> int:
        """Of the process."""
        ...

    def device_bytes(self) -> int | None:
        """Of the GPU, if there is one."""
        ...


class Distinct:
    """A scorer to which no two texts are equal, since `Scheduler` computes equal ones of a batch only once.

    A sample is repeated to fill a batch, and each repetition is to cost what a text costs.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.model = scorer.model
        self.concurrency = scorer.concurrency
        self.batch_tokens = scorer.batch_tokens
        self.padding = scorer.padding
        self.forward = scorer.forward
        self.describe = scorer.describe
        self._scorer = scorer
        self._numbers = count()

    def distinct(self, texts: Sequence[str]) -> list[str]:
        """The texts as they are to be submitted."""
        return [f"{next(self._numbers)}{_MARK}{text}" for text in texts]

    def normalise(self, text: str) -> str:
        """Normalises what is behind the number, and keeps the number."""
        number, _, rest = text.partition(_MARK)
        return f"{number}{_MARK}{self._scorer.normalise(rest)}"

    def tokenise(self, texts: Sequence[str]) -> Sequence[Sized | Segments | Unscorable]:
        """Tokenises what is behind the numbers; the control sentence has none."""
        parted = [text.partition(_MARK) for text in texts]
        return self._scorer.tokenise([rest if mark else head for head, mark, rest in parted])


class Meter:
    """Measures one scorer with one sample; called by one thread, with nothing else running."""

    def __init__(
        self,
        scorer: Scorer,
        texts: Sequence[str],
        *,
        inflight: int,
        seconds: float,
        memory: Memory,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._scorer = Distinct(scorer)
        self._texts = cycle(texts)
        self._inflight = inflight
        self._seconds = seconds
        self._memory = memory
        self._clock = clock

    def one_at_a_time(self) -> Latency:
        """How soon a text is scored that meets an idle device."""
        with self._scoring() as scoring:
            return Latency.of(self._repeat(lambda: scoring.score(self._next(1))))

    def longest_text(self, max_tokens: int) -> Cost:
        """Cost of a text of `max_tokens`, in passes that hold only such texts."""
        rows = self._scorer.concurrency * max(1, self._scorer.batch_tokens // max_tokens)
        texts = [_WORD * max_tokens] * rows
        with self._scoring() as scoring:
            (answer, *_) = scoring.score(self._scorer.distinct(texts))
            if not isinstance(answer, Score):
                raise ScorerError(f"a text of {max_tokens} tokens cannot be scored: {answer.reason}")
            took = self._repeat(lambda: scoring.score(self._scorer.distinct(texts)))
        return Cost(answer.tokens, sum(took) / (len(took) * rows))

    def full_load(self, setting: Setting) -> Trial:
        """Keeps as many batches in hand as a running consumer does; the first of them are discarded."""
        self._memory.reset()
        with (
            self._scoring(window=setting.batch_records, batch_tokens=setting.batch_tokens) as scoring,
            closing(self._latencies(scoring, setting.batch_records)) as latencies,
        ):
            # Warm-up: OpenVINO prepares itself for each new shape, which took 5 to 16 % of a pass (decision 10).
            deque(islice(latencies, self._inflight), maxlen=0)
            began, elapsed_s = self._clock(), 0.0
            took: list[float] = []
            # On a slow device a batch may take longer than the measurement, and is waited for.
            while elapsed_s < self._seconds or len(took) < self._inflight:
                took.append(next(latencies))
                elapsed_s = self._clock() - began
            # Its passes were halved, so the figures would be those of a smaller budget.
            if scoring.out_of_memory:
                return Refused(setting, "out of memory")
            texts_per_s = len(took) * setting.batch_records / elapsed_s
            peaks = self._memory.host_bytes(), self._memory.device_bytes()
            return Measured(setting, Figures(texts_per_s, Latency.of(took), *peaks))

    def _latencies(self, scoring: Scheduler, records: int) -> Generator[float]:
        """Seconds that each batch took, as it ends; as soon as one has ended the next is submitted."""
        waiting: deque[tuple[float, Future[Any]]] = deque()
        try:
            while True:
                while len(waiting) < self._inflight:
                    texts = self._next(records)
                    waiting.append((self._clock(), scoring.submit(texts)))
                submitted, future = waiting.popleft()
                future.result()
                yield self._clock() - submitted
        finally:
            for _, future in waiting:
                future.cancel()

    def _repeat(self, work: Callable[[], object]) -> list[float]:
        """Seconds that the work took each time, for as long as a measurement lasts; a first time is discarded."""
        work()
        ends = self._clock() + self._seconds
        took: list[float] = []
        while not took or self._clock() < ends:
            began = self._clock()
            work()
            took.append(self._clock() - began)
        return took

    @contextmanager
    def _scoring(self, window: int | None = None, batch_tokens: int | None = None) -> Iterator[Scheduler]:
        """Threads of their own for one measurement, without a cache; raises ScorerError if they do not end."""
        scoring = Scheduler(self._scorer, window=window, batch_tokens=batch_tokens)
        try:
            yield scoring
        finally:
            ended = scoring.close(_CLOSE_S)
        if not ended:
            raise ScorerError(f"a forward pass does not end within {_CLOSE_S:.0f} s; look at the device")

    def _next(self, texts: int) -> list[str]:
        return self._scorer.distinct(list(islice(self._texts, texts)))

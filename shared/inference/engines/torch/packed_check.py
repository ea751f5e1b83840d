"""The check of packed passes at start-up: known answers, which they have to give on this machine.

A device, driver or version of PyTorch on which they raise or are wrong is found before anything is scored.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.inference.engines.base import Answer, Ids, Logits

log = structlog.get_logger()

_FAILURES: Final = (RuntimeError, ValueError, IndexError, MemoryError, TypeError, AttributeError)
"""The last two: other versions of PyTorch and transformers may have other arguments and modules."""


@contextmanager
def excluding(engine: str) -> Iterator[None]:
    """Turns what fails while the engine of this name starts into a log line and a ScorerError, with the reason."""
    try:
        yield
    except (ScorerError, *_FAILURES) as error:
        first_line = str(error).partition("\n")[0]
        reason = first_line if isinstance(error, ScorerError) else f"{type(error).__name__}: {first_line}"
    else:
        return
    log.warning("engine_excluded", engine=engine, reason=reason)
    raise ScorerError(f"{engine} was excluded at start-up: {reason}")


class KnownAnswers:
    """A few messages, and the stock model's logits for each of them alone, in fp32."""

    def __init__(self, model: Any, longest: int, tokens: int) -> None:
        """Computes the answers. `longest` is the most tokens of a message, `tokens` those of a full pass.

        The rest of the full pass is noise with the lengths of tweets: log-normal around 25 tokens.
        """
        random = np.random.default_rng(longest)
        known = [1, longest, 2, longest // 2, 3, longest - 1, longest // 4, 5]
        noise = random.lognormal(3.05, 0.6, size=tokens).astype(np.int64)
        lengths = np.clip([*known, *noise], 1, longest)
        usable = np.setdiff1d(  # RoBERTa counts positions without padding tokens
            np.arange(model.get_input_embeddings().num_embeddings, dtype=np.int32), model.config.pad_token_id
        )
        count = max(len(known), int(np.searchsorted(np.cumsum(lengths), tokens, side="right")))
        self._full = [random.choice(usable, size=length) for length in lengths[:count]]
        self._rows = self._full[: len(known)]
        self._expected = _one_by_one(model, self._rows)

    def difference(self, run: Callable[[Sequence[Ids]], Answer], at_once: int, tolerance: float) -> float:
        """The largest difference of a logit, as a share of the largest logit (or of 1).

        Each message is asked alone, among the others, and in a full pass, whose noise must have no effect;
        `at_once` passes are in flight. Raises ScorerError if the difference exceeds the tolerance.
        """
        passes = [[row] for row in self._rows] + [self._rows] * at_once + [self._full]
        with ThreadPoolExecutor(at_once) as threads:
            answers = list(threads.map(run, passes))
        logits = np.concatenate([answer.logits[: len(self._rows)] for answer in answers])
        expected = np.tile(self._expected, (at_once + 2, 1))
        difference = float(np.abs(logits - expected).max() / max(1.0, np.abs(expected).max()))
        if not difference <= tolerance:  # also true for NaN
            raise ScorerError(f"its answers differ from the model's own in fp32 by {difference:.2g}")
        return difference


@torch.inference_mode()
def _one_by_one(model: Any, rows: Sequence[Ids]) -> Logits:
    """The stock model's logits, one row per pass without padding."""
    device = model.device
    answers = [model(input_ids=torch.from_numpy(row[None]).long().to(device)).logits for row in rows]
    logits: Logits = torch.cat(answers).float().cpu().numpy()
    return logits

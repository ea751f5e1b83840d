"""The ways to run packed passes, and trials that find the fastest correct one on this machine.

The fastest way depends on the GPU, the model and the length of the texts. None has been timed on a GPU yet.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.errors import ScorerError
from shared.inference.engines.base import Answer
from shared.inference.engines.torch.packing import Shape, pack_flat, pack_rows
from shared.inference.isolation import PassFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids, Logits
    from shared.inference.engines.torch.packed_model import PackedModel
    from shared.inference.engines.torch.slots import CpuSlot, CudaSlot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run packed passes."""

    name: str
    flat: bool
    """Messages end to end with `varlen_attn`, which needs 16 bits and compute capability 8; else in rows."""
    graphs: bool = False
    """Passes are padded to one of a few shapes and replayed as CUDA graphs."""
    compiled: bool = False
    """The graphs record a model from `torch.compile`, which fuses the operations between multiplications."""


WAYS: Final = (
    Way("varlen", flat=True),
    Way("rows", flat=False),
    Way("varlen, graphs", flat=True, graphs=True),
    Way("rows, graphs", flat=False, graphs=True),
)
COMPILED: Final = Way("varlen, compiled, graphs", flat=True, graphs=True, compiled=True)
"""Not tried at start-up, since compiling may take minutes and needs a C compiler; `benchmarks.gpu` measures it."""

NARROWEST: Final = 128
"""Width of the rows for messages of up to 128 tokens; longer ones get rows of 256, 512 and so on."""
_SHARES: Final = {True: (1.0, 0.5, 0.25, 0.125, 0.0625), False: (1.25, 1.03, 0.5, 0.25, 0.125, 0.0625)}
"""Slots of the shapes with a graph, as shares of a full pass, by `flat`: rows are rarely filled completely."""
_TOKENS_PER_MESSAGE: Final = 8
"""Smallest mean length at which a pass always fits a graph; a pass that fits none runs without a graph."""
TOLERANCE: Final = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.05}
"""Maximum difference from the logits of fp32, as a share of the largest of them (or of 1)."""
_ROUNDS: Final = 3
_PASSES: Final = 12
"""Timed per round and way, as many at once as there are slots."""


class Runner:
    """Runs packed passes in one way, in as many threads at once as it has slots."""

    def __init__(self, way: Way, model: PackedModel, slots: Sequence[CpuSlot | CudaSlot]) -> None:
        self.way = way
        self._model = model
        self.slots = len(slots)
        self._slots: SimpleQueue[CpuSlot | CudaSlot] = SimpleQueue()
        for slot in slots:
            self._slots.put(slot)
        self._shapes: list[Shape] = []

    @torch.inference_mode()
    def prepare(self, width: int, tokens: int) -> None:
        """Captures graphs of the shapes for messages of up to `width` tokens, in passes of up to `tokens`.

        Call it before the first pass, while no other thread uses the runner.
        """
        if not self.way.graphs:
            return
        forward = torch.compile(self._model, dynamic=True) if self.way.compiled else self._model
        for share in sorted(_SHARES[self.way.flat]):
            slots = -(-int(share * tokens) // width) * width
            self._shapes.append(Shape(self.way.flat, slots, slots // _TOKENS_PER_MESSAGE, width))
        for _ in range(self.slots):
            slot = self._slots.get()
            for shape in reversed(self._shapes):  # the largest first: the others reuse its memory
                slot.capture(forward, shape)
            self._slots.put(slot)

    @torch.inference_mode()
    def run(self, rows: Sequence[Ids], width: int) -> Answer:
        """Runs one pass of rows of 1 to `width` tokens; blocks until the answer is on the host.

        Raises PassFailed for a token outside the vocabulary, which on a GPU would end the process.
        """
        packing = pack_flat(rows) if self.way.flat else pack_rows(rows, width)
        if packing.tokens.view(np.uint32).max() >= self._model.vocabulary:
            raise PassFailed("TokenOutsideVocabulary")
        shape = next((shape for shape in self._shapes if shape.holds(packing.shape)), packing.shape)
        slot = self._slots.get()
        try:
            packing.write(slot.staging(sum(shape.parts)), shape, self._model.first_position)
            logits = slot.run(self._model, shape)
        finally:
            self._slots.put(slot)
        return Answer(logits[: len(rows)], shape.slots)


class Trial:
    """Chooses a way for messages of up to `width` tokens: by known answers, and by the time of a full pass."""

    def __init__(self, model: Any, width: int, longest: int, tokens: int) -> None:
        """Computes the answers of the stock model in fp32 to a few rows, one at a time.

        The full pass has up to `tokens` tokens, most of them noise: lengths are log-normal around 25, as those of
        tweets, or, in the classes of longer texts, uniform over the upper half. `longest` is that of the model.
        """
        self.width = width
        self._random = np.random.default_rng(width)
        self._usable = np.setdiff1d(
            np.arange(model.get_input_embeddings().num_embeddings, dtype=np.int32), model.config.pad_token_id
        )
        longest = min(width, longest)
        self._probes = self._rows([1, longest, 2, longest // 2, 3, longest - 1, longest // 4, 5])
        noise = self._lengths(tokens, longest)
        spent = np.cumsum(noise) + sum(map(len, self._probes))
        self._full = self._probes + self._rows(noise[spent <= tokens])
        self._expected = _one_by_one(model, self._probes)

    def choose(self, runners: Sequence[Runner], tokens: int, dtype: torch.dtype) -> Runner:
        """Prepares all runners for passes of up to `tokens`; returns the fastest that agrees with fp32.

        Raises ScorerError if none does.
        """
        rates: dict[Runner, list[float]] = {
            runner: [] for runner in runners if self._is_right(runner, tokens, TOLERANCE[dtype])
        }
        if not rates:
            raise ScorerError("no way to run packed passes gives the model's own answers here")
        for _ in range(_ROUNDS if len(rates) > 1 else 0):
            for runner, found in rates.items():
                found.append(self._rate(runner))
        tokens_per_s = {runner: round(median(found or [0.0])) for runner, found in rates.items()}
        fastest = max(rates, key=tokens_per_s.__getitem__)
        measured = {runner.way.name: rate for runner, rate in tokens_per_s.items() if rate}
        log.info("way_chosen", up_to_tokens=self.width, way=fastest.way.name, tokens_per_s=measured)
        return fastest

    def _is_right(self, runner: Runner, tokens: int, tolerance: float) -> bool:
        """Compares a small pass in every slot, then a full one, whose other rows must have no effect."""
        reason = "its answers differ from the model's own in fp32"
        try:
            runner.prepare(self.width, tokens)
            passes = [self._probes] * runner.slots + [self._full]
            answers = [runner.run(rows, self.width).logits[: len(self._probes)] for rows in passes]
            difference = max(float(np.abs(logits - self._expected).max()) for logits in answers)
            if difference <= tolerance * max(1.0, float(np.abs(self._expected).max())):  # false for NaN
                return True
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.warning("way_excluded", up_to_tokens=self.width, way=runner.way.name, reason=reason)
        return False

    def _rate(self, runner: Runner) -> float:
        """Tokens per second without padding, with a pass in each slot.

        The sizes of the passes differ, as in service, so that the rate includes the cost of a new size.
        """
        left_out = self._random.integers(0, 1 + len(self._full) // 10, size=_PASSES)
        passes = [self._full[number:] for number in left_out]
        with ThreadPoolExecutor(runner.slots) as threads:
            began = time.perf_counter()
            for _ in threads.map(lambda rows: runner.run(rows, self.width), passes):
                pass
            return sum(len(row) for rows in passes for row in rows) / (time.perf_counter() - began)

    def _lengths(self, tokens: int, longest: int) -> NDArray[np.int64]:
        """Random lengths whose sum is at least `tokens`."""
        if self.width > NARROWEST:
            return self._random.integers(
                self.width // 2, longest, endpoint=True, size=2 * tokens // self.width + 1
            )
        drawn = self._random.lognormal(3.05, 0.6, size=tokens)
        return np.clip(drawn, 1, longest).astype(np.int64)

    def _rows(self, lengths: Iterable[int]) -> list[Ids]:
        return [self._random.choice(self._usable, size=max(1, length)) for length in lengths]


@torch.inference_mode()
def _one_by_one(model: Any, rows: Sequence[Ids]) -> Logits:
    """The stock model's logits, one row per pass without padding."""
    device = model.device
    answers = [model(input_ids=torch.from_numpy(row[None]).long().to(device)).logits for row in rows]
    logits: Logits = torch.cat(answers).float().cpu().numpy()
    return logits

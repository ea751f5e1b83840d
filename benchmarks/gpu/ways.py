"""The ways to run packed passes that are measured but do not serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import torch

from benchmarks.gpu.graphs import Graphs, fixed_shapes, holds, pad_to
from benchmarks.gpu.rows import pack_rows
from benchmarks.gpu.rows_model import RowsModel
from shared.inference.engines.base import Answer
from shared.inference.engines.torch.cuda import CudaSlot
from shared.inference.engines.torch.loading import load_model
from shared.inference.engines.torch.packed import CONCURRENCY
from shared.inference.engines.torch.packed_check import KnownAnswers, excluding
from shared.inference.engines.torch.packed_model import PackedModel, longest_message
from shared.inference.engines.torch.packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.gpu.graphs import AnyShape, Model
    from shared.inference.engines.base import Ids
    from shared.inference.engines.torch.cuda import Hardware, Slot
    from shared.model_folder.artifact import Artifact

NARROWEST: Final = 128
"""Width of the rows for messages of up to 128 tokens; longer ones get rows of 256, 512 and so on."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run packed passes."""

    in_rows: bool
    """Messages in rows with a block-diagonal mask; else end to end, as the engine that serves has them."""
    graphs: bool = False
    """Passes are padded to one of a few shapes and replayed as CUDA graphs."""
    compiled: bool = False
    """The graphs record a model from `torch.compile`, which fuses the operations between multiplications."""


WAYS: Final = {
    "rows": Way(in_rows=True),
    "varlen-graphs": Way(in_rows=False, graphs=True),
    "rows-graphs": Way(in_rows=True, graphs=True),
    "varlen-compiled-graphs": Way(in_rows=False, graphs=True, compiled=True),
}
"""The last one takes minutes to compile and needs a C compiler."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """A slot, and the model that it runs, or replays."""

    slot: Slot
    model: Model


class WayEngine:
    """Runs packed passes in one of `WAYS`; see `Engine`. Without CUDA, passes are padded but not captured."""

    concurrency = CONCURRENCY
    padding = None

    def __init__(self, artifact: Artifact, hardware: Hardware, name: str, batch_tokens: int) -> None:
        """Raises ScorerError if passes fail or are wrong, in any class of lengths."""
        torch.backends.cuda.enable_cudnn_sdp(enabled=False)  # see `PackedEngine`
        self.batch_tokens = batch_tokens
        self.device = hardware.name
        self.name = f"torch {torch.__version__} {str(hardware.dtype).removeprefix('torch.')}, {name}"
        self._way = WAYS[name]
        model = load_model(artifact).to(hardware.device)
        longest = longest_message(artifact, model.config)
        known = {
            width: KnownAnswers(model, min(width, longest), batch_tokens) for width in classes_of_length(longest)
        }
        self._shapes: dict[int, list[AnyShape]] = {
            width: fixed_shapes(width, batch_tokens, in_rows=self._way.in_rows) if self._way.graphs else []
            for width in known
        }
        self._lanes: SimpleQueue[_Lane] = SimpleQueue()
        with excluding(self.name):
            model = model.to(hardware.dtype)
            self._model: Any = RowsModel(model) if self._way.in_rows else PackedModel(model, hardware.attention)
            for _ in range(CONCURRENCY):
                self._lanes.put(self._lane(hardware))
            for answers in known.values():
                answers.difference(self.forward, CONCURRENCY, hardware.tolerance)

    @torch.inference_mode()
    def forward(self, rows: Sequence[Ids]) -> Answer:
        """See `Engine`."""
        longest = max(map(len, rows))
        width = next(width for width in self._shapes if longest <= width)
        first = self._model.first_position
        packing: Any = pack_rows(rows, first, width) if self._way.in_rows else pack(rows, first)
        fixed = next((shape for shape in self._shapes[width] if holds(shape, packing.shape)), None)
        if fixed:
            packing = pad_to(fixed, packing)
        lane = self._lanes.get()
        try:
            logits = lane.slot.run(lambda slab: lane.model(slab, packing.shape), packing.slab)
        finally:
            self._lanes.put(lane)
        return Answer(logits[: len(rows)], packing.shape.tokens)

    @torch.inference_mode()
    def _lane(self, hardware: Hardware) -> _Lane:
        """A slot, with graphs of all shapes; the largest first, since the others reuse its memory."""
        slot = hardware.new_slot()
        if not self._way.graphs or not isinstance(slot, CudaSlot):
            return _Lane(slot, self._model)
        graphs = Graphs(hardware.device, slot.stream)
        model: Model = torch.compile(self._model, dynamic=True) if self._way.compiled else self._model
        shapes = {shape for several in self._shapes.values() for shape in several}
        for shape in sorted(shapes, key=lambda shape: shape.tokens, reverse=True):
            graphs.capture(model, shape)
        return _Lane(slot, partial(graphs.run, self._model))


def classes_of_length(longest: int) -> list[int]:
    """128, 256 and so on, until a message of `longest` tokens fits."""
    widths = [NARROWEST]
    while widths[-1] < longest:
        widths.append(2 * widths[-1])
    return widths

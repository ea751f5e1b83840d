"""The lean graph compiled for this CPU: padded passes in shapes that are right, one infer request per thread."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.inference.engines.base import pad
from shared.inference.engines.openvino import int8
from shared.inference.engines.openvino.graph import build
from shared.inference.engines.openvino.runtime import native_precision, openvino
from shared.inference.probe.pass_shapes import PassShapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids, Logits
    from shared.inference.engines.openvino.bert_shape import Shape
    from shared.inference.probe.probe import Precision
    from shared.model_folder.artifact import Artifact

ONE_STREAM_WIDTH: Final = 768
"""From this width on all cores work on one pass. Two passes at once gained 9 % at a width of 384, nothing on
tweets and -10 % on long texts at 768, on 2 cores."""

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}


class Unreadable(Exception):  # noqa: N818 - a row that the model cannot read, a state and no end
    """A row has more tokens than the model has positions, or a token that it does not have; names which."""


class LeanModel:
    """`run` may be called by `concurrency` threads at once; one beyond that waits."""

    def __init__(self, artifact: Artifact, shape: Shape, precision: Precision) -> None:
        """In int8, what is not quantised is computed in `native_precision`.

        Raises ArtifactError, and UnknownArchitecture for weights of a type that is not known.
        """
        self.precision = precision
        self.shape = shape
        self._compiled = (
            self._compile_int8(artifact) if precision == "int8" else self._compile(build(artifact, shape))
        )
        self.concurrency = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.shapes = PassShapes()
        """What passes are laid out as; to be narrowed by a probe before the first of them."""
        self.avoiding_passes = 0
        """Passes so far that were laid out larger than they had to be, since their shape answers wrongly."""
        self._counting = threading.Lock()
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.concurrency):
            self._requests.put(None)

    def run(self, rows: Sequence[Ids]) -> tuple[Logits, int]:
        """Runs one pass in a shape that may be; returns logits `[rows, labels]` and the tokens that it computed.

        Raises Unreadable, and RuntimeError or MemoryError for what OpenVINO cannot do.
        """
        fit = self.shapes.fit(len(rows), max(map(len, rows)))
        if fit.avoids:
            with self._counting:
                self.avoiding_passes += 1
        filled = [*rows, *[rows[0]] * (fit.rows - len(rows))]
        return self.run_in(filled, fit.width)[: len(rows)], fit.rows * fit.width

    def run_in(self, rows: Sequence[Ids], width: int) -> Logits:
        """Runs one pass of exactly this width, trusted or not; raises as `run` does."""
        ids, lengths = pad(rows, self.shape.pad_id, width)
        # OpenVINO would answer all the same, with whatever it finds outside of its tables.
        if ids.shape[1] > self.shape.positions:
            raise Unreadable("MoreTokensThanPositions")
        if ids.min() < 0 or ids.max() >= self.shape.vocabulary:
            raise Unreadable("TokenOutsideVocabulary")
        request = self._requests.get()
        try:
            request = request or self._compiled.create_infer_request()
            logits: Logits = request.infer({"ids": ids, "lengths": lengths.astype(np.int32)})["logits"]
        except BaseException:
            request = None  # it would keep the memory of its largest pass
            raise
        finally:
            self._requests.put(request)
        return logits

    def _compile(self, graph: Any) -> Any:
        one_stream = self.shape.width >= ONE_STREAM_WIDTH
        hint = native_precision() if self.precision == "int8" else self.precision
        return openvino.Core().compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[hint],
                "PERFORMANCE_HINT": "LATENCY" if one_stream else "THROUGHPUT",
                # Two pinned processes can end up on the same cores.
                "ENABLE_CPU_PINNING": False,
            },
        )

    def _compile_int8(self, artifact: Artifact) -> Any:
        graph = int8.read_int8(artifact, self.shape)
        try:
            return self._compile(graph)
        except RuntimeError as error:  # the graph may be of another OpenVINO
            raise int8.unreadable(artifact.path, type(error).__name__) from None

"""The lean graph compiled for this CPU: padded passes in allowed shapes, one infer request per thread."""

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
"""From this width on, all cores compute one pass. On 2 cores, two passes at once gained 9 % at a width of 384; at
768 they gained nothing on tweets and lost 10 % on long texts."""

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}


class Unreadable(Exception):  # noqa: N818 - the process recovers from it
    """A row has more tokens than the model has positions, or a token outside the vocabulary; it says which."""


class LeanModel:
    """A compiled model. `concurrency` threads may call `run` at once; further threads wait."""

    def __init__(self, artifact: Artifact, shape: Shape, precision: Precision) -> None:
        """In int8, operations that are not quantised are computed in `native_precision`.

        Raises ArtifactError, and UnknownArchitecture for weights of an unknown dtype.
        """
        self.precision = precision
        self.shape = shape
        self._compiled = (
            self._compile_int8(artifact) if precision == "int8" else self._compile(build(artifact, shape))
        )
        self.concurrency = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.shapes = PassShapes()
        """The allowed shapes of passes; a probe restricts them before the first pass."""
        self.avoiding_passes = 0
        """Passes so far that were larger than necessary, because answers of their shape are wrong."""
        self._counting = threading.Lock()
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.concurrency):
            self._requests.put(None)

    def run(self, rows: Sequence[Ids]) -> tuple[Logits, int]:
        """Runs one pass in an allowed shape; returns logits `[rows, labels]` and the number of computed tokens.

        Raises Unreadable, and RuntimeError or MemoryError if OpenVINO fails.
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
        # OpenVINO would read outside of its tables and return an answer anyway.
        if ids.shape[1] > self.shape.positions:
            raise Unreadable("MoreTokensThanPositions")
        if ids.min() < 0 or ids.max() >= self.shape.vocabulary:
            raise Unreadable("TokenOutsideVocabulary")
        request = self._requests.get()
        try:
            request = request or self._compiled.create_infer_request()
            # `infer` copies its outputs by default, so the next pass of this request does not overwrite them.
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
        # No CACHE_DIR: building and compiling take 0.2 s for MiniLM and 0.6 s for BERT-base, and a cache could be
        # stale or altered (decision 11).
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
        except RuntimeError as error:  # the graph may be from another version of OpenVINO
            raise int8.unreadable(artifact.path, type(error).__name__) from None

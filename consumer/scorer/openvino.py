"""An engine for the CPU on OpenVINO: the lean graph, padded passes, one infer request per thread.

Needs the extra `cpu`, without which importing this module raises ModuleNotFoundError; needs no torch.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from consumer.isolation import OutOfMemory, PassFailed
from consumer.scorer.engine import Answer, pad
from shared import int8
from shared.bert_shape import read_shape
from shared.errors import SettingsError
from shared.lean_bert import build
from shared.openvino import native_precision, openvino

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from consumer.scorer.engine import Ids, Logits
    from shared.artifact import Artifact

BATCH_TOKENS: Final = 1_024
"""512 and 1,024 were level on 2 cores, 8,192 lost 30 %."""
PASS_TOKENS: Final = 32
"""What a pass costs beside its tokens. With at most so much padding a pass, windows of 16, 64 and 512 tweets took
MiniLM in bf16 1/2.3, 1/1.2 and 1/1.07 of the time of full passes, on 2 cores; 16 to 64 tokens were level."""
ONE_STREAM_WIDTH: Final = 768
"""From this width on all cores work on one pass. Two passes at once gained 9 % at a width of 384, nothing on
tweets and -10 % on long texts at 768, on 2 cores."""

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
_NO_MEMORY: Final = ("Failed to allocate", "bad_alloc")
"""How a RuntimeError of OpenVINO says that memory ran out."""


class OpenVinoEngine:
    """A model compiled for this CPU. `forward` may be called by `concurrency` threads at once.

    Raises UnknownArchitecture where another engine must do, ArtifactError, and SettingsError for a
    precision that this CPU or this folder does not have. In int8, what is not quantised is computed in
    `native_precision`. Loading takes a second or so, and leaves nothing on the disk.
    """

    device = "cpu"
    batch_tokens = BATCH_TOKENS
    padding = PASS_TOKENS

    def __init__(self, artifact: Artifact, precision: Literal["fp32", "bf16", "int8"]) -> None:
        if precision == "bf16" and native_precision() != "bf16":
            raise SettingsError("precision bf16: this CPU has no instructions for it; use auto or fp32")
        self._shape = read_shape(artifact)
        self._compiled = (
            self._compile_int8(artifact)
            if precision == "int8"
            else self._compile(build(artifact, self._shape), precision)
        )
        self.name = f"openvino {openvino.get_version().partition('-')[0]} {precision}, lean"
        self.concurrency = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.concurrency):
            self._requests.put(None)

    def _compile(self, model: Any, precision: Literal["fp32", "bf16"]) -> Any:
        one_stream = self._shape.width >= ONE_STREAM_WIDTH
        return openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                "PERFORMANCE_HINT": "LATENCY" if one_stream else "THROUGHPUT",
                # Two pinned processes can end up on the same cores.
                "ENABLE_CPU_PINNING": False,
            },
        )

    def _compile_int8(self, artifact: Artifact) -> Any:
        if artifact.manifest.int8 is None:
            raise SettingsError(
                f"precision int8: {artifact.path} holds no int8 export; make it with sentiment-trainer export "
                f"{artifact.path} --precision int8 --data FILE, or use auto"
            )
        model = int8.read_int8(artifact, self._shape)
        try:
            return self._compile(model, native_precision())
        except RuntimeError as error:  # the graph may be of another OpenVINO
            raise int8.unreadable(artifact.path, type(error).__name__) from None

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """Runs one pass; see `Engine`."""
        try:
            ids, lengths = pad(rows, self._shape.pad_id)
            return Answer(self._infer(ids, lengths.astype(np.int32)), ids.size)
        except (RuntimeError, MemoryError) as error:
            no_memory = isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY)
            failure = OutOfMemory() if no_memory else PassFailed(type(error).__name__)
        raise failure

    def _infer(self, ids: Ids, lengths: NDArray[np.int32]) -> Logits:
        # OpenVINO would answer all the same, with whatever it finds outside of its tables.
        if ids.shape[1] > self._shape.positions:
            raise PassFailed("MoreTokensThanPositions")
        if ids.min() < 0 or ids.max() >= self._shape.vocabulary:
            raise PassFailed("TokenOutsideVocabulary")
        request = self._requests.get()
        try:
            request = request or self._compiled.create_infer_request()
            logits: Logits = request.infer({"ids": ids, "lengths": lengths})["logits"]
        except BaseException:
            request = None  # it would keep the memory of its largest pass
            raise
        finally:
            self._requests.put(request)
        return logits

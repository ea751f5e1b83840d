"""The engine for CUDA: passes without padding between messages, three in flight, in the fastest correct way.

At start-up every way of `packed_ways` is compared with one message at a time in fp32 and timed, and the fastest is
used until the process ends, for each class of lengths. All of this also runs on a CPU, for the tests. Only
`slots.CudaSlot` and PyTorch's `varlen_attn` do not; neither has ever run in this project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import torch
from torch.nn.attention.varlen import varlen_attn

from shared.inference.engines.torch.loading import classify, load_model
from shared.inference.engines.torch.packed_model import PackedModel, attend_by_message, first_position
from shared.inference.engines.torch.packed_ways import NARROWEST, WAYS, Runner, Trial
from shared.inference.engines.torch.slots import CpuSlot, CudaSlot
from shared.inference.isolation import OutOfMemory, PassFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Answer, Ids
    from shared.inference.engines.torch.packed_model import Kernel
    from shared.inference.engines.torch.packed_ways import Way
    from shared.model_folder.artifact import Artifact

BATCH_TOKENS: Final = 32_768
"""Tokens of a pass. Estimated at 10 ms of BERT-base on an H100, and 2 ms of MiniLM; not measured yet."""
CONCURRENCY: Final = 3
"""Passes in flight: one on the device, one queued after it, one on the host."""


class PackedEngine:
    """Runs a model that `packed_model.supports` accepts on one GPU, in bf16 if the GPU supports it, else in fp16.

    Starting takes seconds, most of them for measurements. On a CPU, for tests, it computes in fp32 and loops over
    messages in attention.
    """

    concurrency = CONCURRENCY
    padding = None

    def __init__(
        self,
        artifact: Artifact,
        device: torch.device,
        *,
        batch_tokens: int = BATCH_TOKENS,
        ways: Sequence[Way] = WAYS,
        kernel: Kernel | None = None,
    ) -> None:
        """Raises ArtifactError if the model cannot be loaded, ScorerError if no way is correct."""
        # For every new shape cuDNN builds and keeps a plan, in 40 ms or more (pytorch #191576, #190388), and
        # passes rarely have equal shapes. Otherwise PyTorch uses FlashAttention or its memory-efficient kernel.
        torch.backends.cuda.enable_cudnn_sdp(enabled=False)
        model = load_model(artifact).to(device)
        self.longest = min(
            artifact.manifest.max_tokens, model.config.max_position_embeddings - first_position(model.config)
        )
        """Maximum tokens of a row."""
        trials = [Trial(model, width, self.longest, batch_tokens) for width in _widths(self.longest)]
        dtype = best_dtype(device)
        if kernel is None:
            kernel = cast("Kernel", varlen_attn) if _on_gpu(device) else attend_by_message
        packed = PackedModel(model.to(dtype), kernel)
        self._runners: dict[int, Runner] = {}
        for trial in trials:
            runners = [Runner(way, packed, _slots(device)) for way in ways]
            self._runners[trial.width] = trial.choose(runners, batch_tokens, dtype)
            del runners
            torch.cuda.empty_cache()  # of the graphs that were not chosen; has no effect without CUDA
        self._device = device
        self.batch_tokens = batch_tokens
        self.device = torch.cuda.get_device_name(device) if _on_gpu(device) else "cpu"
        kept = " and ".join(dict.fromkeys(runner.way.name for runner in self._runners.values()))
        self.name = f"torch {torch.__version__} {str(dtype).removeprefix('torch.')}, {kept}"

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """See `Engine`; a thread beyond `concurrency` waits for a free slot."""
        lengths = [len(row) for row in rows]
        if not min(lengths):  # the first token of the next message would be used instead
            raise PassFailed("EmptyRow")
        if max(lengths) > self.longest:
            raise PassFailed("MoreTokensThanPositions")
        width = next(width for width in self._runners if max(lengths) <= width)
        try:
            return self._runners[width].run(rows, width)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            failure = classify(error, self._device)
        # Only after the `except` block are the tensors of the failed pass released (pytorch #18853).
        if isinstance(failure, OutOfMemory):
            torch.cuda.empty_cache()
        raise failure


def _widths(longest: int) -> list[int]:
    """The classes of lengths: 128, 256 and so on, until the longest message fits."""
    widths = [NARROWEST]
    while widths[-1] < longest:
        widths.append(2 * widths[-1])
    return widths


def _on_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def best_dtype(device: torch.device) -> torch.dtype:
    """16 bits on a GPU, fp32 on a CPU. Before compute capability 8.0, bf16 is emulated."""
    if not _on_gpu(device):
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def _slots(device: torch.device) -> Sequence[CpuSlot | CudaSlot]:
    return [CudaSlot(device) if _on_gpu(device) else CpuSlot() for _ in range(CONCURRENCY)]

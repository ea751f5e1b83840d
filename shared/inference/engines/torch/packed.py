"""The engine for CUDA: passes without padding between messages, three in flight, in the fastest way that is right.

At start-up every way of `packed_ways` is checked against one message at a time in fp32 and timed, and the fastest
is kept for the life of the process, for each class of lengths. All of this runs on a CPU too, for the tests. What
does not, and has never been run, stands in `slots.CudaSlot` and in PyTorch's `varlen_attn`.
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
"""Tokens of a pass. By arithmetic some 10 ms of BERT-base on an H100 and 2 ms of MiniLM; not yet measured."""
CONCURRENCY: Final = 3
"""Passes in flight: one on the device, one queued behind it, one on the host."""


class PackedEngine:
    """Runs a model that `packed_model.supports` knows on one GPU, in bf16 where it can and else in fp16.

    Starting takes seconds, most of them to measure. On a CPU it computes in fp32 and attends in a loop: for tests.
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
        """Raises ArtifactError where the model cannot be loaded, ScorerError where no way is right."""
        # For every new shape cuDNN builds a plan, in 40 ms and more, and keeps it (pytorch #191576, #190388), and
        # passes are hardly ever alike. Without it PyTorch takes FlashAttention or its memory-efficient kernel.
        torch.backends.cuda.enable_cudnn_sdp(enabled=False)
        model = load_model(artifact).to(device)
        self.longest = min(
            artifact.manifest.max_tokens, model.config.max_position_embeddings - first_position(model.config)
        )
        """Tokens of the longest row that is taken."""
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
            torch.cuda.empty_cache()  # of the graphs that were not chosen; does nothing where CUDA is not in use
        self._device = device
        self.batch_tokens = batch_tokens
        self.device = torch.cuda.get_device_name(device) if _on_gpu(device) else "cpu"
        kept = " and ".join(dict.fromkeys(runner.way.name for runner in self._runners.values()))
        self.name = f"torch {torch.__version__} {str(dtype).removeprefix('torch.')}, {kept}"

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """See `Engine`; a thread beyond `concurrency` waits for a free slot."""
        lengths = [len(row) for row in rows]
        if not min(lengths):  # its neighbour's first token would be taken for its own
            raise PassFailed("EmptyRow")
        if max(lengths) > self.longest:
            raise PassFailed("MoreTokensThanPositions")
        width = next(width for width in self._runners if max(lengths) <= width)
        try:
            return self._runners[width].run(rows, width)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            failure = classify(error, self._device)
        # Only outside of the `except` has the traceback let go of the failed pass's tensors (pytorch #18853).
        if isinstance(failure, OutOfMemory):
            torch.cuda.empty_cache()
        raise failure


def _widths(longest: int) -> list[int]:
    """Classes of lengths: 128, 256 and so on, until the longest message fits."""
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

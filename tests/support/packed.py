"""For tests of packed passes: what replaces a GPU, and the answers that passes have to give.

`python -m benchmarks.gpu --device cpu` replaces the GPU in the same way.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from shared.inference.engines.torch.cuda import Hardware
from shared.inference.engines.torch.loading import load_model
from tests.support.tiny import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids, Logits
    from shared.inference.engines.torch.cuda import Forward
    from shared.inference.engines.torch.packed_model import Attention
    from shared.model_folder.artifact import Artifact


def attend_by_message(  # noqa: PLR0917 - the interface of `varlen_attn`
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float,
) -> Tensor:
    """Replaces `varlen_attn`, which a CPU does not have, message by message.

    Tokens outside of messages get NaN, to show that nothing depends on them; the kernel leaves them unchanged.
    """
    out = torch.full_like(query, torch.nan)
    spans = zip(pairwise(cu_seq_q.tolist()), pairwise(cu_seq_k.tolist()), strict=True)
    for (start_q, end_q), (start_k, end_k) in spans:
        if end_q - start_q > max_q or end_k - start_k > max_k:
            raise ValueError("a message is longer than the pass was said to have")
        if start_k < end_k:
            queries, keys, values = query[start_q:end_q], key[start_k:end_k], value[start_k:end_k]
            weights = torch.einsum("qhd,khd->hqk", queries, keys).mul(scale).softmax(dim=-1)
            out[start_q:end_q] = torch.einsum("hqk,khd->qhd", weights, values)
    return out


def lets_neighbours_in(query: Any, key: Any, value: Any, cu_q: Any, cu_k: Any, *_: int, scale: float) -> Any:
    """A wrong kernel, which attends to the whole pass except in the last layer."""
    whole = torch.tensor([0, len(key)], dtype=torch.int32)
    if len(query) == len(key):
        cu_q = cu_k = whole
    return attend_by_message(query, key, value, cu_q, cu_k, 10**6, 10**6, scale=scale)


def refuses(*_: Any, **__: Any) -> Any:
    """A kernel that raises, as `varlen_attn` does on an old GPU."""
    raise NotImplementedError("no kernel for this device\nmore lines")


class CpuSlot:
    """Computes in the calling thread."""

    def run(self, forward: Forward, slab: NDArray[np.int32]) -> Logits:
        """See `Slot`."""
        logits: Logits = forward(torch.from_numpy(slab)).numpy()
        return logits


def processor(attention: Attention = attend_by_message) -> Hardware:
    """A CPU in fp32, in which packed passes differ from single messages by rounding only."""
    return Hardware(torch.device("cpu"), "cpu", torch.float32, 1e-3, attention, CpuSlot)


def rows_of(lengths: list[int], seed: int = 0) -> list[Ids]:
    """Random tokens, the padding token left out: RoBERTa counts positions without it."""
    random = np.random.default_rng(seed)
    return [random.integers(1, len(vocabulary()), size=length, dtype=np.int32) for length in lengths]


@torch.inference_mode()
def stock(artifact: Artifact, rows: list[Ids]) -> Logits:
    """The answers of transformers to one message at a time, in fp32, without padding."""
    model = load_model(artifact)
    answers = [model(input_ids=torch.from_numpy(row[None]).long()).logits.numpy() for row in rows]
    logits: Logits = np.concatenate(answers)
    return logits


class Steps(list[str]):
    """What fakes of streams and events were asked for, in order."""

    def event(self, *, blocking: bool = False) -> Any:
        """A blocking event is the one at the end of a pass."""
        name = "done" if blocking else "copied"
        return _Named(
            {step: lambda step=step: self.append(f"{step} {name}") for step in ("record", "synchronize")}
        )

    def stream(self, _: Any) -> Any:
        """Waits for others, or is waited for."""
        return _Named({"wait_stream": lambda _: None, "synchronize": lambda: self.append("synchronize stream")})


class _Named:
    def __init__(self, functions: dict[str, Callable[..., Any]]) -> None:
        self.__dict__.update(functions)


def fake_cuda(patch: pytest.MonkeyPatch) -> Steps:
    """Replaces the parts of `torch.cuda` that slots use."""
    found = Steps()
    empty = torch.empty

    def unpinned(*sizes: int, pin_memory: bool = False, **how: Any) -> Tensor:  # noqa: ARG001
        return empty(*sizes, **how)

    patch.setattr(torch, "empty", unpinned)
    patch.setattr(torch.cuda, "Stream", found.stream)
    patch.setattr(torch.cuda, "Event", found.event)
    patch.setattr(torch.cuda, "current_stream", lambda _: None)
    patch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    return found

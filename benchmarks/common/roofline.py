"""The best case of a device: the multiplications of a model, and the rate at which the device does them."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

PEAKS_TFLOPS: Final = {
    "H200": 989,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "A10": 125,
    "T4": 65,
}
"""Dense 16-bit tensor-core peaks from NVIDIA's data sheets, by a part of the GPU's name; the first match."""
_CEILING_ROUNDS: Final = 5


def flops(config: Any, lengths: Sequence[int]) -> float:
    """Floating-point operations of the encoder over texts of these lengths, in tokens, without padding.

    Nominal: every layer whole, though a last layer may be computed in part; embeddings and head left out. With an
    intermediate size of 4 H it is 24 L H^2 for each token and 4 L H s^2 for the attention of a text of s tokens.
    """
    hidden, layers = config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or config.hidden_dim
    tokens = np.asarray(lengths, dtype=np.float64)
    linear, attention = 8 * hidden**2 + 4 * hidden * inner, 4 * hidden
    return float(layers * (linear * tokens + attention * tokens**2).sum())


def lean_flops(config: Any, lengths: Sequence[int]) -> float:
    """The same with only the part of the last layer that the first token needs: all keys and values, one query."""
    hidden = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or config.hidden_dim
    tokens = np.asarray(lengths, dtype=np.float64)
    last = (8 * hidden**2 + 4 * hidden * inner) * tokens + 4 * hidden * tokens**2
    needed = 4 * hidden**2 * tokens + 4 * hidden**2 + 4 * hidden * inner + 4 * hidden * tokens
    return flops(config, lengths) - float((last - needed).sum())


def nominal_peak(device: torch.device) -> float | None:
    """The peak of the data sheet, in FLOP/s; None for an unlisted device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((peak * 1e12 for part, peak in PEAKS_TFLOPS.items() if part in name), None)


def matmul_ceiling(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """FLOP/s of a square multiplication, the median of a few: what a plain user of this machine can reach."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    rates = []
    for number in range(_CEILING_ROUNDS + 1):
        _wait(device)
        began = time.perf_counter()
        for _ in range(10):
            left @ right
        _wait(device)
        if number:  # the first one chooses its kernel
            rates.append(10 * 2 * size**3 / (time.perf_counter() - began))
    return statistics.median(rates)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

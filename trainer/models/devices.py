"""Chooses where to compute and in which precision."""

from __future__ import annotations

from typing import Literal

import torch

from shared.errors import InputDataError


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """`cuda` where there is one, unless told otherwise; raises InputDataError where it is asked for in vain."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise InputDataError("this machine has no usable CUDA device; use --device cpu or auto")
    return "cuda" if available and wanted != "cpu" else "cpu"


def choose_bf16(wanted: Literal["auto", "fp32", "bf16"], device: str) -> bool:
    """Whether to multiply in bf16. `auto` does where the hardware has it; emulated, it is slower than fp32."""
    if wanted != "auto":
        return wanted == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))

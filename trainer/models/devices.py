"""Chooses in which precision to train."""

from __future__ import annotations

from typing import Literal

import torch


def choose_bf16(wanted: Literal["auto", "fp32", "bf16"], device: str) -> bool:
    """Whether to multiply in bf16. `auto` does where the hardware has it; emulated, it is slower than fp32."""
    if wanted != "auto":
        return wanted == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))

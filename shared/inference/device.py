"""Resolves the device setting. A CPU needs no import of torch, which takes longer than loading a model."""

from __future__ import annotations

import ctypes
import os

from shared.errors import SettingsError


def choose_device(wanted: str) -> str:
    """Resolves `auto` to cuda if there is one, else cpu; raises SettingsError for a device that is missing."""
    if wanted == "cpu" or (wanted == "auto" and not _has_driver()):
        return "cpu"
    import torch  # noqa: PLC0415 - see above

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if (torch.device(wanted).index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"device {wanted}: this machine shows {torch.cuda.device_count()} CUDA devices; try cpu"
        )
    return wanted


def gpu_uuid(wanted: str) -> str | None:
    """The UUID of the GPU that a device setting means, as NVIDIA's driver has it; None for a CPU."""
    device = choose_device(wanted)
    if device == "cpu":
        return None
    import torch  # noqa: PLC0415 - see above

    return f"GPU-{torch.cuda.get_device_properties(torch.device(device).index or 0).uuid}"


def _has_driver() -> bool:
    """Whether NVIDIA's driver can be loaded; without it torch finds no GPU either."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True

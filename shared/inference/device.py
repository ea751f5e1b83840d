"""Resolves the device setting. A CPU needs no import of torch, which takes longer than loading a model."""

from __future__ import annotations

import ctypes
import os
from importlib.util import find_spec

from shared.errors import SettingsError


def choose_device(wanted: str) -> str:
    """Resolves `auto` to cuda if there is one, else cpu; raises SettingsError for a device that is missing.

    Without torch `auto` is cpu (`is_gpu_unused`), and any other device is an error that names the extra.
    """
    if wanted == "cpu" or (wanted == "auto" and not (_has_driver() and has_torch())):
        return "cpu"
    require_torch(f"device {wanted}")
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


def is_gpu_unused(wanted: str) -> bool:
    """Whether this machine has the driver of a GPU that `auto` passes over, because torch is not installed."""
    return wanted == "auto" and _has_driver() and not has_torch()


def has_torch() -> bool:
    """Whether the extra `torch` is installed; imports nothing."""
    return find_spec("torch") is not None and find_spec("transformers") is not None


def require_torch(what: str) -> None:
    """Raises SettingsError, which names the extra, if torch or transformers is not installed."""
    if not has_torch():
        raise SettingsError(f"{what} needs torch and transformers: pip install 'sentiment-stream[torch]'")


def _has_driver() -> bool:
    """Whether NVIDIA's driver can be loaded; without it torch finds no GPU either."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True

"""Peak memory of this process, on the host and on the GPU."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from shared.inference.device import choose_device

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_RESET_PEAK: Final = "5"
"""Sets the peak to what is resident now (proc_pid_clear_refs(5), since Linux 4.0)."""


class PeakMemory:
    """Peaks since `reset`; a peak includes memory that was allocated before and not freed."""

    def __init__(self, device: str) -> None:
        """Measures the GPU if `device` resolves to one; raises SettingsError as `choose_device` does."""
        found = choose_device(device)
        self._gpu = None if found == "cpu" else _Gpu(found)

    def reset(self) -> None:
        """Resets the peaks; if the kernel forbids it, the host's peak remains that of the whole process."""
        with suppress(OSError):
            _CLEAR.write_text(_RESET_PEAK)
        if self._gpu is not None:
            self._gpu.reset()

    def host_bytes(self) -> int:
        """Peak of the resident set, weights on a CPU and libraries included."""
        (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        return int(kilobytes) * 1024

    def device_bytes(self) -> int | None:
        """Peak GPU memory reserved by torch, with the weights, without the CUDA context; None on a CPU."""
        return None if self._gpu is None else self._gpu.peak_bytes()


class _Gpu:
    def __init__(self, device: str) -> None:
        import torch  # noqa: PLC0415 - takes seconds, and a CPU does not need it

        self._cuda: Any = torch.cuda
        self._device = device

    def reset(self) -> None:
        # The peak restarts at what is reserved, and cached blocks of earlier passes are.
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats(self._device)

    def peak_bytes(self) -> int:
        peak: int = self._cuda.max_memory_reserved(self._device)
        return peak

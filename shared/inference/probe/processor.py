"""Everything that selects the kernels of a CPU library: processor, instruction sets, environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from shared.inference.engines.openvino.runtime import openvino

_CPUINFO: Final = Path("/proc/cpuinfo")
_TELLING: Final = {"model name", "stepping", "microcode", "flags", "Features", "CPU part"}  # the last two on Arm
_VARIABLES: Final = ("ONEDNN_", "DNNL_", "OV_CPU_")
"""Name prefixes of the environment variables that change the selection, such as ONEDNN_MAX_CPU_ISA."""


def processor() -> dict[str, str]:
    """A description of the processor; equal descriptions run the same kernels, as far as software can see."""
    found = {"name": str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")), "cores": str(_cores())}
    found |= _first_core()
    return found | {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)}


def _cores() -> int:
    """The number of cores that this process may use: a pass is divided among them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_core() -> dict[str, str]:
    """Fields of the first core in /proc/cpuinfo; empty if there is no such file."""
    found: dict[str, str] = {}
    try:
        with _CPUINFO.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = (part.strip() for part in line.partition(":"))
                if not name:
                    break  # the other cores are the same, and there may be hundreds
                if name in _TELLING:
                    found[name] = value
    except OSError:
        pass
    return found

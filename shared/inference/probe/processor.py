"""What decides which kernels a CPU library runs: processor, instruction sets, variables that limit them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from shared.inference.engines.openvino.runtime import openvino

_CPUINFO: Final = Path("/proc/cpuinfo")
_TELLING: Final = {"model name", "stepping", "microcode", "flags", "Features", "CPU part"}
_VARIABLES: Final = ("ONEDNN_", "DNNL_", "OV_CPU_")
"""Beginnings of the names of those that change which kernels are taken, such as ONEDNN_MAX_CPU_ISA."""


def processor() -> dict[str, str]:
    """Two processors for which this is equal run the same kernels, as far as can be seen from here."""
    found = {"name": str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")), "cores": str(_cores())}
    found |= _first_core()
    return found | {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)}


def _cores() -> int:
    """Those that this process may use: passes are cut up among them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_core() -> dict[str, str]:
    """Its lines of /proc/cpuinfo; empty where there is no such file."""
    found: dict[str, str] = {}
    try:
        with _CPUINFO.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = (part.strip() for part in line.partition(":"))
                if not name:
                    break  # the others are alike, and there may be hundreds
                if name in _TELLING:
                    found[name] = value
    except OSError:
        pass
    return found

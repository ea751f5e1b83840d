"""The one place that imports OpenVINO: without its telemetry.

`import openvino` alone reports to Google Analytics unless told otherwise: it starts a process for that and
keeps an id under `~/intel`. NNCF does likewise. Both do without where the package `openvino_telemetry` cannot
be imported, so it is made such before they ask for it. Raises ModuleNotFoundError where OpenVINO is not installed.
"""

from __future__ import annotations

import os
import sys
from typing import Final, Literal

# How Python marks what cannot be imported.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as opset  # noqa: E402

__all__ = ["native_precision", "openvino", "opset"]

_LIMITS: Final = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_WITHOUT_BF16: Final = {"sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni"}
"""Instruction sets that oneDNN may be limited to and that have no products of bf16."""


def native_precision() -> Literal["fp32", "bf16"]:
    """The fastest precision of floating point that this CPU has instructions for, and oneDNN may use.

    OpenVINO's own list of capabilities does not know the variable that limits oneDNN. With AVX512_CORE on a CPU
    that has bf16 it computed in it all the same, 20 times as slowly, or could not compile the graph.
    """
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    limited = any(os.environ.get(name, "").lower() in _WITHOUT_BF16 for name in _LIMITS)
    return "bf16" if "BF16" in capabilities and not limited else "fp32"

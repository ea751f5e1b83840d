"""The only module that imports OpenVINO: without its telemetry.

By default, `import openvino` reports to Google Analytics: it starts a process for that and keeps an id under
`~/intel`. NNCF does the same. Both send nothing if the package `openvino_telemetry` cannot be imported, so this
module blocks that import first. Raises ModuleNotFoundError if OpenVINO is not installed.
"""

from __future__ import annotations

import os
import sys
from typing import Final, Literal

# With None in sys.modules, Python raises ModuleNotFoundError for the import.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as opset  # noqa: E402 - the first with scaled_dot_product_attention

__all__ = ["native_precision", "openvino", "opset"]

_LIMITS: Final = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_WITHOUT_BF16: Final = {"sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni"}
"""Instruction sets without bf16 multiplication that oneDNN may be limited to."""


def native_precision() -> Literal["fp32", "bf16"]:
    """The fastest floating-point precision that this CPU has instructions for and that oneDNN may use.

    OpenVINO's list of capabilities ignores the variable that limits oneDNN. With AVX512_CORE on a CPU with bf16,
    OpenVINO still computed in bf16, 20 times as slowly, or could not compile the graph.
    """
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    limited = any(os.environ.get(name, "").lower() in _WITHOUT_BF16 for name in _LIMITS)
    return "bf16" if "BF16" in capabilities and not limited else "fp32"

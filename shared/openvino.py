"""The one place that imports OpenVINO: without its telemetry.

`import openvino` alone reports to Google Analytics unless told otherwise: it starts a process for that and
keeps an id under `~/intel`. NNCF does likewise. Both do without where the package `openvino_telemetry` cannot
be imported, so it is made such before they ask for it. Raises ModuleNotFoundError where OpenVINO is not installed.
"""

from __future__ import annotations

import sys
from typing import Literal

# How Python marks what cannot be imported.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as opset  # noqa: E402

__all__ = ["native_precision", "openvino", "opset"]


def native_precision() -> Literal["fp32", "bf16"]:
    """The fastest precision of floating point that this CPU has instructions for."""
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "fp32"

"""The one place that imports OpenVINO: without its telemetry.

`import openvino` alone reports to Google Analytics unless told otherwise: it starts a process for that and
keeps an id under `~/intel`. NNCF does likewise. Both do without where the package `openvino_telemetry` cannot
be imported, so it is made such before they ask for it. Raises ModuleNotFoundError where OpenVINO is not installed.
"""

from __future__ import annotations

import sys

# How Python marks what cannot be imported.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as opset  # noqa: E402

__all__ = ["openvino", "opset"]

"""Memory and utilisation of the GPU that scores, from NVIDIA's driver at each scrape (extra `gpu`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from consumer.metrics import DEVICE_MEMORY, DEVICE_MEMORY_USED, DEVICE_UTILISATION
from consumer.monitoring.values import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = structlog.get_logger()


class Gpu:
    """One GPU by the UUID that the driver gives it: its number may differ from that of CUDA_VISIBLE_DEVICES."""

    def __init__(self, uuid: str, nvml: Any) -> None:
        """`nvml` is the module `pynvml`, after nvmlInit; raises its NVMLError for a GPU that it does not know."""
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        self._label = (str(nvml.nvmlDeviceGetIndex(self._handle)),)

    def __call__(self) -> Iterator[Sample]:
        """Its samples; what the driver does not tell of this GPU, as within a MIG slice, is left out."""
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
            yield Sample(DEVICE_MEMORY_USED, self._label, memory.used)
            yield Sample(DEVICE_MEMORY, self._label, memory.total)
            rates = self._nvml.nvmlDeviceGetUtilizationRates(self._handle)
            yield Sample(DEVICE_UTILISATION, self._label, rates.gpu / 100)
        except self._nvml.NVMLError as error:
            log.debug("gpu_not_measured", error=str(error))


def gpu_of(uuid: str | None) -> Callable[[], Iterator[Sample]] | None:
    """The samples of a GPU; None without one, and with a warning without the extra or the driver's library."""
    if uuid is None:
        return None
    try:
        import pynvml  # noqa: PLC0415 - an extra
    except ImportError:
        log.warning("gpu_not_measured", hint="install the extra gpu (nvidia-ml-py) for its memory and utilisation")
        return None
    try:
        pynvml.nvmlInit()
        return Gpu(uuid, pynvml)
    except pynvml.NVMLError as error:
        log.warning("gpu_not_measured", error=str(error))
        return None

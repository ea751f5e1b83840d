"""The figures of the GPU, with and without what is needed to ask for them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.metrics import DEVICE_MEMORY, DEVICE_MEMORY_USED, DEVICE_UTILISATION
from consumer.monitoring.gpu import gpu_of
from consumer.monitoring.values import Sample

UUID = "GPU-1"


class NVMLError(Exception):
    """As the driver's library raises it."""


def nvml(**failing: bool) -> Any:
    """A driver with one GPU, whose number is 3; calls in `failing` are not supported."""

    def answer(name: str, value: object) -> Any:
        def call(*_: object) -> object:
            if failing.get(name):
                raise NVMLError("Not Supported")
            return value

        return call

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=answer("init", None),
        nvmlDeviceGetHandleByUUID=answer("handle", "handle"),
        nvmlDeviceGetIndex=answer("index", 3),
        nvmlDeviceGetMemoryInfo=answer("memory", SimpleNamespace(used=2, total=8)),
        nvmlDeviceGetUtilizationRates=answer("rates", SimpleNamespace(gpu=25)),
    )


def test_memory_and_utilisation_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a GPU, when scraped, then its memory is in bytes, its utilisation a share, its name the number."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml())

    gpu = gpu_of(UUID)

    assert gpu is not None
    assert list(gpu()) == [
        Sample(DEVICE_MEMORY_USED, ("3",), 2),
        Sample(DEVICE_MEMORY, ("3",), 8),
        Sample(DEVICE_UTILISATION, ("3",), 0.25),
    ]


def test_what_the_driver_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a slice of a GPU without utilisation, when scraped, then its memory is there."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml(rates=True))
    gpu = gpu_of(UUID)
    assert gpu is not None
    assert [one.metric for one in gpu()] == [DEVICE_MEMORY_USED, DEVICE_MEMORY]


@pytest.mark.parametrize("failing", ["init", "handle"])
def test_a_driver_that_cannot_be_asked_is_a_warning(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """Given no driver's library, or a GPU that it does not know, when started, then one line says so."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml(**{failing: True}))
    with capture_logs() as lines:
        assert gpu_of(UUID) is None
    assert [line["event"] for line in lines] == ["gpu_not_measured"]


def test_without_the_extra_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a GPU and no nvidia-ml-py, when started, then one line names the extra; on a CPU nothing is said."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with capture_logs() as lines:
        assert gpu_of(UUID) is None
        assert gpu_of(None) is None
    assert ["extra gpu" in line["hint"] for line in lines] == [True]

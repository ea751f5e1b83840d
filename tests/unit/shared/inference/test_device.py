"""Which device is chosen where torch is not installed."""

from __future__ import annotations

import pytest

from shared.errors import SettingsError
from shared.inference import device


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with NVIDIA's driver and without torch."""
    monkeypatch.setattr(device, "find_spec", lambda _name: None)
    monkeypatch.setattr(device, "_has_driver", lambda: True)


@pytest.mark.usefixtures("no_torch")
def test_auto_takes_the_cpu_and_says_so() -> None:
    """Given a GPU and no torch, when `auto` is resolved, then it is the CPU, and the GPU counts as unused."""
    assert device.choose_device("auto") == "cpu"
    assert device.is_gpu_unused("auto")
    assert not device.is_gpu_unused("cpu")


@pytest.mark.usefixtures("no_torch")
def test_a_gpu_that_is_asked_for_needs_the_extra() -> None:
    """Given no torch, when a GPU is named, then the error names the extra."""
    with pytest.raises(SettingsError, match=r"device cuda:0 needs .*pip install 'sentiment-stream\[torch\]'"):
        device.choose_device("cuda:0")

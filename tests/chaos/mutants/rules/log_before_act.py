"""Mutant: a signal is logged, directly on standard error, before anything else is done about it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

STDERR = 2


def apply() -> None:
    """Replaces the wait for a signal by one that writes before it returns."""

    def logged(signals: Iterable[int]) -> signal.Signals:
        received: signal.Signals = sigwait(signals)
        os.write(STDERR, f'{{"event": "stopping", "signal": "{received.name}"}}\n'.encode())
        return received

    sigwait = replace(signal, "sigwait", logged)

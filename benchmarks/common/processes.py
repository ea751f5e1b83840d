"""CPU time and memory of a process, as reported by the kernel. Linux only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ALL: Final = "all"
MAIN: Final = "main thread"
CLIENT: Final = "Kafka client"
OTHERS: Final = "other threads"

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_MIB: Final = os.sysconf("SC_PAGE_SIZE") / 2**20


def resident_mib(pid: int) -> float:
    """Memory that the process holds now."""
    return round(int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_MIB, 1)


def cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds since the process began, of all threads and by kind of the running ones.

    librdkafka names its threads `rdk:...`; the purpose of a Python or model thread is not visible.
    """
    seconds = {ALL: _seconds(Path(f"/proc/{pid}/stat")), MAIN: 0.0, CLIENT: 0.0, OTHERS: 0.0}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        if int(thread.name) == pid:
            kind = MAIN
        else:
            name = (thread / "comm").read_text(encoding="utf-8", errors="replace")
            kind = CLIENT if name.startswith("rdk:") else OTHERS
        seconds[kind] += _seconds(thread / "stat")
    return seconds


def _seconds(stat: Path) -> float:
    """User and system time: the fields after the name, which is in brackets and may contain anything."""
    fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S

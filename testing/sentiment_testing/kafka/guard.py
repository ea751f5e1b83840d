"""A child process that never outlives this one."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STOP_S: Final = 10.0

# Java must not outlive the tests, not even when they are killed with SIGKILL. So this shell starts
# Java, and its standard input is a pipe whose only writable end is ours: however we end, the kernel
# closes that end, `read` returns, and the shell stops Java and deletes the folder. An orderly stop
# closes the pipe as well, so every run of the tests exercises this path. (PR_SET_PDEATHSIG is Linux
# only, fires when the starting thread ends, needs code between fork and exec, and leaves the folder.)
GUARD: Final = f"""
folder=$1; shift
exec 3<&0
"$@" 3<&- & java=$!
{{
    read -r _ <&3
    kill -TERM $java
    tries={STOP_S * 5:.0f}
    while [ $tries -gt 0 ] && kill -0 $java; do sleep 0.2; tries=$((tries - 1)); done
    kill -KILL $java
}} 2>/dev/null & guard=$!
wait $java; code=$?
kill $guard
rm -rf "$folder"
exit $code
"""


@contextmanager
def guarded(command: Sequence[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `command` under GUARD: it ends with this block or with this process, whichever ends first.

    `folder` is deleted at its end; `log` receives its output.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(folder), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # this process handles Ctrl-C in the terminal
        )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_S + 5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

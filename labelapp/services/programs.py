"""Our own programs beside the worker: started at a low priority, ended with everything of theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from labelapp.env import BASE_DIR

TERM_SECONDS = 10.0


@contextlib.contextmanager
def running(
    command: Sequence[str], log: IO[bytes], *, niceness: int, patience: float | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program that writes to `log`; at the end of the block it has ended.

    One that goes on then has `patience` seconds, or the usual ten, to end by itself.
    """
    process = subprocess.Popen(  # noqa: S603 - our own program, from the settings
        command,
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,  # its end tells the program that this worker is gone
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        lower_priority(process.pid, niceness)
        yield process
    finally:
        _stop(process, TERM_SECONDS if patience is None else patience)


def lower_priority(pid: int, niceness: int) -> None:
    """Let others go first, also where the kernel shares time by session (autogroup)."""
    with contextlib.suppress(OSError):  # it has ended already, or there are no such groups
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def _stop(process: subprocess.Popen[bytes], patience: float) -> None:
    """End the program: SIGTERM, and after so many seconds SIGKILL for it and all that it started."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()

"""Start child processes, start again what dies, stop all of it. Knows nothing of Django."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_POLL_SECONDS = 0.2
_LONGEST_WAIT = 30.0
_STEADY_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A process to keep alive. With `once`, its end is not a fault: it ends everything.

    A service is started again when it dies, after 1, 2, 4 ... 30 seconds; an hour-old one that
    dies once starts again at once.
    """

    name: str
    command: list[str]
    env: dict[str, str]
    once: bool = False
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    start_at: float = 0.0

    def wait_seconds(self) -> float:
        """Return the pause before the next start."""
        return min(_LONGEST_WAIT, 2.0 ** (self.deaths - 1)) if self.deaths > 1 else 0.0


@dataclass
class Supervisor:
    """Keeps children running until told to stop."""

    children: Sequence[Child]
    say: Callable[[str], None]
    grace_seconds: float = 15.0
    stopping: bool = False
    exit_code: int = 0
    _libc: ctypes.CDLL | None = field(default=None, repr=False)

    def run(self) -> int:
        """Start all children and watch them; return the exit code once all have stopped."""
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None)
        self._catch_signals()
        try:
            for child in self.children:
                self._start(child)
            while not self.stopping:
                time.sleep(_POLL_SECONDS)
                self.tick()
                for child in self.children:
                    self._watch(child)
        finally:
            self._stop_all()
        return self.exit_code

    def tick(self) -> None:
        """Do something each fifth of a second; meant for subclasses."""

    def stop(self, code: int = 0) -> None:
        """Ask `run` to end with this exit code."""
        self.stopping = True
        self.exit_code = code

    def _catch_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._on_signal())

    def _on_signal(self) -> None:
        if not self.stopping:
            self.say("Stopping: running jobs are set aside and go on at the next start.")
        self.stop()

    def _start(self, child: Child) -> None:
        # A session of its own: Ctrl-C in the terminal reaches only us, and we stop the children
        # in order. The group holds everything that the child starts itself.
        child.process = subprocess.Popen(  # noqa: S603 - our own commands
            child.command,
            env=child.env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=self._die_with_parent,  # noqa: PLW1509 - this program has no threads
        )
        child.started = time.monotonic()
        child.start_at = 0.0

    def _die_with_parent(self) -> None:
        """Runs in the child: SIGTERM when we are killed, so that no orphan holds the port."""
        if self._libc is not None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def _watch(self, child: Child) -> None:
        if child.process is None:
            if child.start_at and time.monotonic() >= child.start_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        kill_group(child.process.pid)  # what a killed child left behind must not go on
        child.process = None
        if child.once:
            self.stop(code if code >= 0 else 1)
        else:
            self._plan_restart(child, code)

    def _plan_restart(self, child: Child, code: int) -> None:
        if time.monotonic() - child.started > _STEADY_SECONDS:
            child.deaths = 0
        child.deaths += 1
        wait = child.wait_seconds()
        child.start_at = time.monotonic() + wait
        when = f"in {wait:.0f} s" if wait else "now"
        self.say(f"The {child.name} ended {_why(code)}; starting it again {when}.")

    def _stop_all(self) -> None:
        running = [child for child in self.children if child.process is not None]
        for child in running:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + self.grace_seconds
        for child in running:
            if child.process is not None and not _ended(child.process, deadline):
                self.say(f"The {child.name} did not stop in time; it is killed.")
        for child in running:
            if child.process is not None:
                kill_group(child.process.pid)
                child.process.wait()
                child.process = None


def kill_group(pid: int) -> None:
    """SIGKILL whatever is left of the process group that this child led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _ended(process: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _why(code: int) -> str:
    if code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"with code {code}"

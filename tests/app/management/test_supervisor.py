"""Children are started again when they die, and nothing of them is left at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from labelapp.management.supervisor import Child, Supervisor, kill_group

ROOT = Path(__file__).resolve().parents[3]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def child(name: str, code: str, **more) -> Child:
    return Child(name, python(code), dict(os.environ), **more)


@pytest.fixture
def lines():
    return []


@pytest.fixture(autouse=True)
def _signals_as_before():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Watched(Supervisor):
    """Stops by itself when `until` is true."""

    until = staticmethod(lambda: True)

    def tick(self) -> None:
        if self.until():
            self.stop()


def test_the_end_of_a_one_time_child_ends_everything(lines):
    service = child("service", "import time; time.sleep(60)")
    task = child("task", "raise SystemExit(7)", once=True)
    started = time.monotonic()
    assert Supervisor([service, task], lines.append).run() == 7
    assert time.monotonic() - started < 10
    assert service.process is None


def test_a_child_that_dies_is_started_again_and_this_is_said(lines, tmp_path):
    log = tmp_path / "starts"
    service = child("worker", f"open({str(log)!r}, 'a').write('x'); raise SystemExit(1)")
    keeper = Watched([service], lines.append)
    keeper.until = lambda: log.exists() and len(log.read_text()) >= 2
    keeper.run()
    assert "The worker ended with code 1; starting it again now." in lines


def test_the_pause_between_restarts_grows_up_to_half_a_minute():
    restless = child("worker", "")
    pauses = []
    for deaths in range(9):
        restless.deaths = deaths
        pauses.append(restless.wait_seconds())
    assert pauses == [0, 0, 2, 4, 8, 16, 30, 30, 30]


def test_a_killed_child_leaves_no_grandchildren(lines, tmp_path):
    note = tmp_path / "pid"
    code = f"""
        import subprocess, sys, time, os
        made = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(note)!r} + str(os.getpid()), "w").write(str(made.pid))
        time.sleep(60)
    """
    service = child("worker", code)
    keeper = Watched([service], lines.append)
    seen: list[int] = []

    def killed_once() -> bool:
        notes = [path for path in tmp_path.iterdir() if path.read_text()]
        if notes and not seen:
            seen.append(int(notes[0].read_text()))
            os.kill(service.process.pid, signal.SIGKILL)
        return len(notes) >= 2

    keeper.until = killed_once
    keeper.run()
    assert any("SIGKILL" in line for line in lines)
    wait_for(lambda: gone(seen[0]))


def test_a_child_that_ignores_the_request_is_killed_after_the_grace_time(lines, tmp_path):
    ready = tmp_path / "ready"
    code = f"""
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({str(ready)!r}, "w").close()
        time.sleep(60)
    """
    keeper = Watched([child("worker", code)], lines.append, grace_seconds=0.5)
    keeper.until = ready.exists
    started = time.monotonic()
    keeper.run()
    assert time.monotonic() - started < 10
    assert "The worker did not stop in time; it is killed." in lines


def test_killing_the_supervisor_takes_the_children_along(tmp_path):
    if sys.platform != "linux":
        pytest.skip("the kernel tells children of a parent's death on Linux only")
    note = tmp_path / "pid"
    code = f"""
        import os, sys
        from labelapp.management.supervisor import Child, Supervisor
        inner = "import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        Supervisor([Child("x", [sys.executable, "-c", inner], dict(os.environ))], print).run()
    """
    with subprocess.Popen(python(code), cwd=ROOT) as outer:
        pid = wait_for(lambda: note.exists() and note.read_text())
        outer.kill()
    wait_for(lambda: gone(int(pid)))


def test_a_group_that_is_gone_is_no_error():
    done = subprocess.Popen(python(""), start_new_session=True)
    done.wait()
    kill_group(done.pid)


def gone(pid: int) -> bool:
    """A container without an init process keeps a dead orphan's entry: a zombie is gone, too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")

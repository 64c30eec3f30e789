"""One running product per data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labelapp.management.instance import AlreadyRunningError, InstanceLock, running_on

ROOT = Path(__file__).resolve().parents[3]


def test_a_second_one_is_told_who_runs(tmp_path):
    with InstanceLock(tmp_path, "http://localhost:8000"):
        with pytest.raises(AlreadyRunningError, match=rf"{os.getpid()}, http://localhost:8000"):
            InstanceLock(tmp_path, "second").__enter__()
        assert running_on(tmp_path) == f"process {os.getpid()}, http://localhost:8000"


def test_the_lock_can_be_taken_again_afterwards(tmp_path):
    with InstanceLock(tmp_path, "first"):
        pass
    assert running_on(tmp_path) is None
    with InstanceLock(tmp_path, "second"):
        assert "second" in (tmp_path / "up.lock").read_text()


def test_two_data_folders_do_not_disturb_each_other(tmp_path):
    with InstanceLock(tmp_path / "a", "first"), InstanceLock(tmp_path / "b", "second"):
        assert running_on(tmp_path / "a") is not None


def test_a_killed_holder_leaves_no_lock_behind(tmp_path):
    code = (
        "import sys, time; from pathlib import Path;"
        "from labelapp.management.instance import InstanceLock;"
        "lock = InstanceLock(Path(sys.argv[1]), 'x'); lock.__enter__();"
        "print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert running_on(tmp_path) is not None
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert running_on(tmp_path) is None

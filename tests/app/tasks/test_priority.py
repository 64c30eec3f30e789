"""The trainer gives way to the people who label."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labelapp.services.programs import lower_priority
from labelapp.services.training import NICENESS


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, start_new_session=True)
    yield process
    process.kill()
    process.communicate()


def test_the_trainer_runs_at_lower_priority(sleeper):
    lower_priority(sleeper.pid, NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, sleeper.pid) == NICENESS


def test_its_session_gives_way_where_the_kernel_shares_time_by_session(sleeper):
    group = Path(f"/proc/{sleeper.pid}/autogroup")
    if not group.exists():
        pytest.skip("this kernel has no autogroups")
    lower_priority(sleeper.pid, NICENESS)
    assert group.read_text().split()[-1] == str(NICENESS)


def test_a_trainer_that_has_ended_is_left_alone(sleeper):
    sleeper.kill()
    sleeper.wait()
    lower_priority(sleeper.pid, NICENESS)
    assert sleeper.returncode is not None

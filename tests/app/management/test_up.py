"""`manage.py up`: what it says when it cannot start, and that it stops what it started."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.journeys.product import Product, clean_environment, wait_for

ROOT = Path(__file__).resolve().parents[3]


def manage(data_dir: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**clean_environment(data_dir), **more}, capture_output=True, text=True,
        check=False, timeout=90,
    )  # fmt: skip


def test_a_port_that_is_taken_is_named_with_a_free_one(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = manage(tmp_path, "up", "--port", str(port))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "make run PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = manage(tmp_path / "file" / "var", "up")
    assert done.returncode == 1
    assert f"cannot write below {tmp_path}/file/var" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named(tmp_path):
    done = manage(tmp_path, "up", MCAL_PORT="many")
    assert done.returncode == 1
    assert "MCAL_PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    product = Product(tmp_path_factory.mktemp("up") / "var", "--no-demo")
    product.start()
    yield product
    if not product.ended():
        product.stop()


def test_a_second_one_on_the_same_folder_is_told_who_runs(running):
    done = manage(running.data_dir, "up", "--port", str(running.port + 1))
    assert done.returncode == 1
    assert f"process {running.process.pid}, http://localhost:{running.port}" in done.stderr


def test_a_restore_into_a_running_product_is_refused(running, tmp_path):
    backup = tmp_path / "backup.tar"
    assert manage(running.data_dir, "backup", str(backup)).returncode == 0
    done = manage(running.data_dir, "restore", str(backup), "--force")
    assert done.returncode == 1
    assert "stop it first" in done.stderr


def test_a_backup_made_while_it_runs_can_be_restored_elsewhere(running, tmp_path):
    backup, elsewhere = tmp_path / "backup.tar", tmp_path / "elsewhere"
    manage(running.data_dir, "backup", str(backup))
    done = manage(elsewhere, "restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert "1 people, 0 projects" in done.stdout
    assert "OK    SQLite quick_check" in manage(elsewhere, "doctor", "--quick").stdout


def test_a_forgotten_password_gets_a_link_to_the_running_server(running):
    done = manage(running.data_dir, "reset_password", "owner@localhost")
    assert f"http://localhost:{running.port}/reset/" in done.stdout


def test_a_worker_is_alive_and_the_doctor_sees_it(running):
    wait_for(
        lambda: "OK    a worker is alive" in manage(running.data_dir, "doctor", "--quick").stdout
    )


def test_a_killed_worker_is_replaced_and_leaves_nobody_behind(running):
    worker = wait_for(lambda: running.child("manage.py worker"))
    family = worker.children(recursive=True)
    assert family
    worker.kill()
    wait_for(lambda: "The worker ended by signal SIGKILL" in running.said(), why=running.said)
    wait_for(lambda: all(gone(process) for process in family))
    assert wait_for(lambda: running.child("manage.py worker")).pid != worker.pid


def test_ctrl_c_stops_everything_that_was_started(running):
    family = psutil.Process(running.process.pid).children(recursive=True)
    started = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - started < 20
    assert [process for process in family if not gone(process)] == []
    assert "Stopping" in running.said()


def test_sigterm_before_it_is_ready_ends_it_too(tmp_path):
    command = [sys.executable, "manage.py", "up", "--no-demo", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=clean_environment(tmp_path)) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

"""Real processes, killed: whatever dies, the work goes on and nothing is charged twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]


class Product:
    """A data folder of its own, with a worker that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = os.environ | {
            "MCAL_DATA_DIR": str(folder),
            "MCAL_DATABASE_URL": f"sqlite:///{folder / 'mcal.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": "tests.app.tasks.fake_settings",
            "PYTHONPATH": str(ROOT),
        }
        self.worker: subprocess.Popen[bytes] | None = None

    def call(self, command: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.app.tasks.outside", command],
            env=self.env,
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    def start_worker(self) -> None:
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "worker"],
                env=self.env,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def family(self) -> list[int]:
        """The worker's process and all below it, the trainer included."""
        below = psutil.Process(self.worker.pid).children(recursive=True)
        assert len(below) >= 6  # sentinel, two workers, monitor, pusher, trainer
        return [self.worker.pid, *(process.pid for process in below)]

    def behave(self, what: str) -> None:
        (self.folder / "jobs").mkdir(exist_ok=True)
        (self.folder / "jobs" / "behave.txt").write_text(what)

    def trainer(self) -> int | None:
        """The pid of the trainer that reports progress now."""
        for path in (self.folder / "jobs").glob("*/training/*/*/progress.json"):
            pid = int(path.with_name("pid").read_text())
            if lives(pid):
                return pid
        return None

    def value(self, query: str) -> object:
        """Return one value of the database, read beside the processes that use it."""
        with closing(sqlite3.connect(self.folder / "mcal.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchone()[0]

    def training(self) -> tuple[object, object]:
        """State and attempts of the training job."""
        one = "FROM labelapp_job WHERE kind = 'train' ORDER BY id LIMIT 1"
        return self.value(f"SELECT state {one}"), self.value(f"SELECT attempts {one}")

    def stop(self) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.worker.terminate()
            self.worker.wait(30)


def wait_for(found: Callable[[], object], seconds: float = 40.0) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(pids: list[int]) -> bool:
    return not [pid for pid in pids if lives(pid)]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A data folder with a run that waits for its first training."""
    folder = tmp_path_factory.mktemp("template")
    Product(folder).call("begin")
    return folder


@pytest.fixture
def product(tmp_path, template) -> Iterator[Product]:
    """A product whose worker is in the middle of the first training, which hangs."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    product = Product(tmp_path)
    product.behave("hang")
    product.start_worker()
    wait_for(product.trainer)
    yield product
    product.stop()


def test_a_killed_worker_leaves_nobody_and_its_successor_goes_on(product):
    family = product.family()
    os.kill(product.worker.pid, signal.SIGKILL)  # the others must notice by themselves
    product.worker.wait()
    wait_for(lambda: all_gone(family), 10)
    assert product.training() == ("running", 1)

    product.start_worker()
    wait_for(product.trainer, 20)
    product.behave("")
    wait_for(lambda: product.value("SELECT count(*) FROM labelapp_iteration") == 1)
    assert product.training() == ("done", 2)
    seen = product.call("show")
    assert seen["trainings_charged"] == 1
    assert seen["answers"] == seen["label_charges"] == seen["labels"]
    assert seen["counters_right"]


def test_a_stopped_worker_hands_its_job_back_and_ends_soon(product):
    family = product.family()
    product.worker.terminate()
    assert product.worker.wait(15) == 0
    wait_for(lambda: all_gone(family), 5)
    assert product.training() == ("waiting", 0)
    assert product.value("SELECT count(*) FROM labelapp_workerbeat") == 0


def test_a_killed_sentinel_ends_the_worker_with_an_error(product):
    family = product.family()
    psutil.Process(product.worker.pid).children()[0].kill()
    assert product.worker.wait(15) == 1
    wait_for(lambda: all_gone(family), 10)

"""The product as processes of its own on a temporary data folder; never the ORM (trap 16)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from tests.app.web.labelling_site import free_port

ROOT = Path(__file__).resolve().parents[2]


def clean_environment(data_dir: Path) -> dict[str, str]:
    """Return the environment without what the test run itself has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MCAL_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return {**kept, "MCAL_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}


class Product:
    """`manage.py up`, started like `make run` does it."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.options = options
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environment(self.data_dir),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        wait_for(lambda: self.answers() or self.ended(), 180, self.said)
        assert not self.ended(), self.said()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            self.lines.append(line.rstrip())

    def said(self) -> str:
        return "\n".join(self.lines)

    def ended(self) -> bool:
        return self.process.poll() is not None

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def printed(self, name: str) -> str:
        """Return what `up` printed after this word, e.g. the owner's password."""
        found = re.search(rf"^ +{name} +(\S+)$", self.said(), re.MULTILINE)
        assert found, self.said()
        return found.group(1)

    def child(self, words: str) -> psutil.Process | None:
        """Return the child whose command line holds these words, None while there is none."""
        for child in psutil.Process(self.process.pid).children():
            if words in " ".join(child.cmdline()):
                return child
        return None

    def kill_web_server(self) -> None:
        self.child("uvicorn").send_signal(signal.SIGKILL)

    def kill_everything(self) -> None:
        """SIGKILL `up`, and with it, as a power cut would, all that it has started."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def stop(self) -> int:
        """Stop it as Ctrl-C does and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(120)
        self.reader.join()
        self.process.stdout.close()
        return code


def wait_for(condition, seconds: float = 30, why=lambda: ""):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"it did not happen within {seconds} s. {why()}")

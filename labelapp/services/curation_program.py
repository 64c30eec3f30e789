"""Run the program that searches, follow it, and step aside while a training goes on.

`python -m mcal_engine search-job FOLDER` keeps each finished step, so whatever ends it (a killed
worker, a cancelled search, a crash) costs one training at most: the next one goes on behind it.

People who label wait for trainings, nobody waits for a search. So at most one search runs at a
time (`queue.claim`), at the lowest priority, and while a training of any project runs or waits the
file `pause` tells the program to wait.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError

from labelapp import engine_search, queue
from labelapp.errors import ConflictError
from labelapp.models import Curation, Job, Project
from labelapp.selectors.curations import Progress, folder, progress
from labelapp.services import programs
from labelapp.services.curation_settings import CurationSettings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0  # between two looks at whether somebody else needs the machine
KEEP_SECONDS = 5.0  # between two writes of the seconds used
NICENESS = 19
STOP_SECONDS = 0.5
"""Until a cancelled program is killed. It hears SIGTERM between two steps only, and at this
priority one may take a minute on a busy machine; finished steps are whole on disk, none is lost."""
HOPELESS = frozenset({"bad_data", "bad_weights", "invalid_config", "disk_full"})
"""Codes of failures that another attempt would meet again."""


class SearchFailedError(Exception):
    """An attempt failed; the message says why, in words for the manager."""


class Clock:
    """The seconds for which a search has used the machine, over all of its attempts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = _seconds_in(path)
        self._last = self._kept = time.monotonic()

    def tick(self, *, counts: bool) -> None:
        """Take the time since the last call, if it counts, and write it down now and then."""
        now = time.monotonic()
        self.seconds += now - self._last if counts else 0.0
        self._last = now
        if now - self._kept >= KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Write it down; a full disk is met by the program, with better words."""
        self._kept = time.monotonic()
        with contextlib.suppress(OSError):
            temporary = self.path.with_name(f".{self.path.name}.part")
            temporary.write_text(json.dumps({"seconds": round(self.seconds, 3)}))
            temporary.replace(self.path)


def _seconds_in(path: Path) -> float:
    try:
        return float(json.loads(path.read_text())["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def search(record: Curation, control: queue.JobControl) -> tuple[dict[str, Any], float]:
    """Run the program to its end; return its result and the seconds that it took in all.

    Raises SearchFailedError, ConflictError where another attempt would fail alike, OSError, and
    what `control.tick` raises.
    """
    where = folder(record)
    clock = Clock(where / "clock.json")
    with (where / "log.txt").open("wb") as log, _running(where, log) as process:
        control.log(f"Searching: process {process.pid}")
        try:
            _follow(process, record, control, clock)
        finally:
            clock.keep()
            (where / "pause").unlink(missing_ok=True)
    return _result(where, process.returncode), clock.seconds


@contextlib.contextmanager
def _running(where: Path, log: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [*settings.SEARCH_COMMAND, str(where)]
    try:
        with programs.running(command, log, niceness=NICENESS, patience=STOP_SECONDS) as process:
            yield process
    finally:
        shutil.rmtree(where / "members", ignore_errors=True)  # gigabytes, of a training that ended


class Aside:
    """Says what this process itself does for a search, and waits while a training goes first."""

    def __init__(self, record: Curation, control: queue.JobControl) -> None:
        self.record, self.control = record, control
        self._looked = float("-inf")

    def __call__(self, message: str) -> None:
        """Report, and come back when no training runs or waits. Call it often.

        Raises JobCancelled where the project is not finished any more, and what `tick` raises.
        """
        self.control.tick(0.0, message)
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        while _look(self.record, waits=False):
            self.control.tick(0.0, WAITS)
            time.sleep(POLL_SECONDS)
        self._looked = time.monotonic()


# --- while it runs -------------------------------------------------------------------------------


@dataclass
class _Forecast:
    """How far the search is, by what its trainings take, and when it will end.

    `began` is the share that was done when this attempt saw the first of it, at `at` seconds.
    """

    weights: list[float]
    began: float | None = None
    at: float = 0.0

    @classmethod
    def of(cls, record: Curation) -> _Forecast:
        chosen = CurationSettings.of(record.settings)
        found = engine_search.trainings(chosen, max(record.n, 1), held_out(record))
        return cls([one.images * _effort(one.arch) for one in found])

    def share(self, told: Progress) -> float:
        """Return the share that is done, 0..1."""
        total, before = sum(self.weights), told.step - 1
        if not total or not 0 <= before < len(self.weights):
            return 0.0
        part = told.done / told.of if told.of else 0.0
        part = 0.85 * part if told.phase == "train" else 0.85 + 0.15 * part
        return (sum(self.weights[:before]) + part * self.weights[before]) / total

    def seconds_left(self, share: float, used: float) -> float | None:
        """Return how long it will go on, None before enough of it has been seen."""
        if self.began is None:
            self.began, self.at = share, used
        seen = share - self.began
        return (used - self.at) / seen * (1.0 - share) if seen > 0.01 else None


def held_out(record: Curation) -> int:
    """Return how many images judge, by what was written down of them."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    return len(np.load(folder(record) / "held_out.npy", mmap_mode="r", allow_pickle=False))


def _effort(arch: str) -> float:
    facts = engine_search.facts_of(arch)
    return float(facts.runs) if facts else 1.0


def _follow(
    process: subprocess.Popen[bytes], record: Curation, control: queue.JobControl, clock: Clock
) -> None:
    """Report progress until the program ends; leave early when the job has to end."""
    forecast, where = _Forecast.of(record), folder(record)
    waits, looked, last = False, float("-inf"), ""
    while process.poll() is None:
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked, waits = time.monotonic(), _look(record, waits=waits)
            _pause(where, waits=waits)
        time.sleep(POLL_SECONDS)
        clock.tick(counts=not waits)
        told = progress(record)
        share = forecast.share(told) if told else 0.0
        left = forecast.seconds_left(share, clock.seconds) if told and not waits else None
        control.tick(share, _message(told, waits=waits), left)
        if told and (line := _message(told)) != last:
            control.log(last := line)


def _look(record: Curation, *, waits: bool) -> bool:
    """Return whether the search waits from now on. Raises JobCancelled as `need_finished` does."""
    try:
        need_finished(record)
        return trains()
    except OperationalError:  # a busy database must not end hours of searching: look again soon
        log.warning("search %s could not look for trainings", record.pk, exc_info=True)
        return waits


def _pause(where: Path, *, waits: bool) -> None:
    """Have the program wait, or go on."""
    if waits:
        (where / "pause").touch()
    else:
        (where / "pause").unlink(missing_ok=True)


def trains() -> bool:
    """Tell whether a training of any project runs or waits for its turn."""
    return Job.objects.filter(kind="train", state__in=queue.LIVE).exists()


def need_finished(record: Curation) -> None:
    """Raise JobCancelled where the project is not finished any more, with the reason in the row."""
    going = Project.objects.filter(pk=record.project_id, status=Project.Status.FINISHED)
    if not going.filter(archived_at=None).exists():
        record.message = OPENED
        raise queue.JobCancelled


OPENED = "The project was opened again, or archived. The search can go on once it has finished."


WAITS = "Waiting: a training goes first"


def _message(told: Progress | None, *, waits: bool = False) -> str:
    if waits:
        return WAITS
    if told is None:
        return "The search begins"
    which = f"Training {told.step} of {told.steps}"
    what_for = "to choose" if told.purpose == "acquire" else "to compare"
    return f"{which}, {what_for}: {told.images:,} images"


# --- how it ended --------------------------------------------------------------------------------


def _result(where: Path, code: int) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads((where / "result.json").read_text())
    except (OSError, ValueError):
        raise SearchFailedError(_died(where, code)) from None
    if result.get("ok"):
        return result
    words = str(result.get("message") or result.get("code") or "no reason")
    if result.get("code") in HOPELESS:
        raise ConflictError(words[:1].upper() + words[1:])
    raise SearchFailedError(words)


def _died(where: Path, code: int) -> str:
    """Say how a program without a result ended, with the last line of its log."""
    lines = (where / "log.txt").read_text(errors="replace").strip().splitlines()
    end = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    hint = " (out of memory?)" if code == -signal.SIGKILL else ""
    last = f": {lines[-1][:300]}" if lines else ""
    return f"The search program {end}{hint}{last}"

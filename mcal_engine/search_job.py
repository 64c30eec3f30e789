"""One search job, from request.json to result.json: what `python -m mcal_engine search-job` runs.

The contract is that of `fit` (`vision.program`): files in JOB_FOLDER, each written atomically,
result.json last; SIGTERM cancels, the end of the standard input ends it. Beyond that every
finished stage and every judged model stays below JOB_FOLDER/steps, so a job that is started again
in the same folder goes on where it was:

    progress.json     which training of how many, and how far it is
    steps/            what is done (`search_store`)
    subset.npy        S of the first seed, dense numbers in the order in which they were taken
    part.npy          int16 [N]: the stage that took the image, 0 left out, -1 held out
    result.json       stages, accuracies with intervals, hashes

While JOB_FOLDER/pause exists the program waits, between two steps of a training: whoever needs the
machine more makes that file and removes it. The seconds spent so count for no training, and an
accelerator's memory is given back for that time (`vision.parking`).
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcal_engine import search, search_request
from mcal_engine.search import LabelledPool
from mcal_engine.search_compare import compare
from mcal_engine.search_request import SearchRequest
from mcal_engine.search_stages import Step
from mcal_engine.search_store import Facts, Folder, images_hash, key_of, refusal
from mcal_engine.types import IntArray
from mcal_engine.vision.files import write_array, write_json

if TYPE_CHECKING:
    from mcal_engine.vision.search_learner import SearchLearner
    from mcal_engine.vision.train import Progress

PROGRESS_SECONDS = 1.0
PAUSE_SECONDS = 0.2  # between two looks at whether the pause is over
LEFT_OUT, HELD_OUT = 0, -1
MEMBERS = "members"  # where the learner keeps an ensemble while it needs it


def run_job(folder: Path, cancelled: Callable[[], bool]) -> Facts:
    """Search as request.json says, going on from `steps`; return what result.json reports.

    Raises `DataError` or `InvalidConfigError` for a bad request, `TrainingError`, `CancelledError`.
    """
    request = search_request.read(folder)
    images, pool = search_request.load(request)
    search.check(request.settings, pool)
    search.check_seeds(request.seeds)
    reporter = Reporter(folder / "progress.json", n=len(images))
    pause = Pause(folder / "pause", cancelled)
    learner = _learner(folder, request, images, reporter, pause)
    pixels = images_hash(images, cancelled=pause)  # minutes for a million images
    key = key_of(request.settings, pool, pixels, _told(learner, request))
    store = Folder(folder / "steps", key)
    result, subset = compare(
        request.settings,
        pool,
        learner,
        store,
        request.seeds,
        sets=request.sets,
        watch=reporter.step,
        cancelled=pause,
    )
    shutil.rmtree(folder / MEMBERS, ignore_errors=True)  # of the last training: nobody needs them
    return result | _keep(folder, subset, parts(pool, subset, result))


def parts(pool: LabelledPool, subset: IntArray, result: Facts) -> NDArray[np.int16]:
    """Return int16 [N]: the stage that took each image, 0 left out, -1 held out."""
    found = np.where(pool.held_out, HELD_OUT, LEFT_OUT).astype(np.int16)
    start = 0
    for number, size in enumerate(result["sizes"], start=1):
        found[subset[start:size]] = number
        start = size
    return found


def _keep(folder: Path, subset: IntArray, part: NDArray[np.int16]) -> Facts:
    try:
        return {
            "subset_sha256": write_array(folder / "subset.npy", subset),
            "part_sha256": write_array(folder / "part.npy", part),
        }
    except OSError as error:
        raise refusal(error, folder) from error


def _learner(
    folder: Path,
    request: SearchRequest,
    images: NDArray[np.uint8],
    reporter: Reporter,
    pause: Pause,
) -> SearchLearner:
    from mcal_engine.vision.parking import park  # noqa: PLC0415  torch
    from mcal_engine.vision.pretrained import prior_of  # noqa: PLC0415
    from mcal_engine.vision.search_learner import SearchLearner  # noqa: PLC0415

    learner = SearchLearner(
        images,
        request.classes,
        settings=request.training,
        flip=request.flip,
        device=request.device,
        threads=request.threads,
        report_training=reporter.training,
        report_scoring=reporter.scoring,
        cancelled=pause,
    )
    learner.members_in, learner.prior = folder, prior_of(request.pretrained)
    learner.waited = lambda: pause.seconds
    if learner.device.type == "cuda":
        pause.park = lambda: park(learner.device)
    return learner


def _told(learner: SearchLearner, request: SearchRequest) -> Facts:
    from mcal_engine.vision.search_key import told  # noqa: PLC0415  torch

    return told(learner, (request.settings.acquirer, request.settings.model))


class Pause:
    """Asks whether to stop, as `cancelled` does, and waits there while a file exists.

    `park` gives memory back for that time and returns what takes it again.
    """

    def __init__(self, path: Path, cancelled: Callable[[], bool]) -> None:
        self.path, self.cancelled = path, cancelled
        self.seconds = 0.0  # waited so far
        self.park: Callable[[], Callable[[], None]] = lambda: lambda: None

    def __call__(self) -> bool:
        """Return whether to stop, once the pause is over."""
        if self.path.exists() and not self.cancelled():
            began = time.monotonic()
            self._wait()
            self.seconds += time.monotonic() - began
        return self.cancelled()

    def _wait(self) -> None:
        fill = self.park()
        while self.path.exists() and not self.cancelled():
            time.sleep(PAUSE_SECONDS)
        if not self.cancelled():
            fill()


class Reporter:
    """Writes progress.json at each training's start and then about once a second.

    `done` and `of` count optimiser steps while a network trains, images while it scores.
    """

    def __init__(self, path: Path, *, n: int, now: Callable[[], float] = time.monotonic) -> None:
        self.path, self.n, self.now = path, n, now
        self.current: Step | None = None
        self.last_write = -math.inf

    def step(self, step: Step) -> None:
        """Report that a training begins."""
        self.current = step
        self._write("train", 0, 0)

    def training(self, progress: Progress) -> None:
        """Report an optimiser step."""
        if self._due(progress.step == progress.steps):
            self._write("train", progress.step, progress.steps)

    def scoring(self, done: int) -> None:
        """Report that `done` images have been scored."""
        if self._due(done == self.n):
            self._write("score", done, self.n)

    def _due(self, last: bool) -> bool:
        return last or self.now() - self.last_write >= PROGRESS_SECONDS

    def _write(self, phase: str, done: int, of: int) -> None:
        self.last_write = self.now()
        current = self.current
        if current is None:
            return
        content = {
            "seed": current.seed,
            "step": current.step,
            "steps": current.steps,
            "purpose": current.purpose,
            "stage": current.stage,
            "images": current.images,
            "phase": phase,
            "done": done,
            "of": of,
        }
        write_json(self.path, content, durable=False)

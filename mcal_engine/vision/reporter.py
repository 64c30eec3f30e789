"""What a training says while it goes on: progress.json, with the figures of its epochs."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from mcal_engine.vision.files import write_json
from mcal_engine.vision.train import Epoch, Progress

PROGRESS_SECONDS = 1.0
SCORING_COST = 0.2  # a scored image against a trained one; only for the first guess of the end
MOST_EPOCHS = 400  # the last ones are kept: some 20 kB of JSON
DIGITS = 5


class Reporter:
    """Writes progress.json about once a second, with a forecast of the end.

    `runs` is how many trainings follow each other (an ensemble's seeds). `epochs` are the last 400
    passes over B of all of them: (run from 1, epoch from 1, mean loss, accuracy).
    """

    def __init__(
        self, path: Path, *, n: int, runs: int = 1, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.n = n
        self.runs = runs
        self.now = now
        self.last_write = -math.inf
        self.steps = 0
        self.scoring_since: float | None = None
        self.epochs: deque[tuple[int, int, float, float]] = deque(maxlen=MOST_EPOCHS)

    def training(self, progress: Progress) -> None:
        """Report a step; scoring is guessed at a fifth of the cost of training, per image."""
        if progress.epoch is not None:
            self._add(progress.epoch)
        if not self._due(progress.step == progress.steps):
            return
        self.steps = progress.steps
        rate = progress.images / max(progress.seconds, 1e-9)
        left = (progress.steps - progress.step) * progress.images / progress.step
        self._write("train", progress.step, rate, (left + SCORING_COST * self.n) / rate)

    def scoring(self, done: int) -> None:
        """Report that `done` images have been scored."""
        if self.scoring_since is None:
            self.scoring_since = self.now()
        if not self._due(done == self.n):
            return
        rate = done / max(self.now() - self.scoring_since, 1e-3)
        self._write("score", self.steps, rate, (self.n - done) / rate)

    def figures(self) -> dict[str, object]:
        """Return the epochs so far, ready for JSON: how many runs, and a row for each epoch."""
        return {"runs": self.runs, "epochs": [list(row) for row in self.epochs]}

    def _add(self, epoch: Epoch) -> None:
        """Keep an epoch; one whose number does not go on belongs to the next run."""
        run, before = self.epochs[-1][:2] if self.epochs else (1, 0)
        if epoch.number <= before:
            run += 1
        figures = (round(epoch.loss, DIGITS), round(epoch.accuracy, DIGITS))
        self.epochs.append((run, epoch.number, *figures))

    def _due(self, last: bool) -> bool:
        return last or self.now() - self.last_write >= PROGRESS_SECONDS

    def _write(self, phase: str, step: int, rate: float, seconds_left: float) -> None:
        self.last_write = self.now()
        progress = {
            "step": step,
            "steps": self.steps,
            "phase": phase,
            "images_per_second": round(rate, 1),
            "seconds_left": round(seconds_left, 1),
            **self.figures(),
        }
        write_json(self.path, progress, durable=False)

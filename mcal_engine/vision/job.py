"""One training job, from its request file to its result: what `program.main` runs."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcal_engine.errors import DataError
from mcal_engine.types import Scores
from mcal_engine.vision import checkpoints
from mcal_engine.vision.data import Images
from mcal_engine.vision.device import describe
from mcal_engine.vision.files import ArrayWriter, array_writer, write_array, write_json
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.recipes import Recipe, suited
from mcal_engine.vision.score import Views, half
from mcal_engine.vision.train import Progress, Trained

SCHEMA = 1
PROGRESS_SECONDS = 1.0
ARRAYS = ("pred", "uncertainty", "least", "entropy", "features")
DISPLAY_BYTES = 2**29
"""What pages are shown of a model (probs.npy, features.npy) is kept up to this size per file."""

SCORING_COST = 0.2  # a scored image against a trained one; only for the first guess of the end


_T = TypeVar("_T", str, int, bool, dict[str, Any])


@dataclass(frozen=True)
class JobRequest:
    """The request.json of a job, checked. Paths are absolute."""

    images: Path
    train_items: Path
    train_labels: Path
    classes: int
    arch: str
    seed: int
    flip: bool
    options: dict[str, Any]
    features: bool = False
    display: bool = False
    device: str | None = None
    threads: int | None = None


def run_job(folder: Path, cancelled: Callable[[], bool]) -> dict[str, object]:
    """Train and score as request.json says; return what result.json reports.

    Writes progress.json about once a second, then model.pt and the arrays of the scores; with
    `display` also probs.npy and features.npy, both float16, where they fit into DISPLAY_BYTES.
    Raises `DataError` for a bad request, `TrainingError`, `CancelledError`.
    """
    request = read_request(folder)
    images = _array(request.images, mmap=True)
    reporter = Reporter(folder / "progress.json", n=len(images))
    learner = _learner(request, images, reporter, cancelled)
    trained = learner.train(
        _array(request.train_items),
        _array(request.train_labels),
        seed=request.seed,
        arch=request.arch,
    )
    model_sha256 = checkpoints.save(trained.model, folder / "model.pt")
    started = time.monotonic()
    with ExitStack() as stack:
        display = _Display(folder, len(images), request, stack)
        scores = learner.score(features=request.features, watch=display.take)
    score_seconds = time.monotonic() - started
    return {
        **_measured(trained, learner),
        "score_seconds": score_seconds,
        "model_sha256": model_sha256,
        **write_scores(folder, scores),
        **display.hashes(),
        "peak_rss_mib": peak_rss_mib(),
    }


class _Display:
    """Writes what pages show of a model while it scores, chunk by chunk."""

    def __init__(self, folder: Path, n: int, request: JobRequest, stack: ExitStack) -> None:
        self.folder, self.n, self.request, self.stack = folder, n, request, stack
        self.writers: dict[str, ArrayWriter] | None = None

    def take(self, views: Views) -> None:
        """Write one chunk."""
        values: dict[str, NDArray[Any]]
        values = {"probs": views.probabilities, "features": views.features}
        if self.writers is None:
            wanted = [name for name in values if self._wants(name, values[name].shape[1])]
            self.writers = {name: self._open(name, values[name].shape[1]) for name in wanted}
        for name, writer in self.writers.items():
            writer.append(half(values[name]))

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file written, as NAME_sha256."""
        return {f"{name}_sha256": writer.sha256 for name, writer in (self.writers or {}).items()}

    def _wants(self, name: str, width: int) -> bool:
        there = name == "features" and self.request.features  # the engine's own, of any size
        return self.request.display and not there and self.n * width * 2 <= DISPLAY_BYTES

    def _open(self, name: str, width: int) -> ArrayWriter:
        path = self.folder / f"{name}.npy"
        return self.stack.enter_context(array_writer(path, (self.n, width), np.dtype(np.float16)))


def write_scores(folder: Path, scores: Scores) -> dict[str, str]:
    """Write pred, uncertainty, least, entropy and, where there are any, features as NAME.npy.

    Returns the SHA-256 of each file as NAME_sha256.
    """
    arrays = {name: getattr(scores, name) for name in ARRAYS}
    return {
        f"{name}_sha256": write_array(folder / f"{name}.npy", array)
        for name, array in arrays.items()
        if array is not None
    }


def read_request(folder: Path) -> JobRequest:
    """Read and check request.json. Raises `DataError` that names what is wrong."""
    try:
        raw = json.loads((folder / "request.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"request.json cannot be read: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise DataError(f"request.json must be an object with schema {SCHEMA}.")
    options = dict(_field(raw, "options", dict, {}))
    threads = options.pop("threads", None)
    return JobRequest(
        images=folder / _field(raw, "images", str),
        train_items=folder / _field(raw, "train_items", str),
        train_labels=folder / _field(raw, "train_labels", str),
        classes=_field(raw, "classes", int),
        arch=_field(raw, "arch", str),
        seed=_field(raw, "seed", int),
        flip=_field(raw, "flip", bool, True),
        options=_checked(options),
        features=_field(raw, "features", bool, False),
        display=_field(raw, "display", bool, False),
        device=_text(raw.get("device"), "device"),
        threads=_whole(threads, "threads"),
    )


def _whole(value: object, name: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise DataError(f"The option {name} must be a whole number of at least 1.")


def _text(value: object, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"request.json: {name} must be a text or null.")


def _field(raw: dict[str, Any], name: str, kind: type[_T], default: _T | None = None) -> _T:
    """Return a field of exactly this JSON type (true is not a whole number here)."""
    value = raw.get(name, default)
    if type(value) is not kind:
        raise DataError(f"request.json: {name} must be of type {kind.__name__}.")
    return value


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options if each is one of a recipe's and of its kind."""
    known = {f.name for f in fields(Recipe)}
    if unknown := sorted(set(options) - known):
        raise DataError(
            f"Unknown options {unknown}; there is: {', '.join(sorted(known))}, threads."
        )
    for name, default in ((f.name, f.default) for f in fields(Recipe)):
        if name in options and not _same_kind(options[name], default):
            raise DataError(f"The option {name} must look like {default!r}.")
    Recipe(**options)  # values that make no sense are refused before anything is loaded
    return options


def recipe_of(request: JobRequest, channels: int) -> Recipe:
    """Return the recipe that suits the network and the images, with the request's options."""
    usual = suited(request.arch, channels=channels, flip=request.flip)
    return replace(usual, **request.options)


def _same_kind(value: object, default: object) -> bool:
    return type(value) is type(default) or (type(value) is int and type(default) is float)


def _array(path: Path, *, mmap: bool = False) -> NDArray[Any]:
    try:
        return np.asanyarray(np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path.name} cannot be read as an array: {error}") from error


def _learner(
    request: JobRequest, images: Images, reporter: Reporter, cancelled: Callable[[], bool]
) -> TorchLearner:
    return TorchLearner(
        images,
        request.classes,
        recipe=recipe_of(request, 1 if images.ndim == 3 else images.shape[-1]),
        device=request.device,
        threads=request.threads,
        report_training=reporter.training,
        report_scoring=reporter.scoring,
        cancelled=cancelled,
    )


def _measured(trained: Trained, learner: TorchLearner) -> dict[str, object]:
    return {
        "train_seconds": trained.seconds,
        "samples_shown": trained.samples_shown,
        "steps": trained.steps,
        "final_loss": trained.final_loss,
        "train_accuracy": trained.train_accuracy,
        "device": describe(learner.device),
        "device_kind": learner.device.type,
    }


def peak_rss_mib() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class Reporter:
    """Writes progress.json about once a second, with a forecast of the end."""

    def __init__(self, path: Path, *, n: int, now: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.n = n
        self.now = now
        self.last_write = -math.inf
        self.steps = 0
        self.scoring_since: float | None = None

    def training(self, progress: Progress) -> None:
        """Report a step; scoring is guessed at a fifth of the cost of training, per image."""
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
        }
        write_json(self.path, progress, durable=False)

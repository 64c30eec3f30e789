"""One training job, from its request file to its result: what `program.main` runs."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcal_engine import training
from mcal_engine.candidates import parse
from mcal_engine.errors import DataError, InvalidConfigError
from mcal_engine.types import Scores
from mcal_engine.vision import earlier_files
from mcal_engine.vision.data import Images
from mcal_engine.vision.device import describe
from mcal_engine.vision.ensemble import Ensemble
from mcal_engine.vision.files import ArrayWriter, array_writer, write_array
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.pretrained import Prior, prior_of
from mcal_engine.vision.recipes import Recipe, suited
from mcal_engine.vision.reporter import Reporter
from mcal_engine.vision.score import Views, half
from mcal_engine.vision.train import Trained

SCHEMA = 1
ARRAYS = ("pred", "uncertainty", "least", "entropy", "features", "mutual", "variation")
DISPLAY_BYTES = 2**29
"""What pages are shown of a model (probs.npy, features.npy) is kept up to this size per file."""

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
    training: dict[str, float] = field(default_factory=dict)
    earlier: object = None
    prior: Prior = field(default_factory=Prior)


def run_job(folder: Path, cancelled: Callable[[], bool]) -> dict[str, object]:
    """Train and score as request.json says; return what result.json reports.

    Writes progress.json about once a second, then model.pt (of an ensemble members/ and
    members.sha256) and the arrays of the scores; with `display` also probs.npy and features.npy, both float16, where they fit into DISPLAY_BYTES.
    Raises `DataError` for a bad request, `TrainingError`, `CancelledError`.
    """
    request = read_request(folder)
    images = _array(request.images, mmap=True)
    runs = parse(request.arch).seeds
    reporter = Reporter(folder / "progress.json", n=len(images), runs=runs)
    learner = _learner(request, images, reporter, cancelled)
    learner.members_in = folder
    trained = learner.train(
        _array(request.train_items),
        _array(request.train_labels),
        seed=request.seed,
        arch=request.arch,
        earlier=earlier_files.read(folder, request.earlier, len(images)),
    )
    assert learner.fitted is not None
    model_sha256 = learner.fitted.keep(folder)
    started = time.monotonic()
    with ExitStack() as stack:
        display = _Display(folder, len(images), request, stack)
        scores = learner.score(features=request.features, watch=display.take)
    score_seconds = time.monotonic() - started + trained.preparation
    return {
        **_measured(trained, learner),
        "score_seconds": score_seconds,
        "model_sha256": model_sha256,
        **write_scores(folder, scores),
        **display.hashes(),
        "peak_rss_mib": peak_rss_mib(),
        **reporter.figures(),
        **_pseudo(learner),
        **_members(learner),
    }


def _members(learner: TorchLearner) -> dict[str, object]:
    """Return how many members an ensemble has and what they take on disk."""
    if not isinstance(learner.fitted, Ensemble):
        return {}
    kept = learner.fitted.members
    return {"members": len(kept.hashes), "member_bytes": kept.bytes}


def _pseudo(learner: TorchLearner) -> dict[str, object]:
    """Return how many pseudo-labels trained along, and how they were found, where some may."""
    if learner.chosen is None:
        return {}
    found = asdict(learner.chosen)
    return {"pseudo": found | {"items": len(found.pop("labels"))}}


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
    """Write pred, uncertainty, least, entropy and those of features, mutual, variation there are.

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
        training=_settings(_field(raw, "training", dict, {})),
        earlier=raw.get("earlier"),
        prior=prior_of(raw.get("pretrained")),
    )


def _settings(raw: dict[str, Any]) -> dict[str, float]:
    try:
        return training.checked(raw)
    except InvalidConfigError as error:
        raise DataError(f"request.json: {error}") from error


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
    usual = suited(parse(request.arch).net, channels=channels, flip=request.flip)
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
    learner = TorchLearner(
        images,
        request.classes,
        settings=request.training,
        recipe=recipe_of(request, 1 if images.ndim == 3 else images.shape[-1]),
        device=request.device,
        threads=request.threads,
        report_training=reporter.training,
        report_scoring=reporter.scoring,
        cancelled=cancelled,
    )
    learner.prior = request.prior
    return learner


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

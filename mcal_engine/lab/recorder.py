"""Record a run: train at given sizes of B, keep all scores, replay later without training.

T and B_0 are drawn as the engine draws them, every network is trained at each size on the B so
far and scores all of X, M(.) picks what joins up to the next size, 5 % at random. Nothing is
planned, so one recording replays under any price, target and certificate. The file is replaced
as a whole after every round; a killed recording goes on with --resume.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from mcal_engine import candidates, selection
from mcal_engine.acquisitions import NEEDS_FEATURES
from mcal_engine.errors import DataError
from mcal_engine.lab import recording
from mcal_engine.lab.recording import About, Recording, Round, take_of
from mcal_engine.learner import Learner
from mcal_engine.types import (
    ENSEMBLE_MEASURES,
    IntArray,
    Prices,
    RunConfig,
    Scores,
    Target,
)
from mcal_engine.vision.files import write_bytes

Watcher = Callable[[Round], None]
SAME = (
    "labels_sha256",
    "given_sha256",
    "n",
    "classes",
    "seed",
    "acquisition",
    "random_share",
    "archs",
)
"""What must be equal in two jobs for one to go on with the recording of the other."""


@dataclass(frozen=True)
class Job:
    """What is to be recorded; `given` are the labels that people answer, the truth by default."""

    data: str
    truth: IntArray
    classes: int
    sizes: tuple[int, ...]
    archs: tuple[str, ...] = ("cnn_small",)
    seed: int = 0
    acquisition: str = "margin"
    random_share: float = 0.05
    test_share: float = 0.015
    given: IntArray | None = None
    given_name: str = "truth"
    limit: int | None = None
    recipe: dict[str, object] = field(default_factory=dict)
    hardware: dict[str, object] = field(default_factory=dict)
    keep_truth: bool = False

    @property
    def answers(self) -> IntArray:
        """Return the labels [N] that training sees."""
        return self.truth if self.given is None else self.given

    def about(self) -> About:
        """Return what the file says of itself."""
        return About(
            data=self.data,
            labels_sha256=recording.digest(self.truth),
            given=self.given_name,
            given_sha256=recording.digest(self.answers),
            n=len(self.truth),
            classes=self.classes,
            seed=self.seed,
            acquisition=self.acquisition,
            random_share=self.random_share,
            test_share=self.test_share,
            archs=self.archs,
            sizes=self.sizes,
            limit=self.limit,
            recipe=self.recipe,
            hardware=self.hardware,
        )

    def config(self) -> RunConfig:
        """Return the settings that the engine's draws read; prices and target play no part."""
        return RunConfig(
            n=len(self.truth),
            classes=self.classes,
            prices=Prices(0.0, 0.0),
            target=Target(0.05),
            arch=self.archs[0],
            rivals=self.archs[1:],
            seed=self.seed,
            acquisition=self.acquisition,
            random_share=self.random_share,
            test_share=self.test_share,
            seed_share=self.sizes[0] / len(self.truth),
        )


def record(
    job: Job,
    learner: Learner,
    out: Path,
    *,
    resume: bool = False,
    watch: Watcher = lambda taken: None,
) -> Recording:
    """Train and score at every size, write `out` after each, return the whole recording.

    With `resume` the rounds that `out` already holds are kept. Raises `DataError` where they are
    of another job, where `out` exists without `resume`, and where the sizes make no sense.
    """
    _check(job)
    made, scores = _begin(job, learner, out, resume)
    for size in job.sizes[len(made.rounds) :]:
        made = _grown(made, job, scores, size)
        taken, scores = _train(made, job, learner)
        made = replace(made, rounds=(*made.rounds, taken))
        write_bytes(out, recording.to_bytes(made))
        watch(taken)
    return made


def _check(job: Job) -> None:
    n, sizes = len(job.truth), job.sizes
    if not sizes or sizes[0] < 1 or sizes[-1] > n or list(sizes) != sorted(set(sizes)):
        raise DataError(f"the sizes must grow from 1 to at most {n}, not {sizes}")
    if job.acquisition not in selection.ACQUISITIONS:
        known = ", ".join(sorted(selection.ACQUISITIONS))
        raise DataError(f"there is no acquisition {job.acquisition!r}; there is: {known}")
    alone = [arch for arch in job.archs if not candidates.is_ensemble(arch)]
    if job.acquisition in ENSEMBLE_MEASURES and alone:
        raise DataError(f"{job.acquisition} needs ensembles; {', '.join(alone)} has one member")
    if job.given is not None and job.given.shape != job.truth.shape:
        raise DataError(f"{job.given.shape} given labels do not go with {n} images")


def _begin(
    job: Job, learner: Learner, out: Path, resume: bool
) -> tuple[Recording, tuple[Scores, ...]]:
    """Return an empty recording, or the one to go on with and its last scores."""
    if not out.exists():
        if not out.parent.is_dir():
            raise DataError(f"cannot write {out}: there is no folder {out.parent}")
        truth = job.truth if job.keep_truth else None
        return Recording(job.about(), np.zeros(len(job.truth), np.int16), truth=truth), ()
    if not resume:
        raise DataError(f"{out} exists; go on with it by --resume or choose another name")
    found = recording.load(out)
    _check_same(found, job)
    made = replace(found, about=replace(job.about(), hardware=found.about.hardware))
    if not made.rounds or _needs_features(job):
        return _again(made, job, learner)
    return made, tuple(take.scores() for take in made.rounds[-1].takes.values())


def _check_same(found: Recording, job: Job) -> None:
    """Refuse to go on with a recording of other data, settings or sizes so far."""
    here, there = job.about(), found.about
    for name in SAME:
        if getattr(here, name) != getattr(there, name):
            raise DataError(
                f"the recording has {name} {getattr(there, name)}, not {getattr(here, name)}"
            )
    recipe = {name: job.recipe.get(name) for name in there.recipe}  # it may have more by now
    if recipe != there.recipe:
        raise DataError(f"the recording has recipe {there.recipe}, not {recipe}")
    if job.sizes[: len(found.sizes)] != found.sizes:
        raise DataError(f"the recording has the sizes {found.sizes}, these are others")


def _again(made: Recording, job: Job, learner: Learner) -> tuple[Recording, tuple[Scores, ...]]:
    """Train the last round again where M(.) needs features, which are not recorded."""
    if not made.rounds:
        return made, ()
    _, scores = _train(replace(made, rounds=made.rounds[:-1]), job, learner)
    return made, scores


def _grown(made: Recording, job: Job, scores: tuple[Scores, ...], size: int) -> Recording:
    """Let the next batch join B: B_0 by chance, later ones by M(.), blind to the test marks."""
    number, config = len(made.rounds) + 1, job.config()
    outside = np.flatnonzero(made.joined == 0).astype(np.int64)
    if number == 1:
        batch = selection.hash_order(f"{job.seed}:seed", outside)[:size]
    else:
        delta = size - made.sizes[-1]
        last = number - 1
        batch = selection.acquire(config, outside, scores, delta, last, made.train(last))
    joined = made.joined.copy()
    joined[batch] = number
    return replace(made, joined=joined)


def _train(made: Recording, job: Job, learner: Learner) -> tuple[Round, tuple[Scores, ...]]:
    number = len(made.rounds) + 1
    items = np.flatnonzero(made.train(number)).astype(np.int64)
    takes, scores = {}, []
    for arch in job.archs:
        trained = learner.train_and_score(
            items,
            job.answers[items],
            seed=job.seed + 1000 * number,
            arch=arch,
            features=_needs_features(job) and arch == job.archs[0],
        )
        takes[arch] = take_of(trained)
        scores.append(trained.scores)
    return Round(number, len(items), takes), tuple(scores)


def _needs_features(job: Job) -> bool:
    return job.acquisition in NEEDS_FEATURES


def hardware(device: str) -> dict[str, object]:
    """Return what this machine is, for people who compare seconds."""
    return {
        "device": device,
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "torch": metadata.version("torch"),
        "numpy": metadata.version("numpy"),
        "python": platform.python_version(),
        "recorded": time.strftime("%Y-%m-%d"),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

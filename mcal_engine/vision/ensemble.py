"""An ensemble: trained run by run, kept on disk as it comes, scored member by member in one pass.

The members are checkpoints of one run (its constant tail), the ends of runs with other seeds, or
checkpoints of several runs. Images are scored in blocks; within a block one member after the
other is read from disk and its probabilities go into a tally, so memory grows neither with the
members nor with the images, and each member is read once for each block.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mcal_engine.candidates import Candidate
from mcal_engine.ensembles import Tally
from mcal_engine.errors import CancelledError
from mcal_engine.types import Scores
from mcal_engine.vision import checkpoints, members
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Images, Normalisation
from mcal_engine.vision.members import Members, Shelf
from mcal_engine.vision.recipes import Recipe, member_steps, with_members
from mcal_engine.vision.score import Found, Head, Views, check_numbers, chunk_size, look, slices
from mcal_engine.vision.train import Hooks, Progress, Trained

TALLY_BYTES = 2**24
"""What the statistics of a block of images may take: 150,000 images of 10 classes."""

Run = Callable[[int, Recipe, Hooks], Trained]
"""(seed, recipe, hooks) -> one training from fresh weights."""

MemberWatch = Callable[[int, slice, NDArray[np.floating[Any]]], None]
"""(member 0..E-1, rows of the pool, their probabilities [rows, C]); each covers all N images."""


def fit(
    candidate: Candidate,
    run: Run,
    *,
    spec: NetSpec,
    normalisation: Normalisation,
    recipe: Recipe,
    seed: int,
    hooks: Hooks,
    shelf: Shelf,
) -> tuple[Trained, Ensemble]:
    """Train the candidate's runs and keep its members on the shelf.

    Returns steps, seconds and images of all runs, loss and accuracy as their mean, and the
    ensemble. Raises what `run` raises, and `DiskFullError`; nothing stays on the shelf then.
    """
    recipe = with_members(recipe, candidate.checkpoints)
    keeper = _Keeper(candidate, spec, normalisation, recipe, shelf)
    along = _Along(candidate.seeds, hooks.report)
    done: list[Trained] = []
    shelf.discard()  # what an attempt that was killed left in this folder
    try:
        for number in range(candidate.seeds):
            wanted = replace(
                hooks,
                report=along.report,
                start=keeper.starting(hooks.start),
                keep=keeper.look,
            )
            done.append(run(run_seed(seed, number), recipe, wanted))
            along.next(done[-1])
    except BaseException:
        shelf.discard()
        raise
    return together(done), Ensemble(shelf.members(), done[-1].model, shelf)


def run_seed(seed: int, number: int) -> int:
    """Return the seed of run 0, 1, ...: the first run is the one that a single model has."""
    if number == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}:run:{number}".encode()).digest()[:4], "big")


def together(runs: list[Trained]) -> Trained:
    """Return what all runs took, with the network of the last."""
    return replace(
        runs[-1],
        steps=sum(run.steps for run in runs),
        samples_shown=sum(run.samples_shown for run in runs),
        seconds=sum(run.seconds for run in runs),
        preparation=sum(run.preparation for run in runs),
        final_loss=sum(run.final_loss for run in runs) / len(runs),
        train_accuracy=sum(run.train_accuracy for run in runs) / len(runs),
    )


@dataclass(frozen=True)
class _Keeper:
    """Puts members on the shelf while a run trains."""

    candidate: Candidate
    spec: NetSpec
    normalisation: Normalisation
    recipe: Recipe
    shelf: Shelf

    def starting(self, start: Callable[[nn.Module], None] | None) -> Callable[[nn.Module], None]:
        """Return what prepares the fresh network and sees to it that its members will fit."""

        def begin(net: nn.Module) -> None:
            self._check_room(net)
            if start is not None:
                start(net)

        return begin

    def _check_room(self, net: nn.Module) -> None:
        self.shelf.check_room(net, self.candidate.members - len(self.shelf.hashes))

    def look(self, step: int, steps: int, net: nn.Module) -> None:
        """Keep the network where this step is a member's."""
        if step == 1:  # a run that prepares its network in its own way has not asked yet
            self._check_room(net)
        if step in member_steps(self.recipe, steps, self.candidate.checkpoints):
            self.shelf.add(Model(self.spec, net, self.normalisation))


class _Along:
    """Reports several runs as one training."""

    def __init__(self, runs: int, tell: Callable[[Progress], None]) -> None:
        self.runs, self.tell = runs, tell
        self.steps, self.images, self.seconds = 0, 0, 0.0

    def report(self, progress: Progress) -> None:
        """Add what the earlier runs did; those to come are taken to be as long as this one.

        Epochs are the run's own: they begin again at 1.
        """
        self.tell(
            replace(
                progress,
                step=self.steps + progress.step,
                steps=progress.steps * self.runs,
                images=self.images + progress.images,
                seconds=self.seconds + progress.seconds,
            )
        )

    def next(self, done: Trained) -> None:
        """Close a run."""
        self.steps += done.steps
        self.images += done.samples_shown
        self.seconds += done.seconds


def load(folder: Path, device: torch.device) -> Ensemble:
    """Return the ensemble that was kept in this folder. Raises `DataError`."""
    kept = members.read(folder)
    return Ensemble(kept, checkpoints.load(kept.path(0), device))


class Ensemble:
    """Members on disk that score together. `model` is one of their kind, whatever its weights."""

    def __init__(self, members: Members, model: Model, shelf: Shelf | None = None) -> None:
        self.members, self.model = members, model
        self._shelf = shelf  # a temporary folder lives as long as this

    def score(
        self,
        images: Images,
        device: torch.device,
        *,
        features: bool,
        watch: Callable[[Views], None],
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
        on_member: MemberWatch | None = None,
    ) -> Scores:
        """Score all N images, named by the SHA-256 over the members'. As `score.score`, and:

        `watch` sees the members' mean, `on_member` what each says. Features are the last
        member's: those of other runs have other axes, so a mean would be of no network's space.
        Raises `DataError` for a member's file that is not as it was kept.
        """
        model = replace(self.model, net=copy.deepcopy(self.model.net).eval())
        classes = model.spec.classes
        with Head(model.net) as head:
            found = _FoundTogether(len(images), head.width if features else 0)
            chunk = chunk_size(model, images, device)
            for block in slices(len(images), max(Tally.rows_within(TALLY_BYTES, classes), chunk)):
                tally = Tally(block.stop - block.start, classes)
                for number, rows in self._turns(model, block, chunk):
                    if cancelled():
                        raise CancelledError("The scoring was asked to stop.")
                    views = look(model, images[rows], device, head)
                    check_numbers(views, rows)
                    here = slice(rows.start - block.start, rows.stop - block.start)
                    tally.add(views.probabilities, here)
                    if on_member is not None:
                        on_member(number, rows, views.probabilities)
                    if number == len(self.members.hashes) - 1:
                        told = tally.part(here)
                        found.fill_from(rows, told, views.features)
                        watch(Views(told.mean(), views.features))
                    report(self._done(block, number, rows))
        return found.scores(self.members.sha256)

    def keep(self, folder: Path) -> str:
        """Leave members and manifest in this folder; return the name that the scores have."""
        return self.members.keep(folder)

    def _turns(self, model: Model, block: slice, chunk: int) -> Iterator[tuple[int, slice]]:
        """Yield (member, rows) of a block; the member's weights are in the network by then."""
        for number in range(len(self.members.hashes)):
            self.members.load_into(model, number)
            for rows in slices(block.stop, chunk, block.start):
                yield number, rows

    def _done(self, block: slice, number: int, rows: slice) -> int:
        """Return the work done so far in images, as if each were scored once."""
        count = len(self.members.hashes)
        looks = number * (block.stop - block.start) + rows.stop - block.start
        return int(block.start + looks // count)


def as_member(watch: Callable[[Views], None], on_member: MemberWatch) -> Callable[[Views], None]:
    """Return a watch that shows a single model to `on_member` as well, as member 0."""
    start = 0

    def take(views: Views) -> None:
        nonlocal start
        rows = slice(start, start + len(views.probabilities))
        on_member(0, rows, views.probabilities)
        start = rows.stop
        watch(views)

    return take


class _FoundTogether(Found):
    """The results of all N images, with how far the members disagree."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__(n, width)
        self.mutual, self.variation = (np.empty(n, dtype=np.float32) for _ in range(2))

    def fill_from(self, rows: slice, told: Tally, features: NDArray[np.float32]) -> None:
        """Keep what the members said of these images."""
        self.fill(rows, told.uncertainties(), features)
        self.mutual[rows], self.variation[rows] = told.mutual(), told.variation()

    def scores(self, model: str) -> Scores:
        """Return the scores under this name."""
        return replace(super().scores(model), mutual=self.mutual, variation=self.variation)

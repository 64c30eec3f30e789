"""Drive a learner through the stages of a search, and judge what the subset is worth.

Every step (a stage, a judged model) is kept in a `Store` as soon as it is done, so a search that was
killed goes on where it was and ends with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mcal_engine import search
from mcal_engine.errors import CancelledError, DataError
from mcal_engine.learner import Learner, TrainedModel
from mcal_engine.search import ERROR_COUNT, RANDOM, LabelledPool, Scheme, SearchSettings
from mcal_engine.search_store import Facts, Store
from mcal_engine.types import FloatArray, IntArray

FULL, SUBSET, DRAWN = "full", "search", "random"
"""What a subset is compared with and by: all of L, the subset found, a random one of its size."""

Probabilities = NDArray[np.floating[Any]]
MemberWatch = Callable[[int, slice, Probabilities], None]
"""(member 0..E-1, rows of the pool, probabilities [rows, C]); each member covers all N images."""


@runtime_checkable
class MemberLearner(Learner, Protocol):
    """A learner that shows what each member says while it scores; one model is one member."""

    on_member: MemberWatch | None


@runtime_checkable
class TuningLearner(Learner, Protocol):
    """A learner that can go on from a model that it trained before (the scheme `pretrain`)."""

    def pretrain(self, items: IntArray, labels: IntArray, *, seed: int, arch: str) -> TrainedModel:
        """Train and score as `train_and_score` does, and keep the weights for `tune`."""
        ...

    def tune(
        self, items: IntArray, labels: IntArray, *, seed: int, arch: str, rate: float
    ) -> TrainedModel:
        """Go on from the last `pretrain` of this seed and arch at this learning rate; score."""
        ...


@runtime_checkable
class CheckingLearner(Learner, Protocol):
    """A learner that knows beforehand which candidates it cannot train."""

    def check(self, arch: str) -> None:
        """Raise `DataError` for a candidate that cannot be trained on these images."""
        ...


def check_candidates(learner: Learner, *archs: str) -> None:
    """Refuse what the learner cannot train before anything is trained. Raises `DataError`."""
    if isinstance(learner, CheckingLearner):
        for arch in archs:
            learner.check(arch)


@dataclass(frozen=True)
class Step:
    """A training that begins: number `step` of `steps`, 1-based, and what it is for.

    `purpose` is "acquire" or one of search, random, full; `stage` counts from 1, 0 beyond them.
    """

    seed: int
    step: int
    steps: int
    purpose: str
    stage: int
    images: int


@dataclass(frozen=True)
class Stage:
    """S after one stage: dense numbers in the order in which they were taken, and its facts."""

    number: int
    items: IntArray
    facts: Facts


class Votes:
    """Counts for each image how many members do not vote for its label (Eq. 6), in O(N)."""

    def __init__(self, labels: IntArray) -> None:
        self.labels = labels
        self.wrong = np.zeros(len(labels), dtype=np.int64)
        self.seen = np.zeros(len(labels), dtype=np.int64)

    def take(self, _member: int, rows: slice, probabilities: Probabilities) -> None:
        """Count the votes of one member on some images."""
        self.wrong[rows] += probabilities.argmax(axis=1) != self.labels[rows]
        self.seen[rows] += 1

    def share(self) -> FloatArray:
        """Return E(p) [N]. Raises `DataError` where an image was not voted on."""
        if self.seen.min(initial=1) < 1:
            raise DataError("not every image was voted on, so errors cannot be counted")
        return np.asarray(self.wrong / self.seen, dtype=np.float64)


class Search:
    """One search, for one seed. `stages` gives S stage by stage, `judge` the worth of a set.

    `judged` is how many sets will be judged: only for what `watch` is told of the steps to come.
    """

    def __init__(
        self,
        settings: SearchSettings,
        pool: LabelledPool,
        learner: Learner,
        store: Store,
        seed: int,
        *,
        judged: int = 0,
        watch: Callable[[Step], None] = lambda step: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        search.check(settings, pool)
        search.check_seeds((seed,))
        check_candidates(learner, settings.acquirer, settings.model)
        if settings.scheme is Scheme.PRETRAIN and not isinstance(learner, TuningLearner):
            raise DataError("this learner cannot fine-tune, so pretrain is not possible")
        self.settings, self.pool, self.learner = settings, pool, learner
        self.store, self.seed = store, seed
        self.judged, self.watch, self.cancelled = judged, watch, cancelled
        self.sizes = search.stage_sizes(settings, len(pool.items))
        self._based = False  # pretrain: the learner holds weights that learnt from all of L

    @property
    def trainings(self) -> int:
        """How many trainings the stages take; a judged set is one more each."""
        if self.settings.acquisition == RANDOM:
            return 0
        return len(self.sizes) - search.starts_random(self.settings)

    def stages(self) -> Iterator[Stage]:
        """Make the stages that are missing, one after the other. Raises `CancelledError`."""
        subset = np.empty(0, dtype=np.int64)
        for number, size in enumerate(self.sizes, start=1):
            name = f"{self.seed}-stage-{number}"
            found = self.store.get(name)
            if found is None:
                if self.cancelled():
                    raise CancelledError("The search was asked to stop.")
                found = self._stage(number, size, subset)
                self.store.put(name, *found)
            subset = found[1]
            yield Stage(number, subset, found[0])

    def subset(self) -> IntArray:
        """Return S at the end of the search."""
        return list(self.stages())[-1].items

    def random_subset(self) -> IntArray:
        """Return a random subset of the size of S: what a search must beat."""
        return search.random_subset(self.pool, self.sizes[-1], self.seed, DRAWN)

    def judge(self, purpose: str, items: IntArray, step: int) -> Facts:
        """Train the subset model on these images; return its accuracy on the held-out part.

        Under `pretrain` it learns from all of L first and is then fine-tuned on `items`.
        """
        name = f"{self.seed}-model-{purpose}"
        found = self.store.get(name)
        if found is not None and np.array_equal(found[1], np.sort(items)):
            return found[0]
        if self.cancelled():
            raise CancelledError("The search was asked to stop.")
        self._tell(step, purpose, 0, len(items))
        facts = self._facts(self._subset_model(items), items)
        self.store.put(name, facts, np.sort(items))
        return facts

    def _stage(self, number: int, size: int, subset: IntArray) -> tuple[Facts, IntArray]:
        facts: Facts
        if number == 1 and search.starts_random(self.settings):
            items = search.random_subset(self.pool, size, self.seed, "start")
            facts = {"kind": "random"}
        elif self.settings.acquisition == RANDOM:
            items = self._acquired(number, size, subset, None, None)
            facts = {"kind": "random"}
        else:
            items, facts = self._acquire(number, size, subset)
        about = {"number": number, "size": size, "per_class": self._per_class(items)}
        return {**about, **facts}, items

    def _acquire(self, number: int, size: int, subset: IntArray) -> tuple[IntArray, Facts]:
        learnt = subset if search.starts_random(self.settings) else self.pool.items
        self._tell(self._trainings_before(number), "acquire", number, len(learnt))
        votes = Votes(self.pool.labels) if self.settings.acquisition == ERROR_COUNT else None
        with _watching(self.learner, votes):
            model = self.learner.train_and_score(
                learnt,
                self.pool.labels[learnt],
                seed=search.training_seed(self.seed, f"acquirer:{number}"),
                arch=self.settings.acquirer,
                features=search.needs_features(self.settings),
            )
        items = self._acquired(number, size, subset, model, votes.share() if votes else None)
        left = np.setdiff1d(self.pool.items, learnt, assume_unique=True)
        facts = {
            "kind": "acquired",
            "acquirer": self.settings.acquirer,
            "learnt_from": len(learnt),
            **self._facts(model, learnt),
            "accuracy_left": self.pool.accuracy(model.scores.pred, left),
        }
        return items, facts

    def _acquired(
        self,
        number: int,
        size: int,
        subset: IntArray,
        model: TrainedModel | None,
        wrong: FloatArray | None,
    ) -> IntArray:
        key = f"{self.seed}:search:stage:{number}"
        scores = None if model is None else model.scores
        new = search.acquire(self.settings, self.pool, subset, size, key, scores, wrong)
        return np.concatenate([subset, new])

    def _subset_model(self, items: IntArray) -> TrainedModel:
        every, labels = self.pool.items, self.pool.labels
        seed, arch = search.training_seed(self.seed, "model"), self.settings.model
        if self.settings.scheme is not Scheme.PRETRAIN:
            return self.learner.train_and_score(items, labels[items], seed=seed, arch=arch)
        assert isinstance(self.learner, TuningLearner)
        whole, rate = len(items) == len(every), self.settings.tune_rate
        if whole or not self._based:
            base = self.learner.pretrain(every, labels[every], seed=seed, arch=arch)
            self._based = True
            if whole:
                return base
        return self.learner.tune(items, labels[items], seed=seed, arch=arch, rate=rate)

    def _facts(self, model: TrainedModel, items: IntArray) -> Facts:
        held_out = np.flatnonzero(self.pool.held_out)
        pred = model.scores.pred
        return {
            "images": len(items),
            "accuracy": self.pool.accuracy(pred, held_out),
            "accuracy_selected": self.pool.accuracy(pred, items),
            "model": model.scores.model,
            "train_seconds": model.train_seconds,
            "score_seconds": model.score_seconds,
            "samples_shown": model.samples_shown,
            "device": model.device,
        }

    def _per_class(self, items: IntArray) -> list[int]:
        counts = np.bincount(self.pool.labels[items], minlength=self.pool.classes)
        return [int(count) for count in counts]

    def _trainings_before(self, number: int) -> int:
        return number - search.starts_random(self.settings)

    def _tell(self, step: int, purpose: str, stage: int, images: int) -> None:
        steps = self.trainings + self.judged
        self.watch(Step(self.seed, step, steps, purpose, stage, images))


@contextmanager
def _watching(learner: Learner, votes: Votes | None) -> Iterator[None]:
    """Count the members' votes while this is entered."""
    if votes is None:
        yield
        return
    if not isinstance(learner, MemberLearner):
        raise DataError("this learner does not show what each member says")
    learner.on_member = votes.take
    try:
        yield
    finally:
        learner.on_member = None

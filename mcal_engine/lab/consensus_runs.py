"""The consensus analysis, run: Tables 2 to 4 and Fig. 2 of the ensemble paper on any labelled set.

Per seed and acquirer: a search by mutual information takes the first part of L, R runs with K
checkpoints learn from it, every kind of ensemble among their members is judged (Table 2) and
acquires as much again (Table 3), and the subsets train other networks (Table 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mcal_engine import search
from mcal_engine.candidates import parse
from mcal_engine.errors import InvalidConfigError
from mcal_engine.lab.consensus import SINGLE, Collector, Kind, agreement, kinds
from mcal_engine.learner import TrainedModel
from mcal_engine.search import LabelledPool, Scheme, SearchSettings, random_subset, training_seed
from mcal_engine.search_stages import MemberLearner, Search, check_candidates
from mcal_engine.search_store import Facts, Store
from mcal_engine.types import IntArray

FULL, RANDOM = "full", "random"
SELECTED, UNSELECTED, HELD_OUT = "selected", "unselected", "held_out"


@dataclass(frozen=True)
class Plan:
    """What is analysed. `acquirers` and `targets` are networks; the first acquirer is Table 2's.

    `share` of L is what the members learn from (the paper: 40 %); the acquisition doubles it.
    """

    acquirers: tuple[str, ...]
    targets: tuple[str, ...]
    runs: int = 5
    checkpoints: tuple[int, ...] = (5, 20)
    share: float = 0.4
    acquisition: str = "variation_ratios"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The ensemble configurations."""
        return kinds(self.runs, self.checkpoints)

    def candidate(self, acquirer: str) -> str:
        """Return the candidate whose members hold every kind."""
        return f"{acquirer}+checkpoints={max(self.checkpoints)}+seeds={self.runs}"


def check(plan: Plan, pool: LabelledPool) -> None:
    """Raise `InvalidConfigError` or `DataError` before anything is trained."""
    if not plan.acquirers:
        raise InvalidConfigError("a consensus needs an acquirer")
    if not 0 < plan.share < 0.5:
        raise InvalidConfigError(f"the share doubles, so it must be below 50 %, not {plan.share:g}")
    kinds(plan.runs, plan.checkpoints)
    for name in (*plan.acquirers, *plan.targets):
        if parse(name).name != parse(name).net:
            raise InvalidConfigError(f"{name}: name a network; members and seeds are the plan's")
    for acquirer in plan.acquirers:
        parse(plan.candidate(acquirer))
        search.check(_first(plan, acquirer), pool)
        search.check(_second(plan, acquirer), pool)


def _first(plan: Plan, acquirer: str) -> SearchSettings:
    name = f"{acquirer}+seeds={plan.runs}"
    return SearchSettings(plan.share, acquirer=name, model=name)


def _second(plan: Plan, acquirer: str) -> SearchSettings:
    name = plan.candidate(acquirer)
    return SearchSettings(
        2 * plan.share, Scheme.COMPRESS, plan.acquisition, acquirer=name, model=name
    )


class Analysis:
    """The analysis for one seed; each step is kept in the store under its own name."""

    def __init__(
        self,
        plan: Plan,
        pool: LabelledPool,
        learner: MemberLearner,
        store: Store,
        seed: int,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_candidates(learner, *plan.acquirers, *plan.targets)
        self.plan, self.pool, self.learner = plan, pool, learner
        self.store, self.seed = store, seed
        self.tell = say

    def say(self, line: str) -> None:
        """Report a step of this seed."""
        self.tell(f"seed {self.seed}  {line}")

    def run(self) -> Facts:
        """Return the rows of this seed: kinds, agreement, and accuracies of the trained models."""
        found = {acquirer: self._acquirer(acquirer) for acquirer in self.plan.acquirers}
        return {
            "seed": self.seed,
            "acquirers": {name: facts for name, (facts, _) in found.items()},
            "table3": self._table3(found),
            "table4": self._table4(found),
        }

    def _acquirer(self, acquirer: str) -> tuple[Facts, dict[str, IntArray]]:
        """Return Table 2 and the agreement of one acquirer, and the subset of each kind."""
        names = [kind.name for kind in self.plan.kinds if kind.name != SINGLE]
        kept = {name: self.store.get(self._name(acquirer, name)) for name in names}
        about = self.store.get(self._name(acquirer, "members"))
        if about is None or any(step is None for step in kept.values()):
            return self._trained(acquirer)
        return about[0], {name: step[1] for name, step in kept.items() if step is not None}

    def _trained(self, acquirer: str) -> tuple[Facts, dict[str, IntArray]]:
        selected = self._selected(acquirer)
        collector, model = self._members(acquirer, selected)
        unselected = np.setdiff1d(self.pool.items, selected, assume_unique=True)
        held_out = np.flatnonzero(self.pool.held_out)
        parts = {SELECTED: selected, UNSELECTED: unselected, HELD_OUT: held_out}
        facts: Facts = {
            "candidate": self.plan.candidate(acquirer),
            "images": {name: len(items) for name, items in parts.items()},
            "table2": {
                kind.name: collector.accuracy(kind, self.pool.labels, parts)
                for kind in self.plan.kinds
            },
            "agreement": list(_agreements(collector, unselected, self.plan)),
            "samples_shown": model.samples_shown,
            "train_seconds": model.train_seconds,
            "score_seconds": model.score_seconds,
            "device": model.device,
        }
        subsets = dict(self._acquired(acquirer, selected, collector))
        for name, items in subsets.items():
            self.store.put(self._name(acquirer, name), {}, items)
        self.store.put(self._name(acquirer, "members"), facts, selected)
        return facts, subsets

    def _selected(self, acquirer: str) -> IntArray:
        """Search what the members learn from: build up, mutual information, R seeds."""
        settings = _first(self.plan, acquirer)
        one = Search(
            settings,
            self.pool,
            self.learner,
            _Named(self.store, acquirer),
            self.seed,
            watch=lambda step: self.say(f"{acquirer}: stage {step.stage}, {step.images:,} images"),
        )
        return one.subset()

    def _members(self, acquirer: str, selected: IntArray) -> tuple[Collector, TrainedModel]:
        candidate = self.plan.candidate(acquirer)
        self.say(f"{candidate}: {len(selected):,} images")
        collector = Collector(
            len(self.pool.labels), self.pool.classes, self.plan.kinds, parse(candidate).members
        )
        self.learner.on_member = collector.take
        try:
            model = self.learner.train_and_score(
                selected,
                self.pool.labels[selected],
                seed=training_seed(self.seed, f"consensus:{acquirer}"),
                arch=candidate,
            )
        finally:
            self.learner.on_member = None
        return collector, model

    def _acquired(
        self, acquirer: str, selected: IntArray, collector: Collector
    ) -> Iterator[tuple[str, IntArray]]:
        """Let each kind of ensemble double the subset (a single model cannot disagree)."""
        settings = _second(self.plan, acquirer)
        size = search.stage_sizes(settings, len(self.pool.items))[-1]
        key = f"{self.seed}:consensus:{acquirer}"
        for kind in self.plan.kinds:
            if kind.name != SINGLE:
                scores = collector.scores(kind)
                new = search.acquire(settings, self.pool, selected, size, key, scores)
                yield kind.name, np.concatenate([selected, new])

    def _table3(self, found: dict[str, tuple[Facts, dict[str, IntArray]]]) -> dict[str, float]:
        """Train a single model of the first acquirer on the subset of each kind."""
        first = self.plan.acquirers[0]
        subsets = found[first][1]
        sets = {**subsets, RANDOM: self._drawn(len(next(iter(subsets.values()))))}
        return {
            name: self._judge(first, f"{first} {name}" if name != RANDOM else name, items)
            for name, items in sets.items()
        }

    def _table4(
        self, found: dict[str, tuple[Facts, dict[str, IntArray]]]
    ) -> dict[str, dict[str, float]]:
        """Train every target on what each acquirer's whole ensemble chose, a draw, and all of L."""
        combined = self.plan.kinds[-1].name
        chosen = {f"{name} {combined}": subsets[combined] for name, (_, subsets) in found.items()}
        size = len(next(iter(chosen.values())))
        sets = {RANDOM: self._drawn(size), **chosen, FULL: self.pool.items}
        return {
            target: {name: self._judge(target, name, items) for name, items in sets.items()}
            for target in self.plan.targets
        }

    def _drawn(self, size: int) -> IntArray:
        return random_subset(self.pool, size, self.seed, "consensus:random")

    def _judge(self, target: str, name: str, items: IntArray) -> float:
        """Return the held-out accuracy of one network trained on these images."""
        step = self._name(target, f"on {name}")
        kept, ordered = self.store.get(step), np.sort(items)
        if kept is not None and np.array_equal(kept[1], ordered):
            return float(kept[0]["accuracy"])
        self.say(f"{target} on {name}: {len(items):,} images")
        model = self.learner.train_and_score(
            items,
            self.pool.labels[items],
            seed=training_seed(self.seed, f"consensus:model:{target}"),
            arch=target,
        )
        accuracy = self.pool.accuracy(model.scores.pred, np.flatnonzero(self.pool.held_out))
        assert accuracy is not None
        facts = {"accuracy": accuracy, "samples_shown": model.samples_shown}
        self.store.put(step, facts, ordered)
        return accuracy

    def _name(self, network: str, what: str) -> str:
        return f"{self.seed}-{network}-{what}".replace(" ", "_")


class _Named:
    """A part of a store: the searches of several acquirers do not meet."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name

    def get(self, name: str) -> tuple[Facts, IntArray] | None:
        return self.store.get(f"{self.name}-{name}")

    def put(self, name: str, facts: Facts, items: IntArray) -> None:
        self.store.put(f"{self.name}-{name}", facts, items)


def _agreements(
    collector: Collector, unselected: IntArray, plan: Plan
) -> Iterator[dict[str, list[float]]]:
    """Return the agreement of each run's checkpoints on the unselected images (Fig. 2)."""
    kept = max(plan.checkpoints)
    for run in range(plan.runs):
        votes = collector.votes[run * kept : (run + 1) * kept]
        yield agreement(votes[:, unselected])

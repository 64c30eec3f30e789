"""What a search is worth: its subset beside a random one of the same size and beside all of L.

Every seed repeats the whole experiment: random start, ties, all trainings. The three models of a
seed share their training seed, so the differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from mcal_engine import search
from mcal_engine.errors import DataError
from mcal_engine.learner import Learner
from mcal_engine.search import LabelledPool, SearchSettings, spread
from mcal_engine.search_stages import DRAWN, FULL, SUBSET, Search, Step
from mcal_engine.search_store import Facts, Store
from mcal_engine.types import IntArray

SETS = (FULL, SUBSET, DRAWN)
"""In the order of their trainings: pretrain's other two start from the model of all of L."""


def compare(
    settings: SearchSettings,
    pool: LabelledPool,
    learner: Learner,
    store: Store,
    seeds: Sequence[int],
    *,
    sets: Sequence[str] = SETS,
    watch: Callable[[Step], None] = lambda step: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Facts, IntArray]:
    """Search once per seed, judge the sets, and return the result with the first seed's subset.

    The result is plain JSON; `store` holds every step meanwhile. Without `sets` nothing is judged.
    Raises `InvalidConfigError`, `DataError`, `TrainingError`, `CancelledError`.
    """
    search.check_seeds(tuple(seeds))
    runs: list[Facts] = []
    subset = np.empty(0, dtype=np.int64)
    for seed in seeds:
        one = Search(
            settings, pool, learner, store, seed, judged=len(sets), watch=watch, cancelled=cancelled
        )
        stages = list(one.stages())
        if not runs:
            subset = stages[-1].items
        chosen = {FULL: pool.items, SUBSET: stages[-1].items, DRAWN: one.random_subset()}
        judged = {
            name: one.judge(name, chosen[name], one.trainings + k)
            for k, name in enumerate(sets, start=1)
        }
        runs.append({"seed": seed, "stages": [stage.facts for stage in stages], "models": judged})
    return _about(settings, pool) | {"runs": runs, **judgement(runs, sets)}, subset


def transfer(
    subset: IntArray,
    pool: LabelledPool,
    learner: Learner,
    store: Store,
    arch: str,
    seeds: Sequence[int],
    *,
    watch: Callable[[Step], None] = lambda step: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Facts:
    """Train another candidate on a subset, on random ones of its size, and on all of L.

    Raises as `compare` does; `DataError` where the subset is no proper part of L.
    """
    search.check_seeds(tuple(seeds))
    settings = transfer_settings(subset, pool, arch)
    runs: list[Facts] = []
    for seed in seeds:
        one = Search(
            settings, pool, learner, store, seed, judged=len(SETS), watch=watch, cancelled=cancelled
        )
        chosen = {FULL: pool.items, SUBSET: subset, DRAWN: one.random_subset()}
        judged = {name: one.judge(name, chosen[name], k) for k, name in enumerate(SETS, start=1)}
        runs.append({"seed": seed, "models": judged})
    return _about(settings, pool) | {"runs": runs, **judgement(runs, SETS)}


def transfer_settings(subset: IntArray, pool: LabelledPool, arch: str) -> SearchSettings:
    """Return the settings under which a given subset is judged. Raises `DataError`."""
    inside = np.zeros(len(pool.labels), dtype=np.bool_)
    if len(subset) == 0 or len(np.unique(subset)) < len(subset):
        raise DataError("a subset holds one image or more, each of them once")
    if subset.min() < 0 or subset.max() >= len(inside):
        raise DataError(f"the subset names images beyond the {len(inside):,} there are")
    inside[subset] = True
    if (inside & pool.held_out).any():
        raise DataError("the subset holds images that are held out: they would judge themselves")
    share = len(subset) / len(pool.items)
    compress = search.Scheme.COMPRESS
    return SearchSettings(share, compress, search.RANDOM, acquirer=arch, model=arch)


def judgement(runs: Sequence[Facts], sets: Sequence[str]) -> Facts:
    """Return accuracies per set and their paired differences, with intervals over the seeds."""
    found = {
        name: [float(run["models"][name]["accuracy"]) for run in runs]
        for name in sets
        if all(name in run["models"] for run in runs)
    }
    differences = {
        f"{SUBSET} - {other}": spread(
            [a - b for a, b in zip(found[SUBSET], found[other], strict=True)]
        )
        for other in (DRAWN, FULL)
        if SUBSET in found and other in found
    }
    return {
        "accuracy": {name: spread(values) for name, values in found.items()},
        "differences": differences,
    }


def lines(result: Facts) -> list[str]:
    """Return the result as a few lines for a terminal."""
    text = [
        f"{name:<8} {_per_cent(row)}   {result['images'][name]:>7,} images"
        for name, row in result["accuracy"].items()
    ]
    text += [
        f"{name:<16} {_per_cent(row, sign='+')}" for name, row in result["differences"].items()
    ]
    if result["accuracy"] and len(result["runs"]) < 2:
        text.append("one seed: no interval")
    return text


def _per_cent(row: Facts, sign: str = "") -> str:
    mean = f"{100 * row['mean']:{sign}.2f} %"
    if row["low"] is None:
        return mean
    return f"{mean} (95 %: {100 * row['low']:{sign}.2f} to {100 * row['high']:{sign}.2f})"


def _about(settings: SearchSettings, pool: LabelledPool) -> Facts:
    sizes, labelled = search.stage_sizes(settings, len(pool.items)), len(pool.items)
    return {
        "settings": asdict(settings),
        "n": len(pool.labels),
        "classes": pool.classes,
        "labelled": labelled,
        "held_out": int(pool.held_out.sum()),
        "sizes": list(sizes),
        "images": {FULL: labelled, SUBSET: sizes[-1], DRAWN: sizes[-1]},
    }

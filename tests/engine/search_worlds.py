"""A labelled world whose best subset is known, and an ensemble that learns it in closed form.

Images come in groups that look alike; a model knows a group once it has seen `enough` of it. Large
groups are redundant, small ones are lost by a random draw: exactly what a search should mend.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from mcal_engine.candidates import parse
from mcal_engine.ensembles import Tally
from mcal_engine.learner import TrainedModel
from mcal_engine.search import LabelledPool, SearchSettings

CLASSES = 4
FAST = {"acquirer": "toy+seeds=5", "model": "toy+seeds=5"}


def settings(share=0.4, **more) -> SearchSettings:
    return SearchSettings(**{"share": share, **FAST, **more})


@dataclass
class World:
    """2,000 images: 8 groups of 125, 100 groups of 10; every fifth image is held out."""

    seed: int = 0
    enough: int = 3

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 11])
        sizes = [125] * 8 + [10] * 100
        self.group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        self.labels = (self.group % CLASSES).astype(np.int64)
        held_out = np.zeros(len(self.labels), dtype=np.bool_)
        held_out[np.arange(0, len(held_out), 5)] = True
        self.pool = LabelledPool(self.labels, held_out, CLASSES)

    def known(self, items) -> np.ndarray:
        """Tell for each image whether a model of these items knows its group [N]."""
        counts = np.bincount(self.group[items], minlength=self.group.max() + 1)
        return (counts >= self.enough)[self.group]

    def coverage(self, items) -> float:
        """Return the share of held-out images whose group is known: what accuracy follows."""
        return float(self.known(items)[self.pool.held_out].mean())


@dataclass
class GroupLearner:
    """Members agree on groups that they know; on others each guesses for itself."""

    world: World
    log: list[tuple[str, str, int, int]] = field(default_factory=list)  # how, arch, seed, images
    learnt: list[np.ndarray] = field(default_factory=list)
    breaks_at: int | None = None  # trainings until the machine is switched off

    def __post_init__(self) -> None:
        self.on_member = None
        self.base: dict[tuple[str, int], np.ndarray] = {}

    def train_and_score(
        self, train_items, train_labels, *, seed, arch, features=False, earlier=None
    ):
        return self._fit("train", train_items, train_labels, seed, arch)

    def pretrain(self, items, labels, *, seed, arch):
        self.base = {(arch, seed): items}
        return self._fit("pretrain", items, labels, seed, arch)

    def tune(self, items, labels, *, seed, arch, rate):
        assert 0 < rate < 1
        return self._fit("tune", items, labels, seed, arch, self.base[arch, seed])

    def _fit(self, how, items, labels, seed, arch, before=None):
        if self.breaks_at == 0:
            raise KeyboardInterrupt
        if self.breaks_at is not None:
            self.breaks_at -= 1
        np.testing.assert_array_equal(labels, self.world.labels[items])
        self.log.append((how, arch, seed, len(items)))
        self.learnt.append(np.sort(items))
        learnt = items if before is None else np.concatenate([items, before])
        scores = self._scores(self.world.known(learnt), seed, arch)
        return TrainedModel(scores, 1.0, 0.5, 10 * len(items), "cpu")

    def _scores(self, known, seed, arch):
        n, members = len(known), parse(arch).members
        tally = Tally(n, CLASSES)
        rng = np.random.default_rng([seed, zlib.crc32(arch.encode())])
        for member in range(members):
            guess = rng.integers(0, CLASSES, n)
            vote = np.where(known, self.world.labels, guess)
            sure = np.where(known, 0.97, 0.85) + rng.uniform(-0.02, 0.02, n)
            p = np.repeat(((1 - sure) / (CLASSES - 1))[:, None], CLASSES, axis=1)
            p[np.arange(n), vote] = sure
            tally.add(p)
            if self.on_member is not None:
                for rows in (slice(0, 700), slice(700, n)):
                    self.on_member(member, rows, p[rows])
        found = tally.scores(f"toy:{arch}:{seed}:{known.sum()}")
        return found if members > 1 else replace(found, mutual=None, variation=None)

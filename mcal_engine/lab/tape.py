"""Record a live run: a learner that notes what every training was given and what came of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcal_engine.lab.recording import About, Recording, Round, Take, digest, take_of
from mcal_engine.learner import Earlier, Learner, TrainedModel
from mcal_engine.types import IntArray, RunConfig


class Tape:
    """Passes every training on to `learner`; `recording` holds what was seen so far.

    Trainings of several architectures on the same B are one round. The run gets its scores back
    as they are recorded (same order, values to a few digits), so that a replay sees the same bits
    and draws the same audit.
    """

    def __init__(self, learner: Learner, config: RunConfig, truth: IntArray, data: str) -> None:
        self.learner = learner
        about = About(
            data=data,
            labels_sha256=digest(truth),
            given="truth",
            given_sha256=digest(truth),
            n=config.n,
            classes=config.classes,
            seed=config.seed,
            acquisition=config.acquisition,
            random_share=config.random_share,
            test_share=config.test_share,
            archs=config.archs,
            sizes=(),
        )
        self.recording = Recording(about, np.zeros(config.n, dtype=np.int16))

    def train_and_score(
        self,
        train_items: IntArray,
        train_labels: IntArray,
        *,
        seed: int,
        arch: str,
        features: bool = False,
        earlier: Earlier | None = None,
    ) -> TrainedModel:
        """Train and score as the learner behind does; return what is kept of it."""
        trained = self.learner.train_and_score(
            train_items,
            train_labels,
            seed=seed,
            arch=arch,
            features=features,
            earlier=earlier,
        )
        take = take_of(trained)
        self._note(train_items, arch, take)
        kept = replace(take.scores(), features=trained.scores.features)
        return replace(trained, scores=kept)

    def _note(self, items: IntArray, arch: str, take: Take) -> None:
        made = self.recording
        new = items[made.joined[items] == 0]
        if len(new) or not made.rounds or arch in made.rounds[-1].takes:
            number = len(made.rounds) + 1
            joined = made.joined.copy()
            joined[new] = number
            rounds = (*made.rounds, Round(number, len(items), {}))
            made = replace(made, joined=joined, rounds=rounds)
        last = made.rounds[-1]
        last = replace(last, takes={**last.takes, arch: take})
        about = replace(made.about, sizes=tuple(r.train_size for r in made.rounds))
        self.recording = replace(made, about=about, rounds=(*made.rounds[:-1], last))

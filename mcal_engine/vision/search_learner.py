"""A learner for searches: it can go on from weights that it trained before."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from mcal_engine.candidates import FRESH, Candidate, parse
from mcal_engine.errors import DataError
from mcal_engine.learner import TrainedModel
from mcal_engine.types import IntArray
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.nets import build
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.train import Hooks, Trained


class SearchLearner(TorchLearner):
    """Trains on parts of a labelled pool and can go on from there; arguments as `TorchLearner`.

    `pretrain` keeps each run's weights in memory for `tune`: 4 bytes per parameter and run.
    `waited` tells how many seconds were spent waiting so far: they count for no training.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._keeping = False
        self._rate: float | None = None  # of a fine-tuning that goes on
        self._ends: dict[tuple[str, int], bytes] = {}
        self.waited: Callable[[], float] = lambda: 0.0

    def train_and_score(self, *items: Any, **more: Any) -> TrainedModel:
        """Train and score as every learner does; time spent waiting is taken off the seconds.

        The network of the training before leaves first.
        """
        self.model = self.trained = self.fitted = None
        before = self.waited()
        found = super().train_and_score(*items, **more)
        waited = self.waited() - before
        while_training = min(waited, found.train_seconds)
        return replace(
            found,
            train_seconds=found.train_seconds - while_training,
            score_seconds=max(0.0, found.score_seconds - (waited - while_training)),
        )

    def check(self, arch: str) -> None:
        """Raise `DataError` where this network cannot be built for these images.

        Nothing is allocated, so that a wrong name is found before the first training. Networks
        that bring their own weights are not looked at: those are found, or not, when they begin.
        """
        candidate = parse(arch)
        if candidate.weights != FRESH:
            return
        spec = self._spec(candidate.net)
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            build(spec.arch, channels=spec.channels, classes=spec.classes, side=spec.side)

    def pretrain(self, items: IntArray, labels: IntArray, *, seed: int, arch: str) -> TrainedModel:
        """Train and score as `train_and_score` does, and keep each run's last weights."""
        self._ends.clear()
        self._keeping = True
        try:
            return self.train_and_score(items, labels, seed=seed, arch=arch)
        finally:
            self._keeping = False

    def tune(
        self, items: IntArray, labels: IntArray, *, seed: int, arch: str, rate: float
    ) -> TrainedModel:
        """Go on from the weights of `pretrain` with the same seed and arch; score all images.

        Every run starts from its own weights, at the learning rate `rate`. Raises `DataError`
        where `pretrain` has not made them.
        """
        self._rate = rate
        try:
            return self.train_and_score(items, labels, seed=seed, arch=arch)
        finally:
            self._rate = None

    def _run(
        self,
        candidate: Candidate,
        items: IntArray,
        labels: IntArray,
        seed: int,
        recipe: Recipe,
        hooks: Hooks,
    ) -> Trained:
        key = (candidate.net, seed)
        if self._rate is not None:
            recipe = replace(recipe, learning_rate=self._rate)
            hooks = replace(hooks, start=self._loader(key, hooks.start))
        trained = super()._run(candidate, items, labels, seed, recipe, hooks)
        if self._keeping:
            self._ends[key] = _packed(trained.model.net)
        return trained

    def _loader(
        self, key: tuple[str, int], before: Callable[[nn.Module], None] | None
    ) -> Callable[[nn.Module], None]:
        content = self._ends.get(key)
        if content is None:
            raise DataError(f"{key[0]} was not trained before with this seed, so nothing is tuned")

        def load(net: nn.Module) -> None:
            if before is not None:
                before(net)
            net.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))

        return load


def _packed(net: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save({name: value.detach().cpu() for name, value in net.state_dict().items()}, buffer)
    return buffer.getvalue()

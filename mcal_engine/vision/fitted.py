"""What a training leaves behind: something that scores images and is kept in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from mcal_engine.types import Scores
from mcal_engine.vision import checkpoints
from mcal_engine.vision.checkpoints import Model
from mcal_engine.vision.data import Images
from mcal_engine.vision.score import Views, score


class Fitted(Protocol):
    """A trained candidate: one network, an ensemble, a head on frozen features."""

    def score(
        self,
        images: Images,
        device: torch.device,
        *,
        features: bool,
        watch: Callable[[Views], None],
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> Scores:
        """Score all N images. Arguments and errors: `score.score`."""
        ...

    def keep(self, folder: Path) -> str:
        """Leave the model's files in this folder; return the name that its scores have."""
        ...


@dataclass(frozen=True)
class Single:
    """One network, kept as model.pt; its name is the SHA-256 of that file."""

    model: Model

    def score(
        self,
        images: Images,
        device: torch.device,
        *,
        features: bool,
        watch: Callable[[Views], None],
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> Scores:
        """Score all N images. Arguments and errors: `score.score`."""
        return score(
            self.model,
            images,
            device,
            features=features,
            watch=watch,
            report=report,
            cancelled=cancelled,
        )

    def keep(self, folder: Path) -> str:
        """Write model.pt; return its SHA-256."""
        return checkpoints.save(self.model, folder / "model.pt")

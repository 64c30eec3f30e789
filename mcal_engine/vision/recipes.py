"""How a network is trained: the numbers, and the optimiser and schedule that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from mcal_engine.errors import DataError

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("one_cycle", "steps")
DROPS = (0.4, 0.6, 0.8, 0.9)
"""Shares of the training after which "steps" divides the rate by ten (paper, Sec. 5: 80, ...)."""

Schedule = torch.optim.lr_scheduler.LRScheduler


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults were tuned on Fashion-MNIST with 100 to 2,000 labels."""

    epochs: int = 20
    min_steps: int = 300
    batch: int = 128
    learning_rate: float = 0.01
    weight_decay: float = 0.05
    warm_up: float = 0.2  # share of the steps, one_cycle only
    pad: int = 2  # pixels that a crop may shift
    flip: bool = True  # off where a mirrored image is another class (digits, letters)
    cutout: int = 0  # side of the square that is blanked, pixels
    average: float = 0.0  # decay per step of the running mean of the weights; 0: the last weights
    optimizer: str = "adamw"
    schedule: str = "one_cycle"
    compiled: bool = False  # torch.compile: measured slower on the CPU, untried elsewhere

    def __post_init__(self) -> None:
        """Raise `DataError` on a recipe that trains nothing or asks for what there is not."""
        if min(self.epochs, self.min_steps, self.batch) < 1 or min(self.pad, self.cutout) < 0:
            raise DataError("epochs, min_steps, batch must be at least 1; pad, cutout at least 0.")
        if not 0 <= self.average < 1:
            raise DataError("average is a share from 0 to below 1.")
        _check_known("optimizer", self.optimizer, OPTIMIZERS)
        _check_known("schedule", self.schedule, SCHEDULES)

    @classmethod
    def paper(cls, *, flip: bool = True) -> Recipe:
        """Return the paper's recipe (Sec. 5): 200 epochs, batch 256, a tenth of the rate at
        epochs 80, 120, 160 and 180.

        The paper names Keras' examples and no more; momentum 0.9 at rate 0.1, decay 5e-4, shifts
        by 4 pixels and mirroring are the usual ones of its networks.
        """
        return cls(
            epochs=200,
            min_steps=1,
            batch=256,
            learning_rate=0.1,
            weight_decay=5e-4,
            pad=4,
            flip=flip,
            optimizer="sgd",
            schedule="steps",
        )

    def batch_size(self, train_size: int) -> int:
        """Return min(batch, |B|)."""
        return min(self.batch, train_size)

    def steps(self, train_size: int) -> int:
        """Return max(epochs * |B| / batch, min_steps)."""
        return max(
            math.ceil(self.epochs * train_size / self.batch_size(train_size)), self.min_steps
        )


def suited(arch: str, *, channels: int, flip: bool = True) -> Recipe:
    """Return the recipe that measured best with this network (docs/measurements.md).

    `paper_*` networks get the paper's; the small net of the demo gets the defaults.
    """
    if arch.startswith("paper_"):
        return Recipe.paper(flip=flip)
    if arch == "cnn_small":
        return Recipe(flip=flip)
    if channels == 1:
        return Recipe(epochs=15, min_steps=600, pad=2, flip=flip)
    return Recipe(epochs=25, min_steps=1000, pad=4, flip=flip)


def _check_known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise DataError(f"There is no {what} {name!r}; there is: {', '.join(known)}.")


def optimizer_of(
    net: nn.Module, recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, Schedule]:
    """Return optimiser and schedule for `steps` steps; weight decay on matrices, kernels only."""
    groups = [
        {
            "params": [p for p in net.parameters() if p.ndim > 1],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    rate = recipe.learning_rate
    if recipe.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)
    else:
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9, fused=True)
    if recipe.schedule == "one_cycle":
        return optimizer, _one_cycle(optimizer, recipe, steps)
    drops = [max(1, round(share * steps)) for share in DROPS]
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, gamma=0.1)


def _one_cycle(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Schedule:
    """Up linearly, then down to almost nothing."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=steps + 1,  # the scheduler refuses the call after the last step otherwise
        pct_start=recipe.warm_up,
        anneal_strategy="linear",
        cycle_momentum=False,
        final_div_factor=1e3,
    )

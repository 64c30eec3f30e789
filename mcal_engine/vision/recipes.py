"""How a network is trained: the numbers, and the optimiser and schedule that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import nn

from mcal_engine.errors import DataError

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("one_cycle", "steps", "tail")
DROPS = (0.4, 0.6, 0.8, 0.9)
"""Shares of the training after which "steps" divides the rate by ten (paper, Sec. 5: 80, ...)."""

FIRST_RATE = 1 / 25
"""Of the learning rate, at the first step of a warm-up (torch's one-cycle default)."""

Schedule = torch.optim.lr_scheduler.LRScheduler


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults were tuned on Fashion-MNIST with 100 to 2,000 labels."""

    epochs: int = 20
    min_steps: int = 300
    batch: int = 128
    learning_rate: float = 0.01
    weight_decay: float = 0.05
    warm_up: float = 0.2  # share of the steps, one_cycle and tail only
    pad: int = 2  # pixels that a crop may shift
    flip: bool = True  # off where a mirrored image is another class (digits, letters)
    cutout: int = 0  # side of the square that is blanked, pixels
    average: float = 0.0  # decay per step of the running mean of the weights; 0: the last weights
    optimizer: str = "adamw"
    schedule: str = "one_cycle"
    tail: float = 0.3  # share of the steps at a constant rate, from which members are taken
    tail_rate: float = 0.2  # that rate as a share of the learning rate
    spacing: int = 0  # steps from one member to the next; 0: as many as the tail allows
    compiled: bool = False  # torch.compile: measured slower on the CPU, untried elsewhere

    def __post_init__(self) -> None:
        """Raise `DataError` on a recipe that trains nothing or asks for what there is not."""
        if min(self.epochs, self.min_steps, self.batch) < 1 or min(self.pad, self.cutout) < 0:
            raise DataError("epochs, min_steps, batch must be at least 1; pad, cutout at least 0.")
        if not 0 <= self.average < 1:
            raise DataError("average is a share from 0 to below 1.")
        if not (0 < self.tail < 1 and 0 < self.tail_rate <= 1 and self.spacing >= 0):
            raise DataError("tail and tail_rate are shares above 0, spacing is at least 0.")
        if self.schedule == "tail" and not 0 <= self.warm_up <= 1 - self.tail:
            raise DataError("warm_up and tail are shares of the steps: at most 1 in all.")
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


def with_members(recipe: Recipe, count: int) -> Recipe:
    """Return the recipe whose constant tail yields `count` checkpoints; one asks for no tail.

    Their number costs no training until they no longer fit into the tail of a short one: then
    `min_steps` grows.
    """
    if count == 1:
        return recipe
    least = math.ceil(count * max(recipe.spacing, 1) / recipe.tail)
    return replace(recipe, schedule="tail", min_steps=max(recipe.min_steps, least))


def member_steps(recipe: Recipe, steps: int, count: int) -> tuple[int, ...]:
    """Return after which of `steps` steps, from 1, a checkpoint is kept: the last one always.

    Raises `DataError` where the tail is too short for `count` of them.
    """
    tail = tail_steps(recipe, steps) if count > 1 else steps
    gap = recipe.spacing or tail // count
    if gap * (count - 1) >= tail or (gap < 1 < count):
        raise DataError(
            f"{count} checkpoints do not fit into the last {tail} of {steps} steps. "
            "Ask for fewer, for less spacing, or for more steps."
        )
    return tuple(steps - gap * (count - 1 - place) for place in range(count))


def tail_steps(recipe: Recipe, steps: int) -> int:
    """Return how many of the steps have the constant rate at the end."""
    return math.ceil(recipe.tail * steps)


WITHOUT_BATCH_NORM = ("squeezenet1_1", "convnext_tiny", "vit_b_16")


def suited(arch: str, *, channels: int, flip: bool = True) -> Recipe:
    """Return the recipe that measured best with this network (docs/measurements.md).

    `paper_*` networks get the paper's; the small net of the demo gets the defaults.
    """
    if arch.startswith("paper_"):
        return Recipe.paper(flip=flip)
    if arch == "cnn_small":
        return Recipe(flip=flip)
    if arch in WITHOUT_BATCH_NORM:  # the usual rate would blow them up
        return Recipe(epochs=25, min_steps=1000, pad=4, flip=flip, learning_rate=1e-3)
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
    if recipe.schedule == "tail":
        return optimizer, _with_tail(optimizer, recipe, steps)
    drops = [max(1, round(share * steps)) for share in DROPS]
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, gamma=0.1)


def _one_cycle(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Schedule:
    """Up linearly, then down to almost nothing."""
    total = steps + 1  # the scheduler refuses the call after the last step otherwise
    no_rise = math.isclose(recipe.warm_up * total, 1)  # torch would divide by a rise of 0 steps
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=total,
        pct_start=0.0 if no_rise else recipe.warm_up,
        anneal_strategy="linear",
        cycle_momentum=False,
        final_div_factor=1e3,
    )


def _with_tail(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Schedule:
    """Up linearly, down to `tail_rate`, then level: where the members of an ensemble come from.

    The end of one_cycle has almost no rate left, so its checkpoints are near-copies; a rate that
    stays lets the weights move on between two members.
    """
    top, level = recipe.warm_up * steps, steps - tail_steps(recipe, steps)

    def share(done: int) -> float:
        if done < top:
            return FIRST_RATE + (1 - FIRST_RATE) * done / top
        if done < level:
            return 1 - (1 - recipe.tail_rate) * (done - top) / (level - top)
        return recipe.tail_rate

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)

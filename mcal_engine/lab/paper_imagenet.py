"""The paper's decision on ImageNet (Sec. 5.1), on a synthetic profile: nothing is trained.

The learner's error falls as B^-0.35 and is 20 % at 454,000 of 1.2 M images, nearly alike for
images that it is sure and unsure of, so that even the surest 5 % stay above an error of 5 %: the
paper could machine-label none. What is tested is the decision: with training 60-200 times dearer
than RESNET18's the run must give up and pay at most the exploration tax; under Eq. 2 with cheap
compute it must not.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mcal_engine import simulate
from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.experiments import Outcome, Run
from mcal_engine.lab.paper_runs import ASKED, PAPER, PLUG_IN, Mode, Result, finished, money
from mcal_engine.lab.tables import per_cent, table
from mcal_engine.learner import SyntheticLearner, TrainedModel
from mcal_engine.options import run_config
from mcal_engine.types import CertificateKind, IntArray, RunConfig

GAMMA = 0.35
STEEPNESS = 0.3
RESNET18 = numbers.SECONDS_PER_IMAGE * numbers.COMPUTE_PER_HOUR / 3600  # dollars per image of B
CHEAP = 1e-4  # the same: 200 epochs at 7,000 images a second, $3.6 per hour
PER_CLASS = 6  # images of B_0: the fewest that the engine takes
CASES = (
    (PAPER, RESNET18 * numbers.IMAGENET.dearer[0]),
    (PAPER, RESNET18 * numbers.IMAGENET.dearer[1]),
    (PLUG_IN, RESNET18 * numbers.IMAGENET.dearer[0]),
    (PAPER, CHEAP),
    (PLUG_IN, CHEAP),
    (ASKED, CHEAP),
)
"""(mode, dollars of one training per image of B)."""


@dataclass(frozen=True)
class Priced:
    """A learner whose trainings take so many seconds per image of B."""

    learner: SyntheticLearner
    seconds_per_image: float

    def train_and_score(
        self, train_items: IntArray, train_labels: IntArray, **more: Any
    ) -> TrainedModel:
        """Train as the learner behind does and state other seconds."""
        trained = self.learner.train_and_score(train_items, train_labels, **more)
        size = len(train_items)
        return replace(trained, train_seconds=size * self.seconds_per_image, samples_shown=size)


def imagenet(
    runs: Sequence[Run], options: argparse.Namespace, n: int = numbers.IMAGENET.n
) -> Outcome:
    """Run the engine on the profile in every case; recordings play no part.

    `n` scales the whole profile, classes too, for tests.
    """
    rows = [_case(mode, price, options, n) for mode, price in CASES]
    return finished("imagenet", {"n": n, "rows": rows}, [_table(rows)], [])


def settings(mode: Mode, options: argparse.Namespace, n: int) -> RunConfig:
    """Return the settings of one case: T of 5 % in the paper's mode, B_0 as small as may be."""
    filled = argparse.Namespace(**vars(options))
    filled.arch, filled.seed = "efficientnet_b0", options.seed or 0
    filled.test_share = options.test_share
    if filled.test_share is None:
        filled.test_share = numbers.TEST_SHARE if mode is PAPER else 0.015
    classes = max(round(n * numbers.IMAGENET.classes / numbers.IMAGENET.n), 2)
    made = replace(run_config(filled, n, classes), seed_share=PER_CLASS * classes / n)
    if mode.criterion is None:
        return made
    target = replace(made.target, criterion=mode.criterion, certificate=CertificateKind.TEST_SET)
    return replace(made, target=target)


def world(config: RunConfig) -> SyntheticLearner:
    """Return the profile's learner: an error of 20 % at 454,000 of 1.2 M images."""
    whole = numbers.IMAGENET
    at = config.n * whole.train_size / whole.n
    labels = np.random.default_rng(config.seed).integers(0, config.classes, config.n)
    return SyntheticLearner(
        labels,
        config.classes,
        level=(1 - whole.accuracy) * (at / 100) ** GAMMA,
        gamma=GAMMA,
        steepness=STEEPNESS,
        world=config.seed,
    )


def _case(mode: Mode, price: float, options: argparse.Namespace, n: int) -> Result:
    config = settings(mode, options, n)
    learner = world(config)
    hour = config.prices.compute_per_hour
    priced = Priced(learner, price * 3600 / hour if hour else 0.0)
    found: Any = simulate.run(config, simulate.Oracle(learner.labels), priced)
    last, by_hand = found["iterations"][-1], found["cost"]["human_only"]
    return {
        "mode": mode.name,
        "training_price": price,
        "trainings": len(found["iterations"]),
        "train_size": last["train_size"],
        "accuracy": 1 - last["test_errors"][-1] / max(last["test_counts"][-1], 1),
        "machine_share": found["machine_fraction"],
        "error": found["realised_error"],
        "compute": found["cost"]["compute"],
        "tax": found["cost"]["compute"] / by_hand if by_hand else 0.0,
        "by_hand": by_hand,
        "total": found["cost"]["total"],
        "outcome": found["outcome"],
        "stop_reason": found["stop_reason"],
    }


def _table(rows: Sequence[Result]) -> str:
    head = (
        "mode", "training per image", "trainings", "B", "accuracy", "compute", "of by hand",
        "S/X", "error", "total", "by hand", "outcome",
    )  # fmt: skip
    lines = [
        (
            one["mode"],
            f"${one['training_price']:g}",
            str(one["trainings"]),
            f"{one['train_size']:,}",
            per_cent(one["accuracy"]),
            money(one["compute"]),
            per_cent(one["tax"]),
            per_cent(one["machine_share"]),
            per_cent(one["error"]),
            money(one["total"]),
            money(one["by_hand"]),
            one["outcome"],
        )
        for one in rows
    ]
    reasons = "\n".join(
        f"{one['mode']}, ${one['training_price']:g}: {one['stop_reason']}" for one in rows
    )
    return f"{table(head, lines)}\n{reasons}"

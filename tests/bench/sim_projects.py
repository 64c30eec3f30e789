"""Whole projects in worlds where audits fail: how often is the delivered set worse than promised?

    .venv/bin/python -m tests.bench.sim_projects [--projects 500] [--seed 0] [--label-ahead 0]

N = 3,000 images, epsilon 5 %, alpha 5 %, certificate A, several attempts. A project is wrong if it
delivered more wrong machine labels than its certificate says, or than its target allows. With
`--label-ahead` people label so many images during each training. The tables are in
docs/certificates.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np

from mcal_engine import mcal, simulate
from mcal_engine.guarantees import allowance
from mcal_engine.learner import Earlier, SyntheticLearner, TrainedModel
from mcal_engine.selection import draw_test
from mcal_engine.types import (
    BoolArray,
    CertificateKind,
    Finished,
    IntArray,
    McalState,
    Prices,
    Request,
    RunConfig,
    Target,
)

N, CLASSES, EPSILON, ALPHA = 3000, 5, 0.05, 0.05


@dataclass(frozen=True)
class World:
    """How a world fools the forecast. `kept` of T's wrong labels are shown, the others hidden.

    `sure` of all images are wrong and look certain; `tighten` asks for 0.6 epsilon at the first
    audit; `level` as in `SyntheticLearner`.
    """

    name: str
    kept: float = 1.0
    sure: float = 0.0
    tighten: bool = False
    level: float = 0.30


WORLDS = (
    World("T is honest"),
    World("T shows half of its errors", kept=0.5),
    World("T shows a fifth of its errors", kept=0.2),
    World("T shows none, a model that stays poor", kept=0.0, level=0.45),
    World("3 % of all images are wrong and look certain, T shows none", kept=0.0, sure=0.03),
    World("T shows half, the target is tightened in the first audit", kept=0.5, tighten=True),
)


@dataclass(frozen=True)
class Flattered:
    """A learner that is better on T than elsewhere, against all that T is for."""

    world: World
    inner: SyntheticLearner
    marks: IntArray
    sure: BoolArray

    def train_and_score(
        self,
        items: IntArray,
        labels: IntArray,
        *,
        seed: int,
        arch: str,
        features: bool = False,
        earlier: Earlier | None = None,
    ) -> TrainedModel:
        """Score all images; put T's labels right, and images of the world's choice wrong."""
        made = self.inner.train_and_score(
            items, labels, seed=seed, arch=arch, features=features, earlier=earlier
        )
        truth = self.inner.labels
        pred, unsure = made.scores.pred.copy(), made.scores.uncertainty.copy()
        wrong = self.sure.copy()
        wrong[items] = False
        pred[wrong] = (truth[wrong] + 1) % CLASSES
        unsure[wrong] *= np.float32(0.05)
        hidden = np.random.default_rng([seed, 7]).random(len(self.marks)) >= self.world.kept
        pred[self.marks[hidden]] = truth[self.marks[hidden]]
        return replace(made, scores=replace(made.scores, pred=pred, uncertainty=unsure))


@dataclass(frozen=True)
class Ended:
    """A finished project: what it delivered, promised and tried."""

    wrong: int
    promised: int
    allowed: int
    machine: int
    attempts: int
    bought: int
    answered: int = field(default=0)

    @property
    def broken(self) -> bool:
        """Whether more of the delivered labels are wrong than was promised or allowed."""
        return self.wrong > min(self.promised, self.allowed)


def project(world: World, seed: int, label_ahead: int = 0) -> Ended:
    """Run one project of a world to its end."""
    target = Target(EPSILON, alpha=ALPHA, certificate=CertificateKind.AUDIT)
    config = RunConfig(N, CLASSES, Prices(0.04, 0.9), target, seed=seed)
    rng = np.random.default_rng([seed, 5])
    truth = rng.integers(0, CLASSES, N)
    inner = SyntheticLearner(truth, CLASSES, level=world.level, world=seed)
    learner = Flattered(world, inner, draw_test(config), rng.random(N) < world.sure)
    driver = simulate.Driver(config, simulate.Oracle(truth), learner, label_ahead=label_ahead)
    for state, _ in steps(world, config, driver):
        last = state
    return _ended(last, driver)


def steps(
    world: World, config: RunConfig, driver: simulate.Driver
) -> Iterator[tuple[McalState, Request]]:
    """Yield each state and request, and tighten the target where the world does."""
    state, request = mcal.start(config)
    while not isinstance(request, Finished):
        yield state, request
        answer = driver.answer(request)
        if world.tighten and state.phase == "audit" and state.config.target == config.target:
            stricter = replace(config.target, epsilon=0.6 * EPSILON)
            state = mcal.change(state, config.prices, stricter)
        state, request = mcal.advance(state, answer)
    yield state, request


def _ended(state: McalState, driver: simulate.Driver) -> Ended:
    machine = int(driver.machine.sum())
    promised = state.certificate.get("wrong_at_most", 0)
    assert isinstance(promised, int)
    return Ended(
        wrong=driver.oracle.wrong(driver.machine_labels, driver.machine),
        promised=promised,
        allowed=allowance(state.config.target.epsilon, N, N),
        machine=machine,
        attempts=state.attempts,
        bought=driver.oracle.paid(),
        answered=int((driver.labels >= 0).sum()) + machine,
    )


def row(world: World, ended: list[Ended]) -> str:
    """Return one line of the table in docs/certificates.md."""
    delivered = [e for e in ended if e.machine]
    tried = Counter(e.attempts for e in ended)
    attempts = ", ".join(f"{tried[a]} x {a}" for a in sorted(tried))
    share = np.mean([e.machine for e in ended]) / N
    broken = sum(e.broken for e in ended)
    return (
        f"| {world.name} | {len(ended)} | {attempts} | {len(delivered)} | {share:.0%} | {broken} |"
    )


def main() -> None:
    """Print the table: projects, attempts begun, sets delivered, their share, broken promises."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--projects", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label-ahead", type=int, default=0)
    options = parser.parse_args()
    out, broken = sys.stdout, 0
    out.write("| world | projects | attempts | delivered | machine labels | broken |\n")
    for number, world in enumerate(WORLDS):
        seeds = range(options.seed + number, options.seed + options.projects, len(WORLDS))
        ended = [project(world, seed, options.label_ahead) for seed in seeds]
        broken += sum(e.broken for e in ended)
        out.write(row(world, ended) + "\n")
        out.flush()
    most = ALPHA + 2 * sqrt(ALPHA * (1 - ALPHA) / options.projects)
    share = broken / options.projects
    out.write(f"broken: {broken} of {options.projects} ({share:.1%}), at most {most:.1%} may be\n")


if __name__ == "__main__":
    main()

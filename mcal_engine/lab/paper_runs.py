"""What the paper's experiments share: modes, accountings, rows, and which recordings they need.

Every run is replayed as it was asked for (by default certified, everything paid) and in the
paper's modes. Money is counted twice: everything paid, and the paper's way, T and its validation
for nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.experiments import Outcome, Run
from mcal_engine.lab.figures import Panel
from mcal_engine.lab.tables import dollars, per_cent
from mcal_engine.types import CertificateKind, Criterion, Prices, RunConfig

Result = dict[str, Any]

SETS = {
    "fashion_mnist": numbers.FASHION,
    "cifar10_jpeg": numbers.CIFAR10,
    "cifar100_jpeg": numbers.CIFAR100,
}
"""Name of the data in a recording -> set of the paper."""
PAPER_NETS = ("paper_cnn18", "paper_resnet18", "paper_resnet50")
NETS = {"CNN-18": PAPER_NETS[0], "RESNET18": PAPER_NETS[1], "RESNET50": PAPER_NETS[2]}
"""Network of the paper -> its name here."""


# --- modes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mode:
    """How S is chosen and which bill is shown. Without `criterion`: as the options ask.

    `account` is the figure that the mode's comparisons go by, `total` or `paper_total`.
    """

    name: str
    criterion: Criterion | None
    account: str

    def config(self, run: Run, options: argparse.Namespace, price: float) -> RunConfig:
        """Return the settings of one recording at one label price, in this mode."""
        made = run.config(options)
        hour, devices = made.prices.compute_per_hour, made.prices.devices
        made = replace(made, prices=Prices(price, hour, devices))
        if self.criterion is None:
            return made
        if self.criterion is numbers.CRITERION and options.test_share is None:
            made = replace(made, test_share=numbers.TEST_SHARE)
        target = replace(
            made.target, criterion=self.criterion, certificate=CertificateKind.TEST_SET
        )
        return replace(made, target=target)


ASKED = Mode("asked", None, "total")
PLUG_IN = Mode("plug_in", Criterion.PLUG_IN, "paper_total")
PAPER = Mode("per_s", numbers.CRITERION, "paper_total")
MODES = (ASKED, PLUG_IN, PAPER)


def label_prices(options: argparse.Namespace) -> tuple[float, ...]:
    """Return the label prices asked for, by default the paper's two."""
    return tuple(options.label_prices) or (numbers.AMAZON, numbers.SATYAM)


def seeded(config: RunConfig, options: argparse.Namespace) -> Iterator[RunConfig]:
    """Return these settings under every draw of T that is asked for."""
    for seed in options.seeds or (config.seed,):
        yield replace(config, seed=seed)


def one_net(config: RunConfig, arch: str) -> RunConfig:
    """Return these settings without a race."""
    return replace(config, arch=arch, rivals=())


# --- rows ----------------------------------------------------------------------------------------


def set_of(run: Run) -> str:
    """Return the paper's name of the data, or its own where the paper does not have it."""
    data = run.recording.about.data
    return SETS.get(data, data)


def service(price: float) -> str:
    """Return the labelling service that takes this price, or the price."""
    return numbers.SERVICES.get(price, f"${price:g}")


def row(run: Run, config: RunConfig, mode: Mode, found: Result) -> Result:
    """Return what one replay came to, under both accountings, as plain JSON values."""
    by_hand = found["cost"]["human_only"]
    return {
        "set": set_of(run),
        "run": run.name,
        "acquisition": run.recording.about.acquisition,
        "seed": config.seed,
        "label_price": config.prices.label,
        "mode": mode.name,
        "epsilon": config.target.epsilon,
        "arch": found["live"][0] if found["live"] else config.arch,
        "train_share": found["counts"]["train"] / found["n"],
        "test": found["counts"]["test"],
        "audit": found["counts"]["audit"],
        "machine_share": found["machine_fraction"],
        "human_share": found["human_fraction"],
        "paper_paid_share": found["paper"]["paid_share"],
        "error": found["realised_error"],
        "by_hand": by_hand,
        "compute": found["cost"]["compute"],
        "total": found["cost"]["total"],
        "saved": saved(found["cost"]["total"], by_hand),
        "paper_total": found["paper"]["total"],
        "paper_saved": saved(found["paper"]["total"], by_hand),
        "rounds": len(found["visited"]),
        "outcome": found["outcome"],
        "stop_reason": found["stop_reason"],
        "recording_ended": found["recording_ended"],
    }


def saved(cost: float, by_hand: float) -> float | None:
    """Return what is saved against labelling by hand as a share; None where that is free."""
    return 1 - cost / by_hand if by_hand else None


def share(value: float | None) -> str:
    """Return a share in per cent, "-" for none."""
    return "-" if value is None else per_cent(value)


def money(value: float | None) -> str:
    """Return dollars, "-" for none."""
    return "-" if value is None else dollars(value)


# --- recordings that are not there ---------------------------------------------------------------

SIZES = {
    numbers.FASHION: "1,1.5,2,2.7,3.5,4.5,6,7.5,9,11,13.5",
    numbers.CIFAR10: "1,2,3.3,5,7,10,13.3,16.7,20,24,30,36",
    numbers.CIFAR100: "5,8,12,16,20,26,32,40,50,58,64",
}
"""Set -> sizes of B, per cent of X, that reach beyond the B of Tables 1 and 3."""


@dataclass(frozen=True)
class Wanted:
    """A recording that an experiment can use. `delta` is a fixed batch in per cent of X."""

    data: str
    acquisition: str = "margin"
    archs: tuple[str, ...] = ("cnn_fast",)
    delta: float | None = None
    until: float = 24.0
    limit: int | None = None

    def met(self, runs: Sequence[Run]) -> bool:
        """Tell whether one of these recordings is such a one, whatever its seed."""
        return any(self._is(run) for run in runs)

    def _is(self, run: Run) -> bool:
        about = run.recording.about
        here = (about.data, about.acquisition, about.limit)
        if here != (self.data, self.acquisition, self.limit):
            return False
        if len(self.archs) > 1 and not set(self.archs) <= set(about.archs):
            return False
        return self.delta is None or fixed_step(run) == self.delta

    def command(self) -> str:
        """Return the command that makes it."""
        source = self.data if self.data == "fashion_mnist" else f"{self.data}.npz"
        parts = [f"--data ../shared/data/{source}", "--seed 0", f"--arch {','.join(self.archs)}"]
        if self.acquisition != "margin":
            parts.append(f"--acquisition {self.acquisition}")
        if self.limit is not None:
            parts.append(f"--limit {self.limit}")
        if self.delta is None:
            parts.append(f"--sizes {SIZES[SETS[self.data]]}")
        else:
            parts.append(f"--delta {self.delta:g} --until {self.until:g}")
        return f"python -m mcal_engine.lab.record {' '.join(parts)} --out {self._name()}.npz"

    def _name(self) -> str:
        words = [self.data, self.acquisition]
        words += [] if self.limit is None else [f"n{self.limit}"]
        words += [] if self.delta is None else [f"d{self.delta:g}"]
        words += ["nets"] if len(self.archs) > 1 else []
        return "-".join(words)


def fixed_step(run: Run) -> float | None:
    """Return the recording's fixed batch in per cent of X; None where its steps differ.

    The first step counts from B_0, which has a size of its own.
    """
    sizes, n = run.recording.sizes, run.recording.about.n
    steps = {round(100 * (b - a) / n, 1) for a, b in pairwise(sizes)}
    return steps.pop() if len(steps) == 1 else None


def missing(runs: Sequence[Run], wanted: Sequence[Wanted]) -> list[str]:
    """Return the commands that record what is wanted and not given."""
    return [one.command() for one in wanted if not one.met(runs)]


def finished(
    name: str,
    result: Result,
    texts: Sequence[str],
    lacks: Sequence[str],
    figures: Mapping[str, tuple[Panel, ...]] | None = None,
) -> Outcome:
    """Join an experiment's texts with the paper's own words and what it would need besides."""
    parts = [*texts]
    if name in numbers.SAID:
        parts.append(f"The paper: {numbers.SAID[name]}")
    if lacks:
        parts.append("Not among the recordings given; made by\n" + "\n".join(lacks))
    return Outcome(result | {"missing": list(lacks)}, "\n\n".join(parts), figures or {})

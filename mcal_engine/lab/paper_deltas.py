"""Naive active learning with a fixed batch delta: Table 2, Figs. 7-10, 12, 16-18, 19-21.

One sweep of replays serves them all: per recording, label price, mode and network, every delta,
beside MCAL and labelling by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.baselines import naive
from mcal_engine.lab.experiments import Outcome, Run, clock
from mcal_engine.lab.figures import Level, Line, Panel
from mcal_engine.lab.paper_runs import (
    ASKED,
    NETS,
    PAPER,
    PAPER_NETS,
    SETS,
    Mode,
    Result,
    Wanted,
    finished,
    label_prices,
    missing,
    money,
    one_net,
    row,
    saved,
    seeded,
    service,
    set_of,
    share,
)
from mcal_engine.lab.tables import per_cent, table
from mcal_engine.types import RunConfig

SWEPT = (ASKED, PAPER)
ENDED = "+: a recording ended before the engine wanted to stop"
PAPER_NAMES = {ours: theirs for theirs, ours in NETS.items()}


@dataclass(frozen=True)
class Sweep:
    """MCAL and every fixed delta of one recording; rows as `paper_runs.row`, with `delta`."""

    run: Run
    mode: Mode
    price: float
    mcal: Result
    fixed: Mapping[str, list[Result]]  # by network

    @property
    def by_hand(self) -> float:
        """Dollars for labelling all of X by hand."""
        return float(self.mcal["by_hand"])

    def cost(self, one: Result) -> float:
        """Return a row's dollars on the bill that this mode goes by."""
        return float(one[self.mode.account])

    def best(self, arch: str) -> Result:
        """Return the cheapest fixed delta of a network, as an oracle would pick it."""
        return min(self.fixed[arch], key=self.cost)

    def facts(self) -> Result:
        """Return plain JSON values."""
        return {
            "run": self.run.name,
            "set": set_of(self.run),
            "label_price": self.price,
            "mode": self.mode.name,
            "account": self.mode.account,
            "by_hand": self.by_hand,
            "mcal": self.mcal,
            "fixed": dict(self.fixed),
        }

    @property
    def title(self) -> str:
        """Name the set, recording, price and mode."""
        return f"{set_of(self.run)} ({self.run.name}), {service(self.price)}, {self.mode.name}"


def sweeps(
    runs: Sequence[Run],
    options: argparse.Namespace,
    prices: Sequence[float],
    modes: Sequence[Mode] = SWEPT,
) -> list[Sweep]:
    """Replay MCAL and naive active learning with each of `options.deltas`."""
    return [_sweep(run, options, price, mode) for run in runs for price in prices for mode in modes]


def _sweep(run: Run, options: argparse.Namespace, price: float, mode: Mode) -> Sweep:
    config, timed = mode.config(run, options, price), clock(options)
    drawn = list(seeded(config, options))
    return Sweep(
        run=run,
        mode=mode,
        price=price,
        mcal=_mean([row(run, one, mode, run.replay(one, clock=timed)) for one in drawn]),
        fixed={arch: _fixed(run, options, mode, drawn, arch) for arch in config.archs},
    )


def _fixed(
    run: Run, options: argparse.Namespace, mode: Mode, drawn: Sequence[RunConfig], arch: str
) -> list[Result]:
    """Return one row per delta of one network, means over the draws of T."""
    more = {"given": run.given, "clock": clock(options)}
    found: dict[float, list[Result]] = {delta: [] for delta in options.deltas}
    for config in drawn:
        alone = one_net(config, arch)
        for one in naive(run.recording, run.truth, alone, options.deltas, **more):
            found[one["delta"]].append(row(run, alone, mode, one))
    return [_mean(rows) | {"delta": delta} for delta, rows in found.items()]


def _mean(rows: Sequence[Result]) -> Result:
    """Return one row of means over draws of T; what is no number is the first one's.

    The length of an audit is luck, so the cheapest of several single draws would be a lucky one.
    """
    means = {
        name: fmean(row[name] for row in rows)
        for name, value in rows[0].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    ended = any(row["recording_ended"] for row in rows)
    return rows[0] | means | {"draws": len(rows), "recording_ended": ended}


# --- Table 2 -------------------------------------------------------------------------------------


def table2(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Table 2: the best fixed delta that an oracle picks, per set, price and network."""
    made = sweeps(runs, options, label_prices(options))
    texts = [_table2(made)] if made else []
    rows = [one.facts() | {"best": {arch: one.best(arch) for arch in one.fixed}} for one in made]
    return finished("table2", {"rows": rows}, texts, _lacks(runs))


def _table2(made: Sequence[Sweep]) -> str:
    head = (
        "set", "price", "run", "mode", "DNN", "best delta", "cost", "saves", "S/X", "MCAL",
        "saves", "MCAL/best", "paper: delta", "cost", "saves",
    )  # fmt: skip
    lines = [_table2_line(one, arch) for one in made for arch in one.fixed]
    return f"{table(head, lines)}\nCost: {_accounts()}. {ENDED}"


def _table2_line(one: Sweep, arch: str) -> tuple[str, ...]:
    best, own = one.best(arch), one.cost(one.mcal)
    cost = one.cost(best)
    theirs = numbers.TABLE_2.get((set_of(one.run), one.price), {}).get(
        PAPER_NAMES.get(arch, "RESNET18")
    )
    return (
        set_of(one.run),
        service(one.price),
        one.run.name,
        one.mode.name,
        arch,
        f"{best['delta']:g} %",
        money(cost) + _end(best),
        share(saved(cost, one.by_hand)),
        per_cent(best["machine_share"]),
        money(own) + _end(one.mcal),
        share(saved(own, one.by_hand)),
        f"{own / cost:.3f}" if cost else "-",
        *(("-", "-", "-") if theirs is None else
          (f"{theirs.delta:g} %", money(theirs.cost), share(theirs.saved))),
    )  # fmt: skip


def _accounts() -> str:
    return "; ".join(
        f"{mode.name} {'everything paid' if mode.account == 'total' else 'T and validation free'}"
        for mode in SWEPT
    )


# --- figures over delta --------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """What a figure shows of each fixed delta, and which levels go with it."""

    what: str
    unit: str
    value: Callable[[Sweep, Result], float]
    text: Callable[[float], str]
    levels: Callable[[Sweep], list[Level]]


def _cost_levels(one: Sweep) -> list[Level]:
    return [Level("MCAL", one.cost(one.mcal)), Level("by hand", one.by_hand)]


_COST = _View("cost", "dollars", lambda sweep, one: sweep.cost(one), money, _cost_levels)
_SHARE = _View(
    "machine-labelled share",
    "|S| / |X|",
    lambda sweep, one: float(one["machine_share"]),
    per_cent,
    lambda sweep: [Level("MCAL", float(sweep.mcal["machine_share"]))],
)
_TRAINING = _View(
    "training cost",
    "dollars",
    lambda sweep, one: float(one["compute"]),
    money,
    lambda sweep: [Level("MCAL", float(sweep.mcal["compute"]))],
)


def fig7_10(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Figs. 7-10: cost against delta beside MCAL and labelling by hand, Amazon's price."""
    return _over_delta("fig7-10", runs, options, (numbers.AMAZON,), _COST)


def fig16_18(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Figs. 16-18: the same at Satyam's price."""
    return _over_delta("fig16-18", runs, options, (numbers.SATYAM,), _COST)


def fig12(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Fig. 12: the machine-labelled share against delta."""
    return _over_delta("fig12", runs, options, (numbers.AMAZON,), _SHARE)


def fig19_21(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Figs. 19-21: the training cost against delta."""
    return _over_delta("fig19-21", runs, options, (numbers.AMAZON,), _TRAINING)


def _over_delta(
    name: str,
    runs: Sequence[Run],
    options: argparse.Namespace,
    prices: Sequence[float],
    view: _View,
) -> Outcome:
    made = sweeps(runs, options, tuple(options.label_prices) or prices)
    figures = {
        f"{name}-{run.name}": tuple(_panel(one, view) for one in made if one.run is run)
        for run in runs
    }
    texts = [_delta_table(one, view) for one in made] + ([ENDED] if made else [])
    rows = [one.facts() | {"ratio": _ratios(one, view)} for one in made]
    return finished(name, {"rows": rows}, texts, _lacks(runs), figures)


def _panel(one: Sweep, view: _View) -> Panel:
    return Panel(
        title=one.title,
        x_label="fixed batch delta, % of X",
        y_label=f"{view.what}, {view.unit}",
        lines=[
            Line(arch, [f["delta"] for f in fixed], [view.value(one, f) for f in fixed])
            for arch, fixed in one.fixed.items()
        ],
        levels=view.levels(one),
    )


def _delta_table(one: Sweep, view: _View) -> str:
    first = next(iter(one.fixed.values()))
    head = (f"{view.what}, delta =", *(f"{f['delta']:g} %" for f in first))
    lines = [
        (arch, *(view.text(view.value(one, f)) + _end(f) for f in fixed))
        for arch, fixed in one.fixed.items()
    ]
    levels = "; ".join(f"{level.label} {view.text(level.y)}" for level in view.levels(one))
    levels += "; the recording ended early for MCAL" if one.mcal["recording_ended"] else ""
    ratios = ", ".join(
        f"{arch} {'-' if ratio is None else f'{ratio:.2f}'}"
        for arch, ratio in _ratios(one, view).items()
    )
    account = "everything paid" if one.mode.account == "total" else "T and validation free"
    draws = f"{account}, means of {one.mcal['draws']} draws of T"
    return f"{one.title}; {draws}\n{table(head, lines)}\n{levels}; largest over least: {ratios}"


def _end(one: Result) -> str:
    """Mark a row whose recording ended before the engine wanted to."""
    return "+" if one["recording_ended"] else ""


def _ratios(one: Sweep, view: _View) -> dict[str, float | None]:
    """Return largest over least value over delta, per network; None where the least is zero."""
    found = {arch: [view.value(one, f) for f in fixed] for arch, fixed in one.fixed.items()}
    return {arch: max(v) / min(v) if min(v) > 0 else None for arch, v in found.items()}


def _lacks(runs: Sequence[Run]) -> list[str]:
    """Return what is missing: one recording per set, and one with the paper's networks."""
    return missing(
        runs, [Wanted(data, archs=a) for data in SETS for a in (("cnn_fast",), PAPER_NETS)]
    )

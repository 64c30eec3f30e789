"""Fits of the error curves: Figs. 2-4 and 22-27.

Both laws, alpha |B|^-gamma and the truncated alpha |B|^-gamma exp(-|B|/k) of Eq. 3, are fitted to
what T counted, by maximum likelihood within 0 <= gamma <= 3, 1/k >= 0 and almost without a prior,
and held against the true error of the same sets, which only a recording with known labels tells.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mcal_engine import curves
from mcal_engine.curves_law import CHANCE_WEIGHT
from mcal_engine.curves_mode import Prior, maximum
from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.experiments import Outcome, Run
from mcal_engine.lab.figures import Line, Panel
from mcal_engine.lab.paper_runs import (
    PAPER_NETS,
    SETS,
    Result,
    Wanted,
    finished,
    fixed_step,
    missing,
    one_net,
    set_of,
)
from mcal_engine.lab.replay import records
from mcal_engine.lab.tables import table
from mcal_engine.lab.truth import true_rates
from mcal_engine.types import THETAS, FloatArray, RunConfig

LAWS = {"power law": 1e-6, "truncated": 10.0}
"""Law -> prior standard deviation of N/k: next to nothing, or next to anything."""
_PRIOR_MEAN, _PRIOR_SD = (-2.0, 0.5, 0.0), (10.0, 3.0)  # of a, gamma, N/k
FIG_2_THETAS = (0.25, 0.5, 0.75, 1.0)
DRAWN_THETAS = (0.5, 1.0)
FIG_3_THETA = 0.75
DELTAS_4 = (3.0, 6.0, 12.0)  # fixed batches that Fig. 4 would compare, per cent of X
LEAST = curves.MIN_POINTS


@dataclass(frozen=True)
class Profile:
    """The error of one network over |B|: what T counted and the truth, [rounds, thetas]."""

    name: str
    points: curves.Points
    truth: FloatArray

    @property
    def sizes(self) -> FloatArray:
        """|B| per round."""
        return self.points.sizes

    def first(self, count: int) -> curves.Points:
        """Return what was known after so many rounds."""
        p = self.points
        parts = (p.sizes, p.tests, p.errors, p.weights)
        return curves.Points(p.n, *(part[:count] for part in parts))


def profile(run: Run, config: RunConfig) -> Profile:
    """Visit every recorded round of one network; theta is a share of each round's remainder."""
    about = run.recording.about
    seen = [
        record
        for record in records(run.recording, run.truth, config, given=run.given)
        if record.arch == config.arch
    ]
    tests, errors = (
        np.array([getattr(record, name) for record in seen], dtype=np.float64)
        for name in ("test_counts", "test_errors")
    )
    near_chance = errors > 0.7 * (1 - 1 / about.classes) * np.maximum(tests, 1)
    points = curves.Points(
        n=about.n,
        sizes=np.array([record.train_size for record in seen], dtype=np.float64),
        tests=tests,
        errors=errors,
        weights=np.where(near_chance, CHANCE_WEIGHT, 1.0),
    )
    name = f"{set_of(run)}, {config.arch} ({run.name})"
    return Profile(name, points, true_rates(run.recording, run.answers, config))


def profiles(runs: Sequence[Run], options: argparse.Namespace) -> list[Profile]:
    """Return one profile per recording and network that has enough rounds to fit."""
    found = []
    for run in runs:
        config = run.config(options)
        if len(run.recording.rounds) >= LEAST:
            found += [profile(run, one_net(config, arch)) for arch in config.archs]
    return found


def fitted(points: curves.Points, law: str, sizes: FloatArray) -> FloatArray:
    """Return the fitted law's error rates [sizes, thetas]."""
    width = np.array([*_PRIOR_SD, LAWS[law]])
    thetas = len(THETAS)
    mean = np.repeat(np.array(_PRIOR_MEAN)[:, None], thetas, axis=1)
    prior = Prior(mean, np.eye(thetas) / width[:, None, None] ** 2)
    a, gamma, u = maximum(points, np.zeros(thetas), prior).params
    size, last = np.asarray(sizes, dtype=np.float64)[:, None], points.sizes.max()
    power = a - gamma * np.log(size / last) - u * (size - last) / points.n
    return np.asarray(np.exp(np.minimum(power, 0.0)))


def misfit(rates: FloatArray, truth: FloatArray, floor: float) -> FloatArray:
    """Return |log(rate / truth)| with `floor` added to both, so that zeros have a distance."""
    return np.asarray(np.abs(np.log((rates + floor) / (truth + floor))))


def _floor(found: Profile) -> float:
    """Return half an error on T, as a rate."""
    return 0.5 / float(found.points.tests.max())


def _column(theta: float) -> int:
    return THETAS.index(theta)


def _fine(rate: float) -> str:
    """Return a small rate in per cent, two digits."""
    return f"{100 * rate:.2f} %"


# --- Figs. 2 and 3 -------------------------------------------------------------------------------


def fig2_4(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Fig. 2: both laws fitted; Fig. 3: more points predict better; Fig. 4: delta late in a run."""
    found = profiles(runs, options)
    fits = {one.name: goodness(one) for one in found}
    ahead = {one.name: predictions(one, FIG_3_THETA) for one in found}
    late = [group for group in _comparable(runs) if len(group) > 1]
    effects = [_effect(group, options) for group in late]
    texts = [_goodness_table(fits), _prediction_table(ahead, FIG_3_THETA)] if found else []
    texts += [_effect_table(one) for one in effects]
    figures: dict[str, tuple[Panel, ...]] = {
        f"fig2-4-{k}": (_fig2(one), _growing(one, FIG_3_THETA, ("truncated",)))
        for k, one in enumerate(found, start=1)
    }
    figures |= {f"fig4-{k}": (_fig4(one),) for k, one in enumerate(effects, start=1)}
    result = {"fits": fits, "predictions": ahead, "delta_effects": effects}
    return finished("fig2-4", result, texts, _lacks_2_4(runs), figures)


def goodness(found: Profile) -> Result:
    """Return per law the median |log(fit / truth)| over rounds, for every theta; all points used."""
    floor = _floor(found)
    return {
        law: [
            float(v)
            for v in np.median(
                misfit(fitted(found.points, law, found.sizes), found.truth, floor), axis=0
            )
        ]
        for law in LAWS
    }


def predictions(found: Profile, theta: float) -> list[Result]:
    """Return how well the first i rounds predict the error at the last, i >= 3."""
    at, floor, rounds = _column(theta), _floor(found), len(found.sizes)
    truth = found.truth[-1:, at]
    rows = []
    for count in range(LEAST, rounds):
        known = found.first(count)
        rates = {law: fitted(known, law, found.sizes[-1:])[:, at] for law in LAWS}
        now = found.points.errors[count - 1, at] / max(found.points.tests[count - 1, at], 1)
        rows.append(
            {
                "points": count,
                "from": int(known.sizes[-1]),
                "to": int(found.sizes[-1]),
                "truth": float(truth[0]),
                **{law: float(rate[0]) for law, rate in rates.items()},
                "last value": float(now),
                "log_errors": {
                    law: float(misfit(rate, truth, floor)[0]) for law, rate in rates.items()
                },
            }
        )
    return rows


def _goodness_table(fits: Result) -> str:
    head = ("median |log(fit / true error)|", *(f"theta {t:g}" for t in FIG_2_THETAS))
    lines = [
        (f"{name}, {law}", *(f"{values[_column(t)]:.3f}" for t in FIG_2_THETAS))
        for name, laws in fits.items()
        for law, values in laws.items()
    ]
    return f"Fig. 2: laws fitted to all rounds of T\n{table(head, lines)}"


def _prediction_table(ahead: Result, theta: float) -> str:
    head = ("error at the last B, predicted", "points", "up to B", "true", *LAWS, "last value")
    lines = [
        (
            name,
            str(row["points"]),
            f"{row['from']:,}",
            *(_fine(row[what]) for what in ("truth", *LAWS, "last value")),
        )
        for name, rows in ahead.items()
        for row in rows
    ]
    return f"Predictions from the first points, theta = {theta:g}\n{table(head, lines)}"


def _fig2(found: Profile) -> Panel:
    grid = np.geomspace(found.sizes[0], found.sizes[-1], 60)
    lines = []
    for theta in DRAWN_THETAS:
        at = _column(theta)
        truth = found.truth[:, at].tolist()
        lines.append(Line(f"true, theta {theta:g}", found.sizes.tolist(), truth, dots=True))
    for law in LAWS:
        rates = fitted(found.points, law, grid)
        lines += [
            Line(f"{law}, {t:g}", grid.tolist(), rates[:, _column(t)].tolist(),
                 dashed=law == "power law")
            for t in DRAWN_THETAS
        ]  # fmt: skip
    return Panel(
        title=f"Fig. 2: {found.name}",
        x_label="training set, images",
        y_label="error of the theta most certain",
        lines=lines,
        log_x=True,
        log_y=True,
    )


def _growing(found: Profile, theta: float, laws: Sequence[str]) -> Panel:
    """Draw what the first 3, 5, ... rounds predict of the rest."""
    at, rounds = _column(theta), len(found.sizes)
    grid = np.geomspace(found.sizes[0], found.sizes[-1], 60)
    lines = [Line("true", found.sizes.tolist(), found.truth[:, at].tolist(), dots=True)]
    for count in dict.fromkeys((LEAST, min(5, rounds), rounds)):
        for law in laws:
            rates = fitted(found.first(count), law, grid)[:, at]
            lines.append(
                Line(f"{law}, {count} points", grid.tolist(), rates.tolist(),
                     dashed=law == "power law")
            )  # fmt: skip
    return Panel(
        title=f"{found.name}, theta {theta:g}",
        x_label="training set, images",
        y_label="error of the theta most certain",
        lines=lines,
        log_x=True,
    )


# --- Fig. 4 --------------------------------------------------------------------------------------


def _comparable(runs: Sequence[Run]) -> list[list[Run]]:
    """Group recordings that differ in seed and steps only."""
    grouped: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        about = run.recording.about
        key = (about.data, about.limit, about.archs, about.acquisition)
        grouped.setdefault(key, []).append(run)
    return list(grouped.values())


def _effect(group: Sequence[Run], options: argparse.Namespace) -> Result:
    """Return the true error per theta of each recording at a |B| that all of them reach."""
    common = min(run.recording.sizes[-1] for run in group)
    rows = []
    for run in group:
        sizes = np.array(run.recording.sizes)
        at = int(np.abs(sizes - common).argmin())
        config = run.config(options)
        rates = true_rates(run.recording.up_to(at + 1), run.answers, config)[-1]
        rows.append(
            {
                "run": run.name,
                "delta": fixed_step(run),
                "steps": at + 1,
                "train_size": int(sizes[at]),
                "rates": rates.tolist(),
            }
        )
    every = np.array([row["rates"] for row in rows])
    return {"set": set_of(group[0]), "rows": rows, "spread": np.ptp(every, axis=0).tolist()}


def _effect_table(found: Result) -> str:
    head = ("run", "delta", "steps", "B", *(f"theta {t:g}" for t in FIG_2_THETAS))
    lines = [
        (
            row["run"],
            "uneven" if row["delta"] is None else f"{row['delta']:g} %",
            str(row["steps"]),
            f"{row['train_size']:,}",
            *(_fine(row["rates"][_column(t)]) for t in FIG_2_THETAS),
        )
        for row in found["rows"]
    ]
    spread = [_fine(found["spread"][_column(t)]) for t in FIG_2_THETAS]
    lines.append(("largest difference", "", "", "", *spread))
    note = (
        "recordings with equal steps differ by their seed alone: what delta does must exceed that"
    )
    return f"Fig. 4: {found['set']}, true error late in a run; {note}\n{table(head, lines)}"


def _fig4(found: Result) -> Panel:
    return Panel(
        title=f"Fig. 4: {found['set']}, error against theta at equal |B|",
        x_label="theta",
        y_label="error of the theta most certain",
        lines=[
            Line(f"{row['run']}, {row['steps']} steps", THETAS, row["rates"])
            for row in found["rows"]
        ],
    )


def _lacks_2_4(runs: Sequence[Run]) -> list[str]:
    late = [Wanted("cifar10_jpeg", delta=delta, until=25.0) for delta in DELTAS_4]
    return missing(runs, [Wanted("cifar10_jpeg"), *late])


# --- Figs. 22-27 ---------------------------------------------------------------------------------


def fig22_27(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Figs. 22-27: both laws at theta = 50 %, from few and from all points, per set and network."""
    theta = numbers.FIG_22_THETA
    found = profiles(runs, options)
    ahead = {one.name: predictions(one, theta) for one in found}
    texts = [_prediction_table(ahead, theta)] if found else []
    figures = {
        f"fig22-27-{k}": tuple(_growing(one, theta, (law,)) for law in LAWS)
        for k, one in enumerate(found, start=1)
    }
    wanted = [Wanted(d, archs=PAPER_NETS) for d, name in SETS.items() if name != numbers.FASHION]
    return finished("fig22-27", {"predictions": ahead}, texts, missing(runs, wanted), figures)

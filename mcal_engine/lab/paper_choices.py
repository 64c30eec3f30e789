"""M(.) and L(.) compared, subset sizes, and the worth of active learning: Figs. 5, 6, 11, 13-15."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.experiments import Outcome, Run
from mcal_engine.lab.figures import Line, Panel
from mcal_engine.lab.paper_runs import (
    ASKED,
    MODES,
    PAPER,
    SETS,
    Result,
    Wanted,
    finished,
    label_prices,
    missing,
    money,
    saved,
    service,
    set_of,
    share,
)
from mcal_engine.lab.paper_tables import medians, replayed
from mcal_engine.lab.recording import Round
from mcal_engine.lab.tables import per_cent, table
from mcal_engine.lab.truth import machine_share, pool_at
from mcal_engine.types import MEASURES, FloatArray, RunConfig

ACQUISITIONS = ("margin", "entropy", "least_confidence", "k_center", "random")
WORTH = ("margin", "random")  # M(.) with and without active learning
BINS = 20
ASKED_AND_PAPER = (ASKED, PAPER)
BILL = {mode.name: mode.account for mode in MODES}


# --- Figs. 5, 6 and 11 ---------------------------------------------------------------------------


def fig5_6_11(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Figs. 5, 6: how right the most certain images are, per M(.) and L(.); Fig. 11: cost, share."""
    ranked = [one for run in runs for one in _rankings(run, options)]
    rows = replayed(runs, options, tuple(options.label_prices) or (numbers.AMAZON,))
    middle = medians(rows)
    texts = [_ranking_table(ranked), _choice_table(middle)] if runs else []
    figures = {
        f"fig5-6-11-{data}": _ranking_panels(data, [r for r in ranked if r["data"] == data])
        for data in dict.fromkeys(r["data"] for r in ranked)
    }
    wanted = [Wanted("cifar10_jpeg", acquisition=name) for name in ACQUISITIONS]
    result = {"rankings": ranked, "rows": rows, "medians": middle}
    return finished("fig5-6-11", result, texts, missing(runs, wanted), figures)


def _rankings(run: Run, options: argparse.Namespace) -> list[Result]:
    """Return accuracy by rank under each recorded L(.), at the round nearest to the paper's |B|."""
    config = run.config(options)
    taken = _nearest(run, numbers.FIG_5_TRAIN_SIZE)
    found = []
    for measure in (one for one in MEASURES if one in taken.take(config.arch).measures):
        under = _under(config, measure)
        right = ranked_right(run, under, taken.number)
        found.append(
            {
                "run": run.name,
                "data": run.recording.about.data,
                "set": set_of(run),
                "acquisition": run.recording.about.acquisition,
                "confidence": measure,
                "train_size": taken.train_size,
                "accuracy": [float(part.mean()) for part in np.array_split(right, BINS)],
                "error": _running_error(right),
                "machine_share": machine_share(run.recording, run.answers, under, taken.number),
            }
        )
    return found


def _under(config: RunConfig, measure: str) -> RunConfig:
    return replace(config, confidence=measure)


def _nearest(run: Run, size: int) -> Round:
    return min(run.recording.rounds, key=lambda taken: abs(taken.train_size - size))


def ranked_right(run: Run, config: RunConfig, number: int) -> FloatArray:
    """Return 1 where the prediction is right [remainder], the most certain images first."""
    pool = pool_at(run.recording, run.answers, config, number)
    scores = run.recording.rounds[number - 1].scores(config.arch)
    items = np.flatnonzero(pool.remainder)
    order = np.argsort(scores.by(config.confidence)[items], kind="stable")
    return np.asarray((scores.pred == run.truth)[items][order], dtype=np.float64)


def _running_error(right: FloatArray) -> list[float]:
    """Return the error among the most certain 1/BINS, 2/BINS, ... of the remainder."""
    ends = [max(round(k * len(right) / BINS), 1) for k in range(1, BINS + 1)]
    wrong = np.cumsum(1 - right)
    return [float(wrong[end - 1] / end) for end in ends]


def _ranking_table(ranked: Sequence[Result]) -> str:
    head = (
        "run", "M(.)", "L(.)", "B", "right, surest 5 %", "25 %", "50 %", "75 %", "all",
        "S/X within epsilon",
    )  # fmt: skip
    lines = [
        (
            one["run"],
            one["acquisition"],
            one["confidence"],
            f"{one['train_size']:,}",
            *(f"{100 * (1 - one['error'][k * BINS // 20 - 1]):.2f} %" for k in (1, 5, 10, 15, 20)),
            per_cent(one["machine_share"]),
        )
        for one in ranked
    ]
    note = "S/X within epsilon: by the true labels, what a perfect judge could hand over"
    return f"Figs. 5, 6: images ranked by L(.)\n{table(head, lines)}\n{note}"


def _ranking_panels(data: str, ranked: Sequence[Result]) -> tuple[Panel, ...]:
    middle = [100 * (k + 0.5) / BINS for k in range(BINS)]
    by_margin = [one for one in ranked if one["confidence"] == "margin"]
    first = ranked[0]["run"]
    return (
        Panel(
            title=f"Fig. 5: {data}, accuracy by rank, per L(.) ({first})",
            x_label="rank, % of the remainder, most certain first",
            y_label="accuracy of machine labels",
            lines=[
                Line(one["confidence"], middle, one["accuracy"])
                for one in ranked
                if one["run"] == first
            ],
            from_zero=False,
        ),
        Panel(
            title=f"Fig. 6: {data}, error of the theta most certain, per M(.)",
            x_label="theta, % of the remainder",
            y_label="error",
            lines=[
                Line(
                    f"{one['acquisition']} ({one['run']})",
                    [100 * (k + 1) / BINS for k in range(BINS)],
                    one["error"],
                )
                for one in by_margin
            ],
        ),
    )


def _choice_table(middle: Sequence[Result]) -> str:
    head = (
        "set", "M(.)", "price", "mode", "replays", "B/X", "S/X", "error", "total", "paper's bill",
    )  # fmt: skip
    lines = [
        (
            one["set"],
            one["acquisition"],
            service(one["label_price"]),
            one["mode"],
            str(one["replays"]),
            *(per_cent(one[name]) for name in ("train_share", "machine_share", "error")),
            money(one["total"]),
            money(one["paper_total"]),
        )
        for one in middle
    ]
    return f"Fig. 11: MCAL under each M(.), medians of the replays\n{table(head, lines)}"


# --- Fig. 13 -------------------------------------------------------------------------------------


def fig13(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Fig. 13: MCAL on subsets (recordings made with --limit): cost and machine-labelled share."""
    rows = []
    for run in runs:
        about = run.recording.about
        prices = tuple(options.label_prices) or (numbers.AMAZON,)
        facts = {"n": about.n, "per_class": about.n / about.classes}
        rows += [one | facts for one in replayed([run], options, prices)]
    rows.sort(key=lambda one: (one["set"], one["mode"], one["n"]))
    texts = [_subset_table(rows)] if rows else []
    figures = {"fig13": _subset_panels(rows)} if rows else {}
    wanted = [
        Wanted("cifar10_jpeg", limit=count * 10 if count < 6000 else None)
        for count in (*range(1000, 5001, 1000), 6000)
    ]
    return finished("fig13", {"rows": rows}, texts, missing(runs, wanted), figures)


def _subset_table(rows: Sequence[Result]) -> str:
    head = (
        "set", "mode", "run", "images per class", "B/X", "S/X", "error", "total", "saves",
        "paper's bill", "saves", "paper: S/X",
    )  # fmt: skip
    lines = [
        (
            one["set"],
            one["mode"],
            one["run"],
            f"{one['per_class']:,.0f}",
            *(per_cent(one[name]) for name in ("train_share", "machine_share", "error")),
            money(one["total"]),
            share(one["saved"]),
            money(one["paper_total"]),
            share(one["paper_saved"]),
            _papers(one),
        )
        for one in rows
    ]
    return table(head, lines)


def _papers(one: Result) -> str:
    known = numbers.SUBSETS if one["set"] == numbers.CIFAR10 else {}
    return share(known.get(round(one["per_class"])))


def _subset_panels(rows: Sequence[Result]) -> tuple[Panel, ...]:
    groups = dict.fromkeys((one["set"], one["mode"]) for one in rows)
    found = {key: [one for one in rows if (one["set"], one["mode"]) == key] for key in groups}
    views = (("machine_share", "|S| / |X|"), ("saved", "saved against by hand, everything paid"))
    return tuple(
        Panel(
            title=f"Fig. 13: {label}",
            x_label="images per class",
            y_label=label,
            lines=[
                Line(", ".join(key), [o["per_class"] for o in part], [o[name] or 0 for o in part])
                for key, part in found.items()
            ],
        )
        for name, label in views
    )


# --- Figs. 14 and 15 -----------------------------------------------------------------------------


def fig14_15(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Figs. 14, 15: MCAL by margin and with random batches, both label prices."""
    made = {
        name: {set_of(run) for run in runs if run.recording.about.acquisition == name}
        for name in WORTH
    }
    both = made["margin"] & made["random"]
    compared = [
        run for run in runs if set_of(run) in both and run.recording.about.acquisition in WORTH
    ]
    rows = replayed(compared, options, label_prices(options))
    gains = [
        gain
        for data in sorted(both)
        for price in dict.fromkeys(one["label_price"] for one in rows)
        for mode in ASKED_AND_PAPER
        for gain in [_gain(rows, data, price, mode.name)]
    ]
    texts = [_gain_table(gains)] if gains else []
    wanted = [Wanted(data, acquisition=name) for data in SETS for name in WORTH]
    return finished("fig14-15", {"rows": rows, "gains": gains}, texts, missing(runs, wanted))


def _gain(rows: Sequence[Result], data: str, price: float, mode: str) -> Result:
    """Compare the median costs with and without active learning of one set, price and mode."""
    here = [
        one for one in rows if (one["set"], one["label_price"], one["mode"]) == (data, price, mode)
    ]
    cost = {
        chance: median(one[BILL[mode]] for one in here if _by_chance(one) is chance)
        for chance in (True, False)
    }
    return {
        "set": data,
        "label_price": price,
        "mode": mode,
        "with": cost[False],
        "without": cost[True],
        "gain": saved(cost[False], cost[True]),
        "cut_short": any(one["recording_ended"] for one in here),
    }


def _by_chance(one: Result) -> bool:
    return bool(one["acquisition"] == "random")


def _gain_table(gains: Sequence[Result]) -> str:
    head = ("set", "price", "mode", "with", "without", "gain", "the paper")
    lines = [
        (
            one["set"],
            service(one["label_price"]),
            one["mode"],
            money(one["with"]),
            money(one["without"]),
            share(one["gain"]) + ("+" if one["cut_short"] else ""),
            _papers_gain(one),
        )
        for one in gains
    ]
    return (
        "Active learning: MCAL by margin and with random batches, medians of the replays\n"
        f"{table(head, lines)}\n+: a recording ended before the engine wanted to"
    )


def _papers_gain(one: Result) -> str:
    known = numbers.ACTIVE_GAIN.get(one["label_price"])
    if known is None or one["set"] not in {numbers.FASHION, numbers.CIFAR10}:
        return "-"
    low, high = known
    return f"{100 * low:.0f} %" if low == high else f"{100 * low:.0f}-{100 * high:.0f} %"

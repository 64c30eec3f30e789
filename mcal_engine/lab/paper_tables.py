"""Tables 1 and 3 of the paper: what MCAL buys, delivers and costs, beside the paper's rows."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.experiments import Outcome, Run, clock
from mcal_engine.lab.paper_runs import (
    MODES,
    PAPER_NETS,
    SETS,
    Result,
    Wanted,
    finished,
    label_prices,
    missing,
    money,
    row,
    seeded,
    service,
    share,
)
from mcal_engine.lab.tables import per_cent, table

Key = tuple[str, float]
EPSILON_3 = 0.10
HEAD = (
    "run", "seed", "mode", "B/X", "S/X", "people", "error", "DNN", "total", "saves",
    "paper's bill", "saves", "rounds",
)  # fmt: skip
MEDIANS = ("train_share", "machine_share", "human_share", "error", "total", "paper_total")
"""What is taken over seeds and recordings; savings follow from the totals."""


def table1(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Table 1: B/X, S/X, error, network, cost and saving, at both label prices."""
    return _summary("table1", runs, options, label_prices(options), numbers.TABLE_1)


def table3(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Table 3: the same at epsilon = 10 %, at Amazon's price unless others are asked for."""
    relaxed = argparse.Namespace(**vars(options) | {"epsilon": EPSILON_3})
    prices = tuple(options.label_prices) or (numbers.AMAZON,)
    return _summary("table3", runs, relaxed, prices, numbers.TABLE_3)


def _summary(
    name: str,
    runs: Sequence[Run],
    options: argparse.Namespace,
    prices: Sequence[float],
    paper: Mapping[Key, numbers.Summary],
) -> Outcome:
    rows = replayed(runs, options, prices)
    middle = medians(rows)
    texts = [summary_table(rows, middle, paper)] if rows else []
    result = {"rows": rows, "medians": middle}
    return finished(name, result, texts, missing(runs, _wanted()))


def _wanted() -> list[Wanted]:
    """Return one recording per set, and one with the paper's networks on a shared B."""
    return [Wanted(data, archs=archs) for data in SETS for archs in (("cnn_fast",), PAPER_NETS)]


def replayed(
    runs: Sequence[Run], options: argparse.Namespace, prices: Sequence[float]
) -> list[Result]:
    """Replay every recording under every price, draw of T and mode."""
    return [
        row(run, config, mode, run.replay(config, clock=clock(options)))
        for run in runs
        for price in prices
        for mode in MODES
        for config in seeded(mode.config(run, options, price), options)
    ]


def medians(rows: Sequence[Result]) -> list[Result]:
    """Return one row per set, M(.), label price and mode: medians over recordings and draws of T."""
    grouped: dict[tuple[object, ...], list[Result]] = {}
    for one in rows:
        key = (one["set"], one["acquisition"], one["label_price"], one["mode"])
        grouped.setdefault(key, []).append(one)
    return [_median(found) for found in grouped.values()]


def _median(found: Sequence[Result]) -> Result:
    first = found[0]
    middle = {name: median(one[name] for one in found) for name in MEDIANS}
    by_hand = first["by_hand"]
    return {
        **{name: first[name] for name in ("set", "acquisition", "label_price", "mode", "by_hand")},
        **middle,
        "replays": len(found),
        "kept": sum(one["error"] <= one["epsilon"] for one in found),
        "saved": 1 - middle["total"] / by_hand if by_hand else None,
        "paper_saved": 1 - middle["paper_total"] / by_hand if by_hand else None,
    }


def summary_table(
    rows: Sequence[Result], middle: Sequence[Result], paper: Mapping[Key, numbers.Summary]
) -> str:
    """Return one table per set and label price, with medians where there are several replays."""
    texts = []
    for key in dict.fromkeys((one["set"], one["label_price"]) for one in rows):
        here = [one for one in rows if (one["set"], one["label_price"]) == key]
        lines = [_line(one) for one in here]
        if len(here) > len(MODES):
            lines += [
                _median_line(one) for one in middle if (one["set"], one["label_price"]) == key
            ]
        if key in paper:
            lines.append(_paper_line(paper[key]))
        by_hand = money(here[0]["by_hand"])
        title = f"{key[0]}, {service(key[1])} (${key[1]:g}), by hand {by_hand}"
        texts.append(f"{title}\n{table(HEAD, lines)}")
    return "\n\n".join([*texts, _kept(rows)])


def _line(one: Result) -> tuple[str, ...]:
    return (
        one["run"],
        str(one["seed"]),
        one["mode"],
        *(per_cent(one[name]) for name in MEDIANS[:4]),
        one["arch"],
        money(one["total"]),
        share(one["saved"]),
        money(one["paper_total"]),
        share(one["paper_saved"]),
        f"{one['rounds']}{'+' if one['recording_ended'] else ''}",
    )


def _median_line(one: Result) -> tuple[str, ...]:
    return (
        f"median of {one['replays']}, {one['acquisition']}",
        "",
        one["mode"],
        *(per_cent(one[name]) for name in MEDIANS[:4]),
        "",
        money(one["total"]),
        share(one["saved"]),
        money(one["paper_total"]),
        share(one["paper_saved"]),
        "",
    )


def _paper_line(one: numbers.Summary) -> tuple[str, ...]:
    people = 1 - one.machine_share
    figures = (one.train_share, one.machine_share, people, one.error)
    return (
        "the paper",
        "",
        "",
        *map(per_cent, figures),
        one.arch,
        "",
        "",
        money(one.cost),
        share(one.saved),
        "",
    )


def _kept(rows: Iterable[Result]) -> str:
    """Say per mode how many replays kept the error target; the modes' names are explained."""
    counts = []
    for mode in MODES:
        here = [one for one in rows if one["mode"] == mode.name]
        kept = sum(one["error"] <= one["epsilon"] for one in here)
        counts.append(f"{mode.name} {kept} of {len(here)}")
    return (
        f"Wrong labels within epsilon: {', '.join(counts)}.\n"
        "asked: as the options say, by default certified by an audit, everything paid. plug_in: "
        "Eq. 2 by estimate. per_s: error inside S by estimate, on a 5 % grid of X, T of 5 %. "
        "paper's bill: T and validation free. +: the recording ended before the engine wanted to."
    )

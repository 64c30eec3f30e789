"""The lab's own experiments over recorded runs. Each returns figures to print, keep and draw.

An experiment is a function (runs, options) -> Outcome, listed in `EXPERIMENTS`; those of the
paper stand beside (lab/paper*.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mcal_engine.lab import backtest
from mcal_engine.lab.baselines import Result, judge
from mcal_engine.lab.clock import Clock
from mcal_engine.lab.coverage import coverage
from mcal_engine.lab.figures import Level, Line, Panel
from mcal_engine.lab.recording import Recording
from mcal_engine.lab.replay import records, replay
from mcal_engine.lab.tables import dollars, per_cent, table
from mcal_engine.lab.truth import true_rates
from mcal_engine.options import run_config
from mcal_engine.types import IntArray, Prices, RunConfig

FIRST_COVERED = 4  # forecasts count from this iteration on


@dataclass(frozen=True)
class Run:
    """A recording with its labels. `name` is the file's, without its ending."""

    name: str
    recording: Recording
    truth: IntArray
    given: IntArray | None = None

    @property
    def answers(self) -> IntArray:
        """The labels [N] that people give."""
        return self.truth if self.given is None else self.given

    def config(self, options: argparse.Namespace) -> RunConfig:
        """Return the settings that the options name; what they leave open is as recorded.

        Without `arch` all recorded architectures race.
        """
        about = self.recording.about
        filled = argparse.Namespace(**vars(options))
        filled.acquisition = about.acquisition
        filled.seed = about.seed if options.seed is None else options.seed
        filled.test_share = about.test_share if options.test_share is None else options.test_share
        if options.arch is None:
            filled.arch, filled.rivals = about.archs[0], ",".join(about.archs[1:])
        made = run_config(filled, about.n, about.classes)
        return replace(made, random_share=about.random_share)

    def replay(self, config: RunConfig, **more: Any) -> Result:
        """Replay this recording under these settings."""
        return replay(self.recording, self.truth, config, given=self.given, **more)


@dataclass(frozen=True)
class Outcome:
    """What an experiment found: plain JSON values, a text to print, panels per figure name."""

    result: Result
    text: str
    figures: Mapping[str, tuple[Panel, ...]] = field(default_factory=dict)


def clock(options: argparse.Namespace) -> Clock:
    """Return how long trainings take, as the options say."""
    return Clock(options.seconds_scale, options.seconds_per_image, options.seconds_per_sample)


Experiment = Callable[[Sequence[Run], argparse.Namespace], Outcome]


def baselines(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Each run beside labelling by hand, naive active learning, and hindsight."""
    result: Result = {}
    texts, figures = [], {}
    for run in runs:
        config = run.config(options)
        found = judge(
            run.recording,
            run.truth,
            config,
            options.deltas,
            given=run.given,
            clock=clock(options),
        )
        result[run.name] = found
        texts.append(f"{run.name}\n{_judged(found, config)}")
        figures[f"baselines-{run.name}"] = (_against_delta(run, found), _against_size(run, found))
    return Outcome(result, "\n\n".join(texts), figures)


def _judged(found: Result, config: RunConfig) -> str:
    run = found["mcal"]
    own = {
        "total": run["cost"]["total"],
        "compute": run["cost"]["compute"],
        "paper_total": run["paper"]["total"],
        "train_share": run["counts"]["train"] / run["n"],
        "machine_fraction": run["machine_fraction"],
        "realised_error": run["realised_error"],
        "rounds": len(run["visited"]),
    }
    hand = found["human_only"]
    best = found["hindsight"]["best"]
    rows = [_row("MCAL", own, hand)]
    rows += [_row(f"delta {row['delta']:g} %", row, hand) for row in found["naive"]]
    rows.append(_row(f"hindsight, B {best['train_size']:,}", best, hand))
    head = ("", "total", "compute", "paper's", "saves", "B/X", "S/X", "error", "rounds")
    return (
        f"{table(head, rows)}\n"
        f"by hand {dollars(hand)}; over the best fixed delta ({found['best_naive']['delta']:g} %): "
        f"{_number(found['over_naive'])}; regret {_share(found['regret'])}; "
        f"T {run['counts']['test']:,}, audit {run['counts']['audit']:,}; "
        f"epsilon {config.target.epsilon:g}\n{run['stop_reason']}"
    )


def _row(name: str, found: Mapping[str, Any], by_hand: float) -> tuple[str, ...]:
    return (
        name,
        dollars(found["total"]),
        dollars(float(found.get("compute", 0.0))),
        dollars(float(found.get("paper_total", found["total"]))),
        _share(1 - found["total"] / by_hand if by_hand else None),
        per_cent(found.get("train_share", 0.0)),
        per_cent(found["machine_fraction"]),
        per_cent(found.get("realised_error", 0.0)),
        str(found.get("rounds", 0)),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else per_cent(value)


def _against_delta(run: Run, found: Result) -> Panel:
    deltas = [row["delta"] for row in found["naive"]]
    totals = [row["total"] for row in found["naive"]]
    return Panel(
        title=f"{run.name}: total cost against delta",
        x_label="fixed batch, % of X",
        y_label="dollars",
        lines=[Line("naive active learning", deltas, totals)],
        levels=[
            Level("MCAL", found["mcal"]["cost"]["total"]),
            Level("by hand", found["human_only"]),
        ],
    )


def _against_size(run: Run, found: Result) -> Panel:
    ends, mcal = found["hindsight"]["ends"], found["mcal"]
    planned = [record for record in mcal["iterations"] if record["c_star"] is not None]
    return Panel(
        title=f"{run.name}: total cost of stopping at B",
        x_label="training set, images",
        y_label="dollars",
        lines=[
            Line("stopping there", [e["train_size"] for e in ends], [e["total"] for e in ends]),
            Line(
                "forecast C*, 80 %",
                [record["train_size"] for record in planned],
                [record["c_star"] for record in planned],
                [record["c_low"] for record in planned],
                [record["c_high"] for record in planned],
                dashed=True,
            ),
            Line("MCAL", [mcal["counts"]["train"]], [mcal["cost"]["total"]], dots=True),
        ],
        levels=[Level("by hand", found["human_only"])],
    )


def varied(runs: Sequence[Run], options: argparse.Namespace) -> Iterator[tuple[Run, RunConfig]]:
    """Return every run under every seed of T, label price, compute price and epsilon asked for."""
    for run in runs:
        config = run.config(options)
        for seed in options.seeds or (config.seed,):
            for label in options.label_prices or (config.prices.label,):
                for hour in options.compute_prices or (config.prices.compute_per_hour,):
                    for epsilon in options.epsilons or (config.target.epsilon,):
                        target = replace(config.target, epsilon=epsilon)
                        prices = Prices(label, hour, config.prices.devices)
                        yield run, replace(config, seed=seed, prices=prices, target=target)


def prices(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """What each run costs and delivers under other prices, targets, draws of T."""
    rows: list[Result] = []
    for run, config in varied(runs, options):
        found = run.replay(config, clock=clock(options))
        rows.append(
            {
                "run": run.name,
                "seed": config.seed,
                "label_price": config.prices.label,
                "compute_price": config.prices.compute_per_hour,
                "epsilon": config.target.epsilon,
                "train_share": found["counts"]["train"] / found["n"],
                "audit": found["counts"]["audit"],
                "human_share": found["human_fraction"],
                "machine_share": found["machine_fraction"],
                "paper_paid_share": found["paper"]["paid_share"],
                "realised_error": found["realised_error"],
                "kept": found["realised_error"] <= config.target.epsilon,
                "total": found["cost"]["total"],
                "compute": found["cost"]["compute"],
                "paper_total": found["paper"]["total"],
                "savings": found["savings"],
                "rounds": len(found["visited"]),
                "stop_reason": found["stop_reason"],
                "recording_ended": found["recording_ended"],
            }
        )
    return Outcome({"rows": rows}, _prices_table(rows))


def _prices_table(rows: Sequence[Result]) -> str:
    head = (
        "run", "seed", "label", "hour", "epsilon", "B/X", "S/X", "people", "audit", "error",
        "total", "paper's", "saves", "rounds",
    )  # fmt: skip
    cells = [
        (
            row["run"],
            str(row["seed"]),
            f"{row['label_price']:g}",
            f"{row['compute_price']:g}",
            per_cent(row["epsilon"]),
            per_cent(row["train_share"]),
            per_cent(row["machine_share"]),
            per_cent(row["human_share"]),
            f"{row['audit']:,}",
            per_cent(row["realised_error"]),
            dollars(row["total"]),
            dollars(row["paper_total"]),
            per_cent(row["savings"]),
            f"{row['rounds']}{'+' if row['recording_ended'] else ''}",
        )
        for row in rows
    ]
    kept = sum(row["kept"] for row in rows)
    return (
        f"{table(head, cells)}\n{kept} of {len(rows)} within epsilon; "
        "+: the recording ended before the engine wanted to stop"
    )


def cover(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """How often the 80 % interval of C* held the final cost.

    What varies: T and the audit's order (the seeds), prices, epsilon, and over recordings the
    data, B_0 and trainings. Replays that outgrew their recording have no final cost: left out.
    """
    replays = [
        run.replay(config, clock=clock(options))
        | {"run": run.name, "epsilon": config.target.epsilon}
        for run, config in varied(runs, options)
    ]
    found = coverage(replays, FIRST_COVERED)
    head = ("iteration", "forecasts", "covered", "median C*/final")
    cells = [
        (str(row["iteration"]), str(row["forecasts"]), per_cent(row["covered"]),
         f"{row['median_ratio']:.3f}")
        for row in found["by_iteration"]
    ]  # fmt: skip
    text = (
        f"{found['runs']} replays ({found['left_out']} outgrew their recording), "
        f"{found['forecasts']} forecasts from iteration {FIRST_COVERED} on: "
        f"{_share(found['covered'])} inside the 80 % interval\n{table(head, cells)}"
    )
    return Outcome(found, text)


def back_test(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """How well the first trainings forecast the later ones, per model of the error curves.

    Every recorded round is visited; forecasts are held to the true error inside each set.
    """
    every: list[backtest.Forecast] = []
    result: Result = {}
    for run, config in varied(runs, options):
        about = run.recording.about
        seen = records(run.recording, run.truth, config, given=run.given)
        made = backtest.forecasts(
            [record for record in seen if record.arch == config.arch],
            about.n,
            about.classes,
            criterion=config.target.criterion,
            seed=config.seed,
            truth=true_rates(run.recording, run.answers, config),
        )
        result.setdefault(run.name, {})[str(config.seed)] = backtest.summary(made)
        every += made
    pooled: Result = backtest.summary(every)
    head = ("model", "horizon", "forecasts", "|log error|", "bias", "80 %", "95 %")
    cells = [
        (
            model,
            horizon,
            str(row["forecasts"]),
            _number(row["median_abs_log_error"]),
            _number(row["bias"]),
            _share(row["cover80"]),
            _share(row["cover95"]),
        )
        for model, horizons in pooled["models"].items()
        for horizon, row in horizons.items()
    ]
    return Outcome({"pooled": pooled, "runs": result}, table(head, cells))


EXPERIMENTS: dict[str, Experiment] = {
    "baselines": baselines,
    "backtest": back_test,
    "coverage": cover,
    "prices": prices,
}

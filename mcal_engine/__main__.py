"""Command line of the engine: `python -m mcal_engine simulate | experiment | search | fit ...`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mcal_engine import datasets, outputs, simulate, verify
from mcal_engine.errors import EngineError
from mcal_engine.learner import Learner
from mcal_engine.options import (
    add_prior_options,
    add_run_options,
    prior_request,
    run_config,
    training_of,
)
from mcal_engine.types import IterationRecord
from mcal_engine.validation import validate

OTHERS = {
    "verify": "recompute a certificate: CERTIFICATE.json LABELS.csv",
    "experiment": "replay recorded runs, the tables and figures of the paper",
    "search": "find the part of a labelled set that trains the best model",
    "pretrain": "train a network on another labelled set, as weights to begin with",
    "transfer": "train another network on a subset that `search` wrote",
}
HEADER = (
    f"{'round':>5} {'B':>7} {'delta':>6} {'T':>5} {'err(1.0)':>8} {'stop now':>10} "
    f"{'C*':>10} {'80 %':>19} {'B_opt':>7} {'theta*':>6} {'train s':>7}"
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, 2 for wrong input (with one line that says what)."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["experiment"]:
            return _experiment(given[1:])
        if given[:1] == ["verify"]:
            return verify.main(given[1:])
        if given[:1] in (["search"], ["transfer"]):
            return _search(given)
        if given[:1] == ["pretrain"]:
            return _pretrain(given[1:])
        options = _parser().parse_args(given)
        return DONE_BY[options.command](options)
    except EngineError as error:
        sys.stderr.write(f"mcal_engine: {error} [{error.code}]\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcal_engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train one network as JOB_FOLDER/request.json says")
    fit.add_argument("folder", type=Path, metavar="JOB_FOLDER")
    job = commands.add_parser("search-job", help="search as JOB_FOLDER/request.json says")
    job.add_argument("folder", type=Path, metavar="JOB_FOLDER")
    _add_simulate(commands.add_parser("simulate", help="run MCAL on a data set of known labels"))
    for name, text in OTHERS.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data", type=Path, required=True, help=".npz file, IDX folder, or folder per class")
    add("--limit", type=int, default=None, help="use only so many images, drawn by --seed")
    add_run_options(parser)
    add(
        "--flip", action=argparse.BooleanOptionalAction, default=True, help="train on mirror images"
    )
    add(
        "--label-ahead",
        type=int,
        default=0,
        metavar="N",
        help="images that people label during each training but the first",
    )
    add("--device", default=None, help="cpu, cuda, mps; by default the best there is")
    add_prior_options(parser)
    add("--json", type=Path, default=None, metavar="OUT", help="write the result here")
    add(
        "--certificate-json", type=Path, default=None, metavar="OUT", help="and what `verify` reads"
    )
    add(
        "--labels-csv",
        type=Path,
        default=None,
        metavar="OUT",
        help="and each label, with its source",
    )


def _experiment(arguments: list[str]) -> int:
    if arguments[:1] == ["consensus"]:
        from mcal_engine.lab import consensus_commands  # noqa: PLC0415

        return consensus_commands.main(arguments[1:])
    from mcal_engine.lab import commands  # noqa: PLC0415 - figures and torch only where needed

    return commands.main(arguments)


def _fit(options: argparse.Namespace) -> int:
    from mcal_engine.vision import program  # noqa: PLC0415 - torch only where it is needed

    return program.main(options.folder)


def _pretrain(arguments: list[str]) -> int:
    from mcal_engine.lab import pretrain_command  # noqa: PLC0415 - torch only where it is needed

    return pretrain_command.main(arguments)


def _search_job(options: argparse.Namespace) -> int:
    from mcal_engine import search_job  # noqa: PLC0415
    from mcal_engine.vision import program  # noqa: PLC0415

    return program.main(options.folder, search_job.run_job)


def _search(arguments: list[str]) -> int:
    from mcal_engine.lab import search_commands  # noqa: PLC0415 - torch only where needed

    return search_commands.main(arguments)


def _simulate(options: argparse.Namespace) -> int:
    data = datasets.load(options.data, limit=options.limit, seed=options.seed)
    config = run_config(options, len(data.labels), len(data.class_names))
    validate(config)
    outputs.check_places((options.json, options.certificate_json, options.labels_csv))
    _say(f"{config.n:,} images, {config.classes} classes, epsilon {config.target.epsilon:g}\n")
    _say(HEADER)
    driver = simulate.Driver(
        config,
        simulate.Oracle(data.labels),
        _learner(data, options),
        label_ahead=options.label_ahead,
    )
    result = simulate.drive(config, driver, _row)
    _say(_summary(result))
    _keep(options, result, driver, data.class_names)
    return 0


def _keep(
    options: argparse.Namespace,
    result: dict[str, object],
    driver: simulate.Driver,
    class_names: tuple[str, ...],
) -> None:
    if options.json is not None:
        outputs.write_json(options.json, result)
    if options.labels_csv is not None:
        outputs.write_labels(options.labels_csv, driver, class_names)
    where = options.certificate_json
    if where is not None and not outputs.write_certificate(where, driver):
        _say("no certificate: the machine labelled nothing, so there is nothing to promise")


def _learner(data: datasets.Dataset, options: argparse.Namespace) -> Learner:
    from mcal_engine.vision.learner import TorchLearner  # noqa: PLC0415 - torch only where needed
    from mcal_engine.vision.pretrained import prior_of  # noqa: PLC0415

    classes = len(data.class_names)
    learner = TorchLearner(
        data.images,
        classes,
        settings=training_of(options),
        flip=options.flip,
        device=options.device,
    )
    learner.prior = prior_of(prior_request(options))
    return learner


def _row(record: IterationRecord) -> None:
    def cell(value: float | None, width: int, form: str) -> str:
        return f"{'-' if value is None else format(value, form):>{width}}"

    band = "-" if record.c_low is None else f"{record.c_low:,.2f}-{record.c_high:,.2f}"
    error = record.test_errors[-1] / max(record.test_counts[-1], 1)
    _say(
        f"{record.number:>5} {record.train_size:>7,} {record.delta:>6,} {record.test_size:>5} "
        f"{error:>8.3f} {cell(record.stop_now, 10, ',.2f')} {cell(record.c_star, 10, ',.2f')} "
        f"{band:>19} {cell(record.b_opt, 7, ',.0f')} {cell(record.theta_star, 6, '.2f')} "
        f"{record.train_seconds:>7.1f}\n      {record.decision}"
    )


def _summary(result: dict[str, object]) -> str:
    counts, cost, savings = result["counts"], result["cost"], result["savings"]
    assert isinstance(counts, dict)
    assert isinstance(cost, dict)
    assert isinstance(savings, float)
    return (
        f"\nB {counts['train']:,} + T {counts['test']:,} + residual {counts['residual']:,} by "
        f"people, S {counts['machine']:,} by machine ({result['machine_fraction']:.1%})\n"
        f"error of the delivered set {result['realised_error']:.2%}, bound {result['bound']:.2%}\n"
        f"${cost['total']:,.2f} (labels ${cost['labels']:,.2f}, compute ${cost['compute']:,.2f}) "
        f"against ${cost['human_only']:,.2f} by hand: saves {round(savings, 3) + 0.0:.1%}\n"
        f"{result['stop_reason']}; {result['wall_seconds']:.0f} s"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


DONE_BY = {"fit": _fit, "search-job": _search_job, "simulate": _simulate}

if __name__ == "__main__":
    sys.exit(main())

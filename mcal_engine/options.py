"""Command line options of a run, shared by `simulate` and `experiment`."""

from __future__ import annotations

import argparse
import os

from mcal_engine import presets
from mcal_engine.config import Weighing
from mcal_engine.errors import InvalidConfigError
from mcal_engine.selection import ACQUISITIONS
from mcal_engine.training import OPTIONS
from mcal_engine.types import (
    MEASURES,
    CertificateKind,
    CostModel,
    Criterion,
    CurveModel,
    Prices,
    RunConfig,
    Target,
)

DEFAULT_ARCH = "cnn_small"


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add every setting of a run to a command; `run_config` reads them."""
    add = parser.add_argument
    add("--epsilon", type=float, default=0.05, help="error target, share of all images")
    add("--alpha", type=float, default=0.05, help="1 - confidence")
    add("--budget", type=float, default=None, help="dollars that may be spent at most")
    add("--label-price", type=float, default=0.04, help="dollars per human label")
    add("--compute-price", type=float, default=3.6, help="dollars per hour of compute")
    add("--arch", default=None, help=f"network architecture; by default {DEFAULT_ARCH}")
    add("--rivals", default=None, help="architectures that race with it, separated by commas")
    add("--seed", type=int, default=0)
    add("--criterion", choices=[c.value for c in Criterion], default="overall")
    add("--certificate", choices=[c.value for c in CertificateKind], default="audit")
    add("--acquisition", choices=sorted(ACQUISITIONS), default="margin", help="M(.)")
    add("--confidence", choices=MEASURES, default="margin", help="L(.)")
    add("--curves", choices=[c.value for c in CurveModel], default="joint", help="error curves")
    add("--cost-model", choices=[c.value for c in CostModel], default="linear")
    add("--test-share", type=float, default=0.015, help="size of T as a share of the images")
    add("--fixed-delta", type=count, default=None, help="images per batch: naive active learning")
    add("--max-rounds", type=count, default=30)
    add("--neighbours", type=count, default=Weighing.neighbours, help="of informativeness")
    add(
        "--representativeness",
        type=float,
        default=Weighing.representativeness,
        metavar="A",
        help="its power in informativeness",
    )
    add(
        "--uncertainty",
        type=float,
        default=Weighing.uncertainty,
        metavar="B",
        help="its power in informativeness",
    )
    add_training_options(parser)


def count(text: str) -> int:
    """Return a whole number of at least 1: argparse says at once which option has another one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is too small: 1 or more is wanted")
    return value


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how much is labelled first and how candidates train."""
    add = parser.add_argument
    add("--preset", choices=list(presets.PRESETS), default="usual", help="settings under one name")
    add(
        "--first",
        type=count,
        default=None,
        help="labels that people give before the first training",
    )
    add("--epochs", type=int, default=None, help="passes over the labelled images")
    add("--batch", type=int, default=None, help="images per optimiser step")
    add("--rate", type=float, default=None, help="learning rate")
    add(
        "--training",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"any of: {', '.join(OPTIONS)}; may be repeated",
    )


def add_prior_options(parser: argparse.ArgumentParser) -> None:
    """Add where pre-trained weights come from; `prior_request` reads it."""
    add = parser.add_argument
    add(
        "--weights",
        default=os.environ.get("MCAL_WEIGHTS_DIR") or None,
        metavar="FOLDER",
        help="of pre-trained weights, for candidates +frozen and +tuned; else MCAL_WEIGHTS_DIR",
    )
    add(
        "--allow-download",
        action="store_true",
        default=os.environ.get("MCAL_ALLOW_WEIGHT_DOWNLOAD", "").lower() in {"1", "true", "yes"},
        help="fetch torchvision's weights where they are not in the folder; never without this",
    )
    add("--input-side", type=int, default=None, metavar="PIXELS", help="for published weights")
    add("--feature-cache", default=None, metavar="FOLDER", help="keep frozen features here")


def prior_request(options: argparse.Namespace) -> dict[str, object]:
    """Return the field `pretrained` of a training's request, as the options say."""
    return {
        "weights": options.weights,
        "download": options.allow_download,
        "side": options.input_side,
        "features": options.feature_cache,
    }


def run_config(options: argparse.Namespace, n: int, classes: int) -> RunConfig:
    """Return the settings that the options name, for a pool of n images. Not yet validated.

    Raises `InvalidConfigError` for a training setting that is not NAME=NUMBER.
    """
    preset = presets.preset(options.preset)
    arch, *rivals = _raced(options, preset)
    return RunConfig(
        n=n,
        classes=classes,
        prices=Prices(options.label_price, options.compute_price),
        target=Target(
            epsilon=options.epsilon,
            alpha=options.alpha,
            criterion=Criterion(options.criterion),
            certificate=CertificateKind(options.certificate),
            budget=options.budget,
        ),
        arch=arch,
        rivals=tuple(rivals),
        seed=options.seed,
        acquisition=options.acquisition,
        confidence=options.confidence,
        curves=CurveModel(options.curves),
        cost_model=CostModel(options.cost_model),
        test_share=options.test_share,
        fixed_delta=preset.fixed_delta if options.fixed_delta is None else options.fixed_delta,
        max_rounds=options.max_rounds,
        first=preset.first if options.first is None else options.first,
        weighing=Weighing(options.representativeness, options.uncertainty, options.neighbours),
        training=training_of(options),
    )


def _raced(options: argparse.Namespace, preset: presets.Preset) -> tuple[str, ...]:
    """Return the candidates, the first one first: those of the preset unless others are named."""
    archs = preset.archs or (DEFAULT_ARCH,)
    if options.arch is not None:
        archs = (options.arch,)
    if options.rivals is not None:
        archs = (archs[0], *(name for name in options.rivals.split(",") if name))
    return archs


def training_of(options: argparse.Namespace) -> dict[str, float]:
    """Return the training settings of the preset and those that were given, by name.

    Raises `InvalidConfigError` for one that is not NAME=NUMBER.
    """
    found = dict(presets.preset(options.preset).training)
    for text in options.training:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise InvalidConfigError(f"--training {text}: NAME=NUMBER is wanted") from None
    short = {"epochs": options.epochs, "batch": options.batch, "learning_rate": options.rate}
    return found | {name: float(value) for name, value in short.items() if value is not None}

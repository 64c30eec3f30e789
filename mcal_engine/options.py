"""Command line options of a run, shared by `simulate` and `experiment`."""

from __future__ import annotations

import argparse

from mcal_engine.selection import ACQUISITIONS
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


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add every setting of a run to a command; `run_config` reads them."""
    add = parser.add_argument
    add("--epsilon", type=float, default=0.05, help="error target, share of all images")
    add("--alpha", type=float, default=0.05, help="1 - confidence")
    add("--budget", type=float, default=None, help="dollars that may be spent at most")
    add("--label-price", type=float, default=0.04, help="dollars per human label")
    add("--compute-price", type=float, default=3.6, help="dollars per hour of compute")
    add("--arch", default="cnn_small", help="network architecture")
    add("--rivals", default="", help="architectures that race with it, separated by commas")
    add("--seed", type=int, default=0)
    add("--criterion", choices=[c.value for c in Criterion], default="overall")
    add("--certificate", choices=[c.value for c in CertificateKind], default="audit")
    add("--acquisition", choices=sorted(ACQUISITIONS), default="margin", help="M(.)")
    add("--confidence", choices=MEASURES, default="margin", help="L(.)")
    add("--curves", choices=[c.value for c in CurveModel], default="joint", help="error curves")
    add("--cost-model", choices=[c.value for c in CostModel], default="linear")
    add("--test-share", type=float, default=0.015, help="size of T as a share of the images")
    add("--fixed-delta", type=int, default=None, help="images per batch: naive active learning")
    add("--max-rounds", type=int, default=30)


def run_config(options: argparse.Namespace, n: int, classes: int) -> RunConfig:
    """Return the settings that the options name, for a pool of n images. Not yet validated."""
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
        arch=options.arch,
        rivals=tuple(name for name in options.rivals.split(",") if name),
        seed=options.seed,
        acquisition=options.acquisition,
        confidence=options.confidence,
        curves=CurveModel(options.curves),
        cost_model=CostModel(options.cost_model),
        test_share=options.test_share,
        fixed_delta=options.fixed_delta,
        max_rounds=options.max_rounds,
    )

"""Check a run's settings before its first label, and what a training reports, in words."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np

from mcal_engine import candidates, selection, training
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.types import (
    ENSEMBLE_MEASURES,
    MEASURES,
    Criterion,
    Measured,
    Pool,
    RunConfig,
    Trained,
)

ROUNDING = 1e-9  # of sums in floats
WHOLE = "must be a whole number"


def validate(config: RunConfig) -> None:
    """Raise `InvalidConfigError` with a clear message if the settings make no sense."""
    for part in (_about_counts, _about_target, _about_pool, _about_methods):
        for wrong, message in part(config):  # each part reckons with what those before it found
            if wrong:
                raise InvalidConfigError(message)
    training.checked(config.training)


def _about_counts(config: RunConfig) -> list[tuple[bool, str]]:
    delta, whole = config.fixed_delta, WHOLE
    return [
        (not _is_count(config.n, 0), f"n {whole} of images, not {config.n}"),
        (
            not _is_count(config.classes, 2),
            f"classes {whole}: at least two classes are needed, not {config.classes}",
        ),
        (not _is_count(config.seed, 0), f"the seed {whole}, 0 or more, not {config.seed}"),
        (
            not _is_count(config.max_rounds, 1),
            f"max_rounds {whole}: at least one round is needed, not {config.max_rounds}",
        ),
        (
            config.first is not None and not _is_count(config.first, 1),
            f"first {whole}: at least one first label is needed, not {config.first}",
        ),
        (delta is not None and not _is_count(delta, 1), _wrong_delta(config)),
    ]


def check_start(config: RunConfig) -> None:
    """Raise `InvalidConfigError` if no run can begin with these settings."""
    validate(config)
    check_delta(config)
    check_budget(config)


def check_delta(config: RunConfig) -> None:
    """Raise `InvalidConfigError` for rounds of more labels than there are images.

    Where they are chosen only: older runs may have them, and go on.
    """
    if config.fixed_delta is not None and config.fixed_delta > config.n:
        raise InvalidConfigError(_wrong_delta(config))


def _wrong_delta(config: RunConfig) -> str:
    return f"fixed_delta {WHOLE} from 1 to the {config.n} images, not {config.fixed_delta}"


def _is_count(value: object, least: int) -> bool:
    """Tell whether it is a whole number of at least `least`; NaN, 2.5 and True are none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return int(value) >= least


def _about_target(config: RunConfig) -> list[tuple[bool, str]]:
    target, prices = config.target, config.prices
    hourly = [prices.compute_per_hour, *prices.devices.values()]
    budget = target.budget is not None and not 0 <= target.budget < inf
    paper = target.criterion is not Criterion.OVERALL
    return [
        (not 0 < target.epsilon < 1, f"epsilon must lie in (0, 1), not {target.epsilon}"),
        (not 0 < target.alpha < 1, f"alpha must lie in (0, 1), not {target.alpha}"),
        (not 0 <= prices.label < inf, "the price per label must be a number, 0 or more"),
        (
            not all(0 <= price < inf for price in hourly),
            "the price per compute hour must be a number, 0 or more",
        ),
        (budget, "the budget must be a number of dollars, 0 or more"),
        (
            paper and target.budget is not None,
            "a budget goes with the overall criterion only",
        ),
    ]


def _about_pool(config: RunConfig) -> list[tuple[bool, str]]:
    shares = 0 < config.test_share < 1 and 0 < config.seed_share < 1
    needed = selection.test_size(config) + selection.seed_size(config) if shares else 0
    return [
        (
            not 0 < config.test_share < 1,
            f"the share of test images (test_share) must lie in (0, 1), not {config.test_share}",
        ),
        (
            not 0 < config.seed_share < 1,
            f"the share of first labels (seed_share) must lie in (0, 1), not {config.seed_share}",
        ),
        (
            not 0 <= config.random_share <= 1,
            f"a batch's random share (random_share) must lie in [0, 1], not {config.random_share}",
        ),
        (config.n < max(needed, 10), f"{config.n} images are too few: {needed} are needed first"),
    ]


def _about_methods(config: RunConfig) -> list[tuple[bool, str]]:
    names = ", ".join(sorted(selection.ACQUISITIONS))
    doubled = len(set(map(_spelled, config.archs))) < len(config.archs)
    return [
        (config.acquisition not in selection.ACQUISITIONS, f"acquisition must be one of: {names}"),
        (config.confidence not in MEASURES, f"confidence must be one of: {', '.join(MEASURES)}"),
        (not all(config.archs), "an architecture must have a name"),
        (doubled, "an architecture cannot race with itself"),
        (bool(alone := _without_members(config)), _needs_members(config.acquisition, alone)),
    ]


def _spelled(name: str) -> str:
    """Return the one spelling of a candidate. Raises `InvalidConfigError` for one of no sense."""
    return candidates.canonical(name) if "+" in name else name


def _without_members(config: RunConfig) -> list[str]:
    """Return the candidates whose disagreement M(.) would ask for in vain: they are one network."""
    if config.acquisition not in ENSEMBLE_MEASURES:
        return []
    return [name for name in config.archs if not candidates.is_ensemble(name)]


def _needs_members(acquisition: str, alone: list[str]) -> str:
    return (
        f"{acquisition} is how far the members of an ensemble disagree; {', '.join(alone)} has one "
        "member and would give zero for every image. Name an ensemble, such as "
        f"{next(iter(alone), '')}+checkpoints=20, or choose another acquisition"
    )


def check_budget(config: RunConfig) -> None:
    """Raise `InvalidConfigError` where the budget does not even pay for T and B_0.

    At the start only: a budget that changes midway meets money that is spent already.
    """
    test, seed = selection.test_size(config), selection.seed_size(config)
    first, budget = (test + seed) * config.prices.label, config.target.budget
    if budget is not None and budget < first * (1 - ROUNDING):
        raise InvalidConfigError(
            f"a budget of ${budget:,.2f} does not pay for the first labels: {test:,} test images "
            f"and {seed:,} training images cost ${first:,.2f}"
        )


def check_pool(config: RunConfig, pool: Pool) -> None:
    """Raise `InvalidAnswerError` unless the pool has N images and only labels of its classes."""
    arrays = (pool.train, pool.marked, pool.labels, pool.excluded, pool.ahead)
    if any(len(array) != config.n for array in arrays):
        raise InvalidAnswerError(f"the pool must have {config.n} images")
    if pool.labels.min() < -1 or pool.labels.max() >= config.classes:
        raise InvalidAnswerError(
            f"labels must be classes 0 to {config.classes - 1}, or -1 for none"
        )


def check_trained(config: RunConfig, answer: Trained, archs: tuple[str, ...]) -> None:
    """Raise `InvalidAnswerError` unless each model has finite scores of all images and times.

    A NaN would sort as the most certain image or break the saved state, far from its cause.
    """
    if tuple(model.arch for model in answer.models) != archs:
        raise InvalidAnswerError(f"the training must report the architectures {', '.join(archs)}")
    for model in answer.models:
        _check_model(config, model)


def _check_model(config: RunConfig, model: Measured) -> None:
    scores = model.scores
    if len(scores.pred) != config.n:
        raise InvalidAnswerError(f"the training must score all {config.n} images")
    used = {"margin", config.confidence, config.acquisition} & set(MEASURES)
    if candidates.is_ensemble(model.arch):
        used |= set(ENSEMBLE_MEASURES)
    views = [scores.by(measure) for measure in sorted(used)]
    if any(len(view) != config.n for view in views):
        raise InvalidAnswerError(f"the training must score all {config.n} images")
    if not all(np.isfinite(view).all() for view in views):
        raise InvalidAnswerError("the training left scores that are not finite numbers")
    if int(scores.pred.max()) >= config.classes:
        raise InvalidAnswerError("the training predicted a class that does not exist")
    if not all(isfinite(t) and t >= 0 for t in (model.train_seconds, model.score_seconds)):
        raise InvalidAnswerError("the seconds of a training must be finite and not negative")

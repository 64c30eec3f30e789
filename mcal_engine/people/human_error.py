"""How often the people themselves are wrong: by a reviewed sample, by gold, or by overlap.

Best first. A reviewed sample that was drawn by chance bounds the wrong labels exactly
(hypergeometric: drawn without replacement from a known number). Gold bounds the share of wrong
answers (Clopper-Pearson), for pictures like the gold ones. Overlap gives an estimate only: it is
Dawid-Skene's expected error, which assumes that people err independently; where a picture fools
everybody it is too low, so it is never called a bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import beta

from mcal_engine.errors import DataError
from mcal_engine.guarantees import wrong_upper_bound
from mcal_engine.people import dawid_skene
from mcal_engine.people.votes import Floats, Votes

REPLICATES = 100
WARM_STEPS = 8  # of EM in each replicate, from the fit to all images
FEW_ITEMS = 5


class Source(StrEnum):
    """Where an estimate comes from, the best first."""

    TEST_REVIEW = "test_review"  # a reviewer looked at test images: drawn from all of X
    REVIEW = "review"  # a reviewer looked at images drawn from those that people labelled
    GOLD = "gold"
    OVERLAP = "overlap"


class Covers(StrEnum):
    """What the estimate is of."""

    ALL = "all"  # every image, also those that people were never asked
    HUMAN_LABELS = "human_labels"
    GOLD_IMAGES = "gold_images"
    OVERLAP_IMAGES = "overlap_images"


@dataclass(frozen=True)
class HumanError:
    """An error of people: shares from 0 to 1.

    `low` and `high` are two-sided at the confidence; `upper` is one-sided at the same confidence.
    `wrong` of `n` were found (expected, from overlap); `population` is what n was drawn from.
    `bound` tells whether the interval holds without assumptions about people.
    """

    source: Source
    of: str  # "labels" or "answers"
    covers: Covers
    bound: bool
    n: int
    wrong: float
    population: int | None
    share: float
    low: float
    high: float
    upper: float


def from_review(
    source: Source, *, population: int, n: int, wrong: int, confidence: float = 0.95
) -> HumanError:
    """Return the exact hypergeometric interval of a random sample of `n` labels of `population`.

    For TEST_REVIEW the population is X, for REVIEW the labels that people gave.
    Raises `DataError` for counts that cannot be.
    """
    if not 0 <= wrong <= n <= population or n == 0:
        raise DataError(f"{wrong} wrong of {n} of {population} cannot be")
    tail = (1.0 - confidence) / 2.0
    low = population - wrong_upper_bound(population, n, n - wrong, tail)
    return HumanError(
        source=source,
        of="labels",
        covers=Covers.ALL if source is Source.TEST_REVIEW else Covers.HUMAN_LABELS,
        bound=True,
        n=n,
        wrong=wrong,
        population=population,
        share=wrong / n,
        low=low / population,
        high=wrong_upper_bound(population, n, wrong, tail) / population,
        upper=wrong_upper_bound(population, n, wrong, 1.0 - confidence) / population,
    )


def clopper_pearson(wrong: int, n: int, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (low, high) two-sided and the one-sided upper limit of a share.

    Clopper and Pearson 1934: exact, so never too narrow. Raises `DataError` for wrong > n or n < 1.
    """
    if not 0 <= wrong <= n or n == 0:
        raise DataError(f"{wrong} wrong of {n} cannot be")
    tail = (1.0 - confidence) / 2.0
    low = float(beta.ppf(tail, wrong, n - wrong + 1)) if wrong else 0.0
    high, upper = 1.0, 1.0
    if wrong < n:
        high = float(beta.ppf(1.0 - tail, wrong + 1, n - wrong))
        upper = float(beta.ppf(confidence, wrong + 1, n - wrong))
    return low, high, upper


def from_gold(*, n: int, wrong: int, confidence: float = 0.95) -> HumanError:
    """Return the share of wrong gold answers with its Clopper-Pearson interval.

    It speaks of images like the gold ones: gold that two people agreed on is easier than the
    rest, and uploaded gold is whatever was uploaded. Raises `DataError`.
    """
    low, high, upper = clopper_pearson(wrong, n, confidence=confidence)
    return HumanError(
        Source.GOLD,
        "answers",
        Covers.GOLD_IMAGES,
        True,
        n,
        wrong,
        None,
        wrong / n,
        low,
        high,
        upper,
    )


def from_overlap(
    votes: Votes, *, of: str = "labels", confidence: float = 0.95, seed: int = 0
) -> HumanError | None:
    """Return Dawid-Skene's expected error over the images with two answers or more.

    Of "labels" (the most probable class) or of "answers". The interval is a basic bootstrap over
    images, each replicate fitted again from the whole fit. None with fewer than `FEW_ITEMS` such images.
    """
    shared = votes.only(votes.per_item >= 2)
    if shared.n_items < FEW_ITEMS:
        return None
    whole = dawid_skene.fit(shared)
    counts = shared.per_item.astype(np.float64)
    value = _expected(shared, whole, of, np.ones(shared.n_items), counts)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(_replicates(shared)):
        drawn = np.bincount(
            generator.integers(0, shared.n_items, shared.n_items), minlength=shared.n_items
        ).astype(np.float64)
        made = dawid_skene.fit(shared, weights=drawn, start=whole, most=WARM_STEPS)
        found.append(_expected(shared, made, of, drawn, counts))
    tail = (1.0 - confidence) / 2.0
    # turned round the estimate ("basic" bootstrap): images drawn twice look too sure in each
    # replicate, as the images themselves do in the whole fit
    turned = np.clip(2.0 * value - np.asarray(found), 0.0, 1.0)
    low, high, upper = np.quantile(turned, [tail, 1.0 - tail, confidence])
    n = shared.n_items if of == "labels" else len(shared)
    return HumanError(
        source=Source.OVERLAP,
        of=of,
        covers=Covers.OVERLAP_IMAGES,
        bound=False,
        n=n,
        wrong=value * n,
        population=None,
        share=value,
        low=float(min(low, value)),
        high=float(max(high, value)),
        upper=float(max(upper, value)),
    )


def _replicates(votes: Votes) -> int:
    """Return fewer replicates where each one is dear: many images vary little anyway."""
    return int(np.clip(20_000_000 // max(len(votes) * votes.classes, 1), 20, REPLICATES))


def _expected(
    votes: Votes, made: dawid_skene.Fit, of: str, weights: Floats, counts: Floats
) -> float:
    """Return the expected share of wrong labels or answers over weighted images."""
    if of == "labels":
        return float(weights @ (1.0 - made.posterior.max(axis=1)) / weights.sum())
    wrong = np.bincount(votes.items, dawid_skene.expected_wrong(votes, made), votes.n_items)
    return float(weights @ wrong / (weights @ counts))


def best(found: Iterable[HumanError]) -> list[HumanError]:
    """Return the estimates, the best source first; of one source labels before answers."""
    order = list(Source)
    return sorted(found, key=lambda one: (order.index(one.source), one.of != "labels"))

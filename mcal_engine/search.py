"""Search for the part of a labelled set that trains the best model: the arithmetic, stage by stage.

Chitta, Alvarez, Haussmann, Farabet, "Training Data Distribution Search with Ensemble Active
Learning", Algorithm 1. L is the labelled set, S its part that is kept:

    build_up   a random start, then the models of one stage acquire for the next, which is twice as
               large: 12.5 -> 25 -> 50 %, or 20 -> 40 -> 80 %
    compress   the acquisition model learns from all of L and takes S at once; the subset model
               learns from S alone
    pretrain   as compress, but the subset model learns from all of L too and is then fine-tuned
               on S at a small rate

Nothing here trains: `search_stages` drives a learner through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from mcal_engine.acquisitions import ACQUISITIONS, NEEDS_FEATURES, Field, can_use
from mcal_engine.candidates import FRESH, Candidate, parse
from mcal_engine.errors import DataError, InvalidAnswerError, InvalidConfigError
from mcal_engine.orders import hash_draw, hash_order, hash_share
from mcal_engine.types import ENSEMBLE_MEASURES, BoolArray, FloatArray, IntArray, Scores

ERROR_COUNT = "error_count"
"""Takes what most members get wrong (Eq. 6): for labelled sets only, so it is no M(.) of a run."""

RANDOM = "random"
PER_CLASS = 6  # images that the first stage holds at least, per class, as B_0 of a run does
UNRANKED = frozenset({RANDOM, "k_center"})
"""These have no most uncertain image that could be left out as an outlier."""

CONFIDENCE = 0.95
ROUNDING = 1e-9  # of shares that were halved


class Scheme(StrEnum):
    """How acquisition model and subset model come to their weights (Sec. 2.1)."""

    BUILD_UP = "build_up"
    COMPRESS = "compress"
    PRETRAIN = "pretrain"


@dataclass(frozen=True)
class SearchSettings:
    """What is searched for and how. `acquirer` and `model` are names of candidates.

    `share` is S as a share of L, `start` the most that build_up draws at random (share of L),
    `outliers` the share of L that is passed over at each acquisition because it is the most
    uncertain, `tune_rate` the learning rate of pretrain's fine-tuning.
    """

    share: float
    scheme: Scheme = Scheme.BUILD_UP
    acquisition: str = "mutual_information"
    acquirer: str = "cnn_small+seeds=8"
    model: str = "cnn_small+seeds=8"
    start: float = 0.2
    outliers: float = 0.0
    tune_rate: float = 1e-3


@dataclass(frozen=True)
class LabelledPool:
    """All images by number: labels int64 [N] and who is held out (bool [N]) to judge models by."""

    labels: IntArray
    held_out: BoolArray
    classes: int

    @property
    def items(self) -> IntArray:
        """L: the numbers of the images that a subset may hold."""
        return np.flatnonzero(~self.held_out)

    def accuracy(self, pred: np.ndarray, items: IntArray) -> float | None:
        """Return the share of these images whose prediction [N] is right; None of no image."""
        return float((pred[items] == self.labels[items]).mean()) if len(items) else None


def acquisition_names() -> tuple[str, ...]:
    """Return every acquisition function that a search knows, in the order of the alphabet."""
    return tuple(sorted({*ACQUISITIONS, *ENSEMBLE_MEASURES, ERROR_COUNT}))


def check(settings: SearchSettings, pool: LabelledPool) -> None:
    """Raise `InvalidConfigError` or `DataError` in plain words where no search can begin."""
    acquirer, model = parse(settings.acquirer), parse(settings.model)
    for wrong, message in [*_about_shares(settings), *_about_models(settings, acquirer, model)]:
        if wrong:
            raise InvalidConfigError(message)
    _check_pool(pool)
    first, needed = stage_sizes(settings, len(pool.items))[0], PER_CLASS * pool.classes
    if first < needed:
        raise DataError(
            f"{len(pool.items):,} labelled images are too few: the first stage would hold {first:,}"
            f" of them, and {pool.classes} classes need {needed:,}"
        )


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raise `InvalidConfigError` unless there is a seed, none twice and none below 0."""
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InvalidConfigError("give one seed or more, each of them once and none below 0")


def _about_shares(settings: SearchSettings) -> list[tuple[bool, str]]:
    share, out, known = settings.share, settings.outliers, acquisition_names()
    return [
        (share == 1, "a share of 100 % is the whole set: there is nothing to search for"),
        (not 0 < share < 1, f"the share must lie between 0 and 1, not {share:g}"),
        (not 0 < settings.start < 1, "the random start must be a share between 0 and 1"),
        (not 0 <= out < 1, f"the share of outliers must be 0 or more and below 1, not {out:g}"),
        (
            share + out > 1 + ROUNDING,
            f"with {out:.1%} left out as outliers no {share:.1%} is left to be taken",
        ),
        (not 0 < settings.tune_rate < 1, "the rate of the fine-tuning must lie between 0 and 1"),
        (
            settings.acquisition not in known,
            f"{settings.acquisition!r} is not one of: {', '.join(known)}",
        ),
        (
            out > 0 and settings.acquisition in UNRANKED,
            f"{settings.acquisition} ranks no image as the most uncertain: leave outliers at 0",
        ),
    ]


def _about_models(
    settings: SearchSettings, acquirer: Candidate, model: Candidate
) -> list[tuple[bool, str]]:
    alone = (
        f"{settings.acquisition} of the one member of {acquirer.name} is zero for every image: "
        "add +seeds=K or +checkpoints=K"
    )
    return [
        (settings.acquisition in ENSEMBLE_MEASURES and acquirer.members < 2, alone),
        *(
            (
                one.pseudo or one.semi,
                f"{one.name} learns from images outside its training set, so it cannot judge one",
            )
            for one in (acquirer, model)
        ),
        (
            settings.scheme is Scheme.PRETRAIN and model.weights != FRESH,
            f"pretrain starts from fresh weights; {model.name} brings its own",
        ),
    ]


def _check_pool(pool: LabelledPool) -> None:
    items = pool.items
    if not pool.held_out.any():
        raise DataError("no image is held out, so no model could be judged")
    missing = int((pool.labels < 0).sum())
    if missing:
        raise DataError(
            f"{missing:,} of {len(pool.labels):,} images have no label; a search needs all labels"
        )
    if len(pool.labels) and int(pool.labels.max()) >= pool.classes:
        raise DataError(f"a label is beyond the {pool.classes} classes")
    if len(np.unique(pool.labels[items])) < 2:
        raise DataError("the labelled images are of fewer than two classes")


def stage_sizes(settings: SearchSettings, labelled: int) -> tuple[int, ...]:
    """Return |S| after each stage, ascending. build_up halves down from the share until at most
    `start` is left for the random draw, at least once; the other schemes have one stage.
    """
    shares = [settings.share]
    if settings.scheme is Scheme.BUILD_UP:
        while len(shares) == 1 or shares[-1] > settings.start + ROUNDING:
            shares.append(shares[-1] / 2)
    return tuple(round(share * labelled) for share in reversed(shares))


def starts_random(settings: SearchSettings) -> bool:
    """Tell whether the first stage is drawn, not acquired."""
    return settings.scheme is Scheme.BUILD_UP


def needs_features(settings: SearchSettings) -> bool:
    """Tell whether the acquisition function looks at the last hidden layer."""
    return settings.acquisition in NEEDS_FEATURES


def random_subset(pool: LabelledPool, size: int, seed: int, purpose: str) -> IntArray:
    """Draw S uniformly from L: build_up's start, or the subset that a search is compared with."""
    return hash_draw(f"{seed}:search:{purpose}", pool.items, size)


def training_seed(seed: int, purpose: str) -> int:
    """Return the seed of one training, below 2^31, that the search's seed decides."""
    return int(hash_share(f"{seed}:search:training:{purpose}") * 2**31)


def acquire(
    settings: SearchSettings,
    pool: LabelledPool,
    subset: IntArray,
    size: int,
    key: str,
    scores: Scores | None,
    wrong: FloatArray | None = None,
) -> IntArray:
    """Return what joins `subset` so that it holds `size` images, the first to take first.

    `scores` are the acquisition model's, of all N images; `random` looks at none. `wrong` [N] is
    the share of members whose vote is not the label, for `error_count`. `key` orders ties. The
    most uncertain `outliers` of L are passed over; the next stage judges them anew.
    """
    taken = np.zeros(len(pool.labels), dtype=np.bool_)
    taken[subset] = True
    items = pool.items
    candidates, passed_over = items[~taken[items]], round(settings.outliers * len(items))
    wanted = size - len(subset) + passed_over
    if wanted > len(candidates):
        raise InvalidConfigError(f"{len(candidates):,} images are left and {wanted:,} are wanted")
    if settings.acquisition == ERROR_COUNT:
        ranked = _by_errors(candidates, key, scores, wrong)[:wanted]
    else:
        ranked = _by_name(settings.acquisition, candidates, taken, key, scores, wanted)
    return ranked[passed_over:]


def _by_name(
    name: str,
    candidates: IntArray,
    taken: BoolArray,
    key: str,
    scores: Scores | None,
    wanted: int,
) -> IntArray:
    if name != RANDOM and (scores is None or not can_use(name, scores)):
        raise InvalidAnswerError(f"the acquisition model reported no {name} scores")
    field = Field(candidates, () if scores is None else (scores,), taken, key)
    return ACQUISITIONS[name](field, wanted)


def _by_errors(
    candidates: IntArray, key: str, scores: Scores | None, wrong: FloatArray | None
) -> IntArray:
    """Rank by the error count (Eq. 6), ties by mutual information where there is some."""
    if wrong is None:
        raise InvalidAnswerError("the acquisition model reported no votes to count errors of")
    order = hash_order(key, candidates)
    mutual = None if scores is None else scores.mutual
    ties = np.zeros(len(order)) if mutual is None else -mutual[order]
    return order[np.lexsort((ties, -wrong[order]))]


def spread(values: list[float]) -> dict[str, object]:
    """Return mean, standard deviation and Student's 95 % interval of the mean over the seeds.

    One value alone has neither: both are None.
    """
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return {"values": values, "mean": mean, "std": None, "low": None, "high": None}
    std = float(np.std(values, ddof=1))
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * std / sqrt(n)
    return {"values": values, "mean": mean, "std": std, "low": mean - half, "high": mean + half}

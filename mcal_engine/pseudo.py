"""Pseudo-labels: which machine labels of the last round are sure enough to train along (D^H).

Gikunda, "Deep Active Learning with Budget Annotation", names the high-confidence set D^H and
defines nothing of it; the definitions here are ours. Confidence is calibrated on the images that
joined B since the model was trained: it has not seen their labels, and they were chosen by what
the model said of them, so given its confidence their labels are a fair draw. But most of them
looked hard, and hard images say nothing of how right the model is where it is sure. So each counts
as much as there are images outside B of its confidence, and where that leaves few, a prior speaks:
networks with few labels boast. The human labels of test marks outside B are never read: marks are
images like all others outside B (docs/pseudo_labels.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from mcal_engine.learner import Earlier
from mcal_engine.training import Pseudo
from mcal_engine.types import BoolArray, FloatArray, IntArray

FEWEST = 50
"""New labels below which nothing is calibrated, and so nothing is taken."""

HOTTEST = 20.0
"""The largest temperature: a model that is wrong wherever it is sure ends here."""

BOASTING, SPREAD = 4.0, 0.5
"""Prior of the temperature: median, and standard deviation of its log. On Fashion-MNIST, small
network: 4.7 after 125 labels (docs/pseudo_labels.md)."""

STRATA = 10  # of confidence, equally many images outside B in each

TINY = 1e-7  # least distance of a confidence from 0 and 1: what float32 can tell apart


@dataclass(frozen=True)
class Chosen:
    """D^H: `items`, their machine `labels`, and how they were found.

    `temperature` divides the logit of the confidence, `threshold` was asked of the result, and
    `tested` new labels were what the temperature was fitted on. `why` says why there are none.
    """

    items: IntArray
    labels: IntArray
    temperature: float = 1.0
    threshold: float = 1.0
    tested: int = 0
    why: str = ""


def choose(earlier: Earlier | None, items: IntArray, labels: IntArray, settings: Pseudo) -> Chosen:
    """Return the pseudo-labels for a training on B = `items` with these human `labels`.

    Nothing in the first round, and where fewer than `FEWEST` images have joined B since.
    """
    if earlier is None or earlier.scores.least is None:
        return _none("there is no earlier model")
    joined = ~np.isin(items, earlier.train_items)
    tested = int(joined.sum())
    if tested < FEWEST:
        return _none(f"{tested} new labels are too few to calibrate on", tested)
    confidence = 1.0 - earlier.scores.least.astype(np.float64)
    right = earlier.scores.pred[items[joined]] == labels[joined]
    outside = np.ones(len(confidence), dtype=np.bool_)
    outside[items] = False
    sample = confidence[items[joined]]
    heat = temperature(sample, right, stand_for(sample, confidence[outside]))
    threshold = threshold_of(earlier.round, settings)
    sure = calibrated(confidence, heat)
    sure[items] = -1.0
    classes = int(max(labels.max(), earlier.scores.pred.max())) + 1
    most = floor(settings.most * len(items))
    found = balanced(sure, earlier.scores.pred, threshold, classes, settings.balance, most)
    why = "" if len(found) else "no image outside B is sure enough"
    return Chosen(found, earlier.scores.pred[found].astype(np.int64), heat, threshold, tested, why)


def _none(why: str, tested: int = 0) -> Chosen:
    nothing = np.empty(0, dtype=np.int64)
    return Chosen(nothing, nothing, tested=tested, why=why)


def threshold_of(number: int, settings: Pseudo) -> float:
    """Return the confidence asked for in round `number` = 1, 2, ...: decayed, never below floor."""
    return max(settings.threshold - settings.decay * (number - 1), settings.floor)


def stand_for(sample: FloatArray, others: FloatArray) -> FloatArray:
    """Return weights [n] with which a sample chosen by confidence stands for the others.

    By strata of confidence: as many in the sample's sum as among the others. The sum is the number
    of equally weighted images that would tell as much (Kish), never more than n.
    """
    if len(sample) == 0 or len(others) == 0:
        return np.ones(len(sample))
    edges = np.unique(np.quantile(others, np.arange(1, STRATA) / STRATA))
    mine, theirs = (np.searchsorted(edges, values, side="right") for values in (sample, others))
    counts = [np.bincount(places, minlength=len(edges) + 1) for places in (mine, theirs)]
    weights = (counts[1] / np.maximum(counts[0], 1))[mine]
    return np.asarray(weights * weights.sum() / max(float((weights**2).sum()), 1e-300))


def temperature(
    confidence: FloatArray, right: BoolArray, weights: FloatArray | None = None
) -> float:
    """Return the likeliest temperature of `confidence` [n] given who was `right` [n], at least 1.

    The maximum of the posterior with the prior `BOASTING`. A temperature below 1 would raise
    confidences, which a handful of images that the model was sure of cannot justify.
    """
    scores = logit(np.clip(confidence, TINY, 1 - TINY))
    signs = np.where(right, 1.0, -1.0)
    counts = np.ones(len(scores)) if weights is None else weights

    def loss(log_heat: float) -> float:
        lost = counts @ np.logaddexp(0.0, -signs * scores * np.exp(-log_heat))
        return float(lost + ((log_heat - np.log(BOASTING)) / SPREAD) ** 2 / 2)

    found = minimize_scalar(loss, bounds=(0.0, np.log(HOTTEST)), method="bounded")
    return 1.0 if loss(0.0) <= found.fun else float(np.exp(found.x))


def calibrated(confidence: FloatArray, heat: float) -> FloatArray:
    """Return the confidence with its logit divided by the temperature."""
    return np.asarray(expit(logit(np.clip(confidence, TINY, 1 - TINY)) / heat))


def balanced(
    sure: FloatArray,
    pred: np.ndarray[tuple[int, ...], np.dtype[np.uint16]],
    threshold: float,
    classes: int,
    balance: float,
    most: int,
) -> IntArray:
    """Return the images of at least this confidence, ascending, without a flood of one class.

    Of each class the surest: at most `balance` times as many as the rarest class has (counted as
    one where it has none), and at most `most` in all, shared evenly. Ties go to the lower number.
    """
    fit = np.flatnonzero(sure >= threshold)
    counts = np.bincount(pred[fit], minlength=classes)
    cap = floor(balance * max(int(counts.min()), 1))
    cap = min(cap, _even(counts, most))
    order = fit[np.lexsort((fit, -sure[fit]))]
    kept = [order[pred[order] == k][:cap] for k in range(classes)]
    return np.sort(np.concatenate(kept)).astype(np.int64)


def _even(counts: IntArray, most: int) -> int:
    """Return the largest cap per class with which the sum of capped counts stays within `most`."""
    low, high = 0, int(counts.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(counts, middle).sum()) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def extended(
    items: IntArray, labels: IntArray, chosen: Chosen, settings: Pseudo
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return (items, labels, weights) of B together with its pseudo-labels."""
    weights = np.concatenate([np.ones(len(items)), np.full(len(chosen.items), settings.weight)])
    return (
        np.concatenate([items, chosen.items]),
        np.concatenate([labels, chosen.labels]),
        weights,
    )

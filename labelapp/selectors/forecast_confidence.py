"""Does the machine know when it is right? Reliability on T, with the little that T can say.

Plain Python: a web process draws this without NumPy. T has at most about 1,000 images, so each
figure comes with what chance alone would show.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from labelapp.selectors.dashboard_charts import wilson

BINS = 10
DRAWS = 200
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Calibration:
    """The expected calibration error, its 90 % bootstrap interval, and what chance would show.

    `chance` is the mean error that a perfectly calibrated machine shows on as many images with
    the same confidences, `chance_high` what it exceeds in one of twenty draws.
    """

    error: float
    low: float
    high: float
    chance: float
    chance_high: float


def bin_of(confidence: float) -> int:
    """Return the bin of a confidence: ten of equal width, the last one closed."""
    return min(int(confidence * BINS), BINS - 1)


def calibration_error(confidence: list[float], right: list[bool]) -> float:
    """Return sum over bins of |right - sure| / n: the expected calibration error (ECE).

    Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., ICML 2017. 0 for no images.
    """
    gaps = [0.0] * BINS
    for sure, hit in zip(confidence, right, strict=True):
        gaps[bin_of(sure)] += (1.0 if hit else 0.0) - sure
    return sum(map(abs, gaps)) / max(len(confidence), 1)


def calibration(confidence: list[float], right: list[bool]) -> Calibration:
    """Return the calibration error with its interval and what chance would show."""
    return _calibration(tuple(confidence), tuple(right))


@lru_cache(maxsize=64)
def _calibration(confidence: tuple[float, ...], right: tuple[bool, ...]) -> Calibration:
    """Resample by a fixed seed, so that the same T always shows the same interval."""
    n, chance = len(confidence), random.Random(n_seed(confidence))
    places = [bin_of(sure) for sure in confidence]
    gaps = [float(hit) - sure for sure, hit in zip(confidence, right, strict=True)]
    drawn, ideal = [], []
    for _draw in range(DRAWS):
        sums = [0.0] * BINS
        for k in chance.choices(range(n), k=n):
            sums[places[k]] += gaps[k]
        drawn.append(sum(map(abs, sums)) / n)
        sums = [0.0] * BINS
        for place, sure in zip(places, confidence, strict=True):
            sums[place] += (1.0 if chance.random() < sure else 0.0) - sure
        ideal.append(sum(map(abs, sums)) / n)
    drawn.sort()
    ideal.sort()
    return Calibration(
        error=calibration_error(list(confidence), list(right)),
        low=drawn[DRAWS // 20],
        high=drawn[-1 - DRAWS // 20],
        chance=sum(ideal) / DRAWS,
        chance_high=ideal[-1 - DRAWS // 20],
    )


def n_seed(confidence: tuple[float, ...]) -> int:
    """Return the seed of the resampling: the same images, the same interval."""
    return len(confidence) * 1_000_003 + round(1e5 * sum(confidence))


def reliability(profile: dict[str, Any], threshold: float | None) -> dict[str, Any]:
    """Return the reliability diagram of T; no bins where the training kept no probabilities.

    `above` counts the images that the machine would label: those with a margin over `threshold`.
    """
    confidence, right = _columns(profile)
    if not confidence:
        return {"bins": [], "n": 0, "calibration": None, "above": None, "threshold": threshold}
    groups: list[list[int]] = [[] for _bin in range(BINS)]
    for place, sure in enumerate(confidence):
        groups[bin_of(sure)].append(place)
    found = calibration(confidence, right)
    return {
        "n": len(confidence),
        "sure": _short(sum(confidence) / len(confidence)),
        "right": sum(right),
        "bins": [_bin(k, group, confidence, right) for k, group in enumerate(groups)],
        "calibration": {
            "error": _short(found.error),
            "low": _short(found.low),
            "high": _short(found.high),
            "chance": _short(found.chance),
            "chance_high": _short(found.chance_high),
        },
        "threshold": threshold,
        "above": _above(profile, confidence, right, threshold),
    }


def _columns(profile: dict[str, Any]) -> tuple[list[float], list[bool]]:
    confidence = [float(value) for value in profile.get("confidence") or []]
    labels, preds = profile.get("label") or [], profile.get("pred") or []
    if not confidence or not len(confidence) == len(labels) == len(preds):
        return [], []
    return confidence, [label == pred for label, pred in zip(labels, preds, strict=True)]


def _bin(
    number: int, group: list[int], confidence: list[float], right: list[bool]
) -> dict[str, Any]:
    hits, count = sum(right[place] for place in group), len(group)
    low, high = wilson(hits, count, _Z95)
    return {
        "from": number / BINS,
        "to": (number + 1) / BINS,
        "count": count,
        "right": hits,
        "sure": _short(sum(confidence[place] for place in group) / count) if count else None,
        "share": _short(hits / count) if count else None,
        "low": _short(low) if count else None,
        "high": _short(high) if count else None,
    }


def _above(
    profile: dict[str, Any], confidence: list[float], right: list[bool], threshold: float | None
) -> dict[str, Any] | None:
    """Return count, mean confidence and right ones above the threshold; None without one."""
    if threshold is None or len(profile.get("margin") or []) != len(confidence):
        return None
    chosen = [k for k, margin in enumerate(profile["margin"]) if margin >= threshold]
    if not chosen:
        return None
    hits = sum(right[k] for k in chosen)
    low, high = wilson(hits, len(chosen), _Z95)
    return {
        "count": len(chosen),
        "right": hits,
        "sure": _short(sum(confidence[k] for k in chosen) / len(chosen)),
        "share": _short(hits / len(chosen)),
        "low": _short(low),
        "high": _short(high),
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")

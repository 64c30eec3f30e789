"""What a search for the best training set is asked, and what it found, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, gettext_lazy, ngettext

from labelapp.selectors.curations import Progress
from labelapp.selectors.dashboard_charts import wilson
from labelapp.selectors.money_words import NBSP, number

FULL, FOUND, RANDOM = "full", "search", "random"
SETS = (FULL, FOUND, RANDOM)
"""What is judged: all images that may be learnt from, the found part, a random part as large."""

MEASURED = {"random": 0.8640, "found": 0.8825, "all": 0.8929}
"""Accuracies on Fashion-MNIST, 3,000 of 6,000 images (docs/search.md)."""

PARTS = {
    "kept": gettext_lazy("Kept"),
    "left_out": gettext_lazy("Left out"),
    "held_out": gettext_lazy("Held out"),
}
PARTS_ABOUT = {
    "kept": gettext_lazy(
        "The images that the search kept, in the order of its stages; under “build up” the first "
        "stage was drawn at random."
    ),
    "left_out": gettext_lazy(
        "The images that the search left out: what the kept ones already teach. Their labels are "
        "as good as the others."
    ),
    "held_out": gettext_lazy(
        "The images that nobody learnt from: the models are judged by them. They are neither kept "
        "nor left out."
    ),
}
STATES = {
    "waiting": "badge-open",
    "running": "badge-open",
    "done": "badge-ok",
    "failed": "badge-danger",
    "cancelled": "",
}


def percent(value: float, digits: int = 2) -> str:
    """Return a share as a percentage with exactly so many decimals: a column of them lines up."""
    return f"{number(100 * value, digits)}{NBSP}%"


def points(value: float) -> str:
    """Return a difference of two shares: "1.85 points"."""
    return gettext("%(n)s points").replace(" ", NBSP) % {"n": number(100 * abs(value), 2)}


def set_words(name: str) -> str:
    """Return what a model was trained on."""
    return {
        FULL: gettext("All images"),
        FOUND: gettext("The part that was found"),
        RANDOM: gettext("A random part of the same size"),
    }[name]


def interval(row: Mapping[str, Any]) -> str:
    """Return "86.40 to 87.10 %"; empty for one repeat."""
    if row.get("low") is None:
        return ""
    values = {"low": number(100 * row["low"], 2), "high": percent(row["high"])}
    return gettext("%(low)s to %(high)s") % values


def progress_words(told: Progress | None) -> str:
    """Say how far the training is that goes on; empty before the first, and while it waits."""
    if told is None or told.waits or not told.of:
        return ""
    values = {"done": number(told.done), "of": number(told.of)}
    if told.phase == "train":
        return gettext("Step %(done)s of %(of)s of this training.") % values
    return gettext("Looks at all images: %(done)s of %(of)s.") % values


def verdicts(result: Mapping[str, Any]) -> list[str]:
    """Say what the comparison shows, the main thing first; empty where nothing was compared."""
    found = result.get("differences", {})
    rows = [(name, found.get(f"{FOUND} - {name}")) for name in (RANDOM, FULL)]
    said = [_difference(name, row) for name, row in rows if row is not None]
    if said and len(result["runs"]) < 2:
        said.append(_one_repeat(result))
    return said


def _difference(other: str, row: Mapping[str, Any]) -> str:
    mean, low, high = row["mean"], row["low"], row["high"]
    repeats = len(row["values"])
    if low is None:
        return _alone(other, mean)
    ends = (low, high) if low <= 0 <= high else sorted((abs(low), abs(high)))
    values = {
        "points": points(mean),
        "low": number(100 * ends[0], 2),
        "high": number(100 * ends[1], 2),
        "n": number(repeats),
    }
    clear = _BETTER if mean > 0 else _WORSE
    text = _EVEN if low <= 0 <= high else clear
    return str(text[other]) % values


def _alone(other: str, mean: float) -> str:
    if round(100 * mean, 2) == 0:
        return str(_ALONE_EVEN[other])
    words = _ALONE_BETTER if mean > 0 else _ALONE_WORSE
    return str(words[other]) % {"points": points(mean)}


def _one_repeat(result: Mapping[str, Any]) -> str:
    """Say how much one comparison can be trusted: Wilson's 95 % interval, its farther end."""
    accuracy = result["accuracy"][FOUND]["mean"]
    held_out = max(1, int(result["held_out"]))
    low, high = wilson(round(accuracy * held_out), held_out, 1.96)
    away = max(accuracy - low, high - accuracy)
    return ngettext(
        "It was compared once, so there is no interval. Judged by %(n)s held-out image, one "
        "accuracy alone is uncertain by about %(points)s; three repeats or more give an interval.",
        "It was compared once, so there is no interval. Judged by %(n)s held-out images, one "
        "accuracy alone is uncertain by about %(points)s; three repeats or more give an interval.",
        held_out,
    ) % {"n": number(held_out), "points": points(away)}


_BETTER = {
    RANDOM: gettext_lazy(
        "The found part is %(points)s better than a random part of the same size; 95 %% interval "
        "%(low)s to %(high)s points, %(n)s repeats."
    ),
    FULL: gettext_lazy(
        "It is %(points)s better than all images together; 95 %% interval %(low)s to %(high)s points, "
        "%(n)s repeats."
    ),
}
_WORSE = {
    RANDOM: gettext_lazy(
        "The found part is %(points)s worse than a random part of the same size; 95 %% interval "
        "%(low)s to %(high)s points, %(n)s repeats. A random part serves better here."
    ),
    FULL: gettext_lazy(
        "It is %(points)s worse than all images together; 95 %% interval %(low)s to %(high)s points, "
        "%(n)s repeats."
    ),
}
_EVEN = {
    RANDOM: gettext_lazy(
        "No difference from a random part of the same size can be told; 95 %% interval of the "
        "difference %(low)s to %(high)s points, %(n)s repeats."
    ),
    FULL: gettext_lazy(
        "No difference from all images together can be told; 95 %% interval of the difference "
        "%(low)s to %(high)s points, %(n)s repeats."
    ),
}
_ALONE_BETTER = {
    RANDOM: gettext_lazy(
        "The found part came out %(points)s better than a random part of the same size."
    ),
    FULL: gettext_lazy("It came out %(points)s better than all images together."),
}
_ALONE_WORSE = {
    RANDOM: gettext_lazy(
        "The found part came out %(points)s worse than a random part of the same size."
    ),
    FULL: gettext_lazy("It came out %(points)s worse than all images together."),
}
_ALONE_EVEN = {
    RANDOM: gettext_lazy("The found part came out like a random part of the same size."),
    FULL: gettext_lazy("It came out like all images together."),
}

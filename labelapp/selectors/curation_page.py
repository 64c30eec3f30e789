"""What the page of a search shows: accuracies to draw, classes, stages, cost, other searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.models import Curation, LabelClass, Project
from labelapp.selectors import curation_words as words
from labelapp.selectors import curations
from labelapp.selectors.candidate_words import candidate_name
from labelapp.selectors.money_words import chosen_share, duration, images, money, number, share

MOST_EARLIER = 20
MOST_CLASSES = 12  # rows of the table of classes that stand open
WIDTH = 1_000  # of bars and charts, in their own units
_STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_MARKS = 4  # lines of an axis, about


@dataclass(frozen=True)
class Judged:
    """One model in the comparison; places on the axis run from 0 to WIDTH."""

    name: str
    words: str
    images: str
    accuracy: str
    interval: str
    shown: str  # images shown to the network
    at: float
    low: float | None
    span: float


@dataclass(frozen=True)
class Comparison:
    """The judged models on one axis, and what it means."""

    rows: list[Judged]
    marks: list[float]  # places of the axis' lines
    first: str
    last: str
    verdicts: list[str]


@dataclass(frozen=True)
class ClassRow:
    """How much of a class was kept: numbers of images, the share of what could be learnt from."""

    index: int
    name: str
    kept: int
    left_out: int
    held_out: int
    share: str
    bar: list[dict[str, Any]]


@dataclass(frozen=True)
class Earlier:
    """One search in the list."""

    curation: Curation
    share: str
    model: str
    outcome: str
    badge: str


# --- the result ----------------------------------------------------------------------------------


def comparison(result: Mapping[str, Any]) -> Comparison | None:
    """Return the judged models on one axis; None where nothing was compared."""
    found = result.get("accuracy") or {}
    rows = [(name, found[name]) for name in words.SETS if name in found]
    if not rows:
        return None
    ends = [end for _name, row in rows for end in (row["low"], row["high"], row["mean"])]
    low, high, marks = axis([end for end in ends if end is not None])
    shown = _shown(result)

    def place(value: float) -> float:
        return round(WIDTH * (min(max(value, low), high) - low) / (high - low), 1)

    judged = [
        Judged(
            name=name,
            words=words.set_words(name),
            images=images(result["images"][name]),
            accuracy=words.percent(row["mean"]),
            interval=words.interval(row),
            shown=number(shown[name]),
            at=place(row["mean"]),
            low=None if row["low"] is None else place(row["low"]),
            span=0.0 if row["low"] is None else max(place(row["high"]) - place(row["low"]), 1.0),
        )
        for name, row in rows
    ]
    places = [place(mark) for mark in marks]
    ends_said = (words.percent(low), words.percent(high))
    return Comparison(judged, places, *ends_said, words.verdicts(result))


def axis(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Return the ends of an axis that holds these shares, and where its lines are."""
    low, high = min(values), max(values)
    room = max(high - low, 0.004) * 0.15
    low, high = max(0.0, low - room), min(1.0, high + room)
    step = next((step for step in _STEPS if (high - low) / step <= _MARKS), _STEPS[-1])
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    marks = [round(number_ * step, 6) for number_ in range(first, max(last, first + 1) + 1)]
    return marks[0], marks[-1], marks


def _shown(result: Mapping[str, Any]) -> dict[str, int]:
    """Return the images shown to the network per training of a set, by the first repeat."""
    models = result["runs"][0]["models"]
    return {name: int(facts["samples_shown"]) for name, facts in models.items()}


def stage_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stages of the first repeat: whose part is the one that was found."""
    rows = []
    for facts in result["runs"][0]["stages"]:
        drawn = facts["kind"] == "random"
        left = facts.get("accuracy_left")
        rows.append(
            {
                "number": facts["number"],
                "size": number(facts["size"]),
                "how": _("drawn at random") if drawn else _chosen(facts),
                "accuracy": "" if drawn else words.percent(facts["accuracy"]),
                "left": "" if drawn or left is None else words.percent(left),
                "took": "" if drawn else duration(_seconds(facts)),
            }
        )
    return rows


def _chosen(facts: Mapping[str, Any]) -> str:
    learnt = int(facts["learnt_from"])
    words = ngettext(
        "chosen by networks trained on %(n)s image",
        "chosen by networks trained on %(n)s images",
        learnt,
    )
    return words % {"n": number(learnt)}


def cost_rows(project: Project, result: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what the search took: choosing, comparing, and both; in money at today's price."""
    choosing = sum(_seconds(facts) for run in result["runs"] for facts in run["stages"])
    judging = sum(_seconds(facts) for run in result["runs"] for facts in run["models"].values())
    rows = [(_("Choosing"), choosing), (_("Comparing"), judging), (_("Both"), choosing + judging)]
    price = float(project.compute_price_per_hour)
    return [
        {
            "what": what,
            "time": duration(seconds) if seconds else "-",
            "money": money(seconds / 3_600 * price, project.currency),
        }
        for what, seconds in rows
    ]


def _seconds(facts: Mapping[str, Any]) -> float:
    return float(facts.get("train_seconds", 0.0)) + float(facts.get("score_seconds", 0.0))


def class_rows(curation: Curation, classes: Mapping[int, LabelClass]) -> list[ClassRow]:
    """Return how much of each class was kept, the most kept first. Raises NotFoundError."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    found = curations.parts(curation)
    part, labels = np.asarray(found.part), np.asarray(found.labels)
    most = int(labels.max(initial=-1)) + 1
    kept, left_out, held_out = (
        np.bincount(labels[which], minlength=most).tolist()
        for which in (
            part > curations.LEFT_OUT,
            part == curations.LEFT_OUT,
            part == curations.HELD_OUT,
        )
    )
    rows = [
        _class_row(index, kept[index], left_out[index], held_out[index], classes)
        for index in range(most)
    ]
    rows = [row for row in rows if row.kept or row.left_out or row.held_out]
    return sorted(rows, key=lambda row: (-row.kept / max(1, row.kept + row.left_out), row.index))


def _class_row(
    index: int, kept: int, left_out: int, held_out: int, classes: Mapping[int, LabelClass]
) -> ClassRow:
    found, known = classes.get(index), kept + left_out
    split = round(WIDTH * kept / known, 1) if known else 0.0
    bar = [
        {"kind": "kept", "x": 0, "width": split, "count": kept, "words": _("kept")},
        {
            "kind": "left",
            "x": split,
            "width": round(WIDTH - split, 1) if known else 0,
            "count": left_out,
            "words": _("left out"),
        },
    ]
    name = str(index) if found is None else found.name
    kept_share = share(kept / known) if known else "-"
    return ClassRow(index, name, kept, left_out, held_out, kept_share, bar)


def counts(rows: Sequence[ClassRow]) -> dict[str, int]:
    """Return how many images each part has."""
    return {name: sum(getattr(row, name) for row in rows) for name in curations.WHICH}


# --- the list of searches ------------------------------------------------------------------------


def earlier(project: Project) -> list[Earlier]:
    """Return the project's searches, the newest first."""
    return [_earlier(row) for row in curations.of_project(project)[:MOST_EARLIER]]


def _earlier(curation: Curation) -> Earlier:
    return Earlier(
        curation,
        chosen_share(float(curation.settings["share"])),
        candidate_name(curation.settings["model"]),
        _outcome(curation),
        words.STATES.get(curation.state, ""),
    )


def _outcome(curation: Curation) -> str:
    found = (curation.result or {}).get("accuracy") or {}
    if not {words.FOUND, words.RANDOM} <= set(found):
        return ""
    values = {name: words.percent(found[name]["mean"]) for name in (words.FOUND, words.RANDOM)}
    return _("%(search)s, at random %(random)s") % values

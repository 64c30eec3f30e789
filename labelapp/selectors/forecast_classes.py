"""Per class: images, the machine's error on T, and what it takes for what.

Errors and confusions are counts over T under the last training's leader, without saying which
images they are: that stays secret, for a project can be opened again. T's images can be listed by
their class, so a class with few of them has no counts of its own (`too_few`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from labelapp.selectors.browse_query import browse_url
from labelapp.selectors.dashboard_charts import wilson
from labelapp.selectors.dashboard_words import number, share
from labelapp.selectors.forecast_counts import Counts
from labelapp.selectors.forecast_facts import Facts

SMALL = 12  # classes at most whose matrix leaves room beside it
MATRIX = 30  # classes at most that are drawn as a matrix
PAIRS = 50  # confusions that are listed
HEATS = 9
LEAST = 5  # test images of a class, or of all classes without counts: fewer single images out
_Z95 = 1.959963984540054

Pair = tuple[int, int]
Row = dict[str, Any]


def pairs_of(profile: dict[str, Any]) -> Counter[Pair]:
    """Count T's images by (people's class, the machine's class)."""
    return Counter(zip(profile.get("label") or [], profile.get("pred") or [], strict=True))


def confusions(pairs: Counter[Pair]) -> list[tuple[Pair, int]]:
    """Return the mistakes, the most frequent first."""
    wrong = [(pair, count) for pair, count in pairs.items() if pair[0] != pair[1]]
    return sorted(wrong, key=lambda item: (-item[1], item[0]))


def too_few(pairs: Counter[Pair]) -> frozenset[int]:
    """Return the classes whose counts would tell what the machine says of single test images.

    Those with fewer than `LEAST` test images; and where these are fewer than `LEAST` together,
    the next larger ones too, for the sum over all classes is known and differences would tell.
    """
    sizes: Counter[int] = Counter()
    for (label, _pred), count in pairs.items():
        sizes[label] += count
    found: set[int] = set()
    hidden = 0
    for label, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
        if size >= LEAST and (not found or hidden >= LEAST):
            break
        found.add(label)
        hidden += size
    return frozenset(found)


def counted_pairs(profile: dict[str, Any]) -> Counter[Pair]:
    """Count T's images as `pairs_of` does, without the classes that have too few of them."""
    pairs = pairs_of(profile)
    few = too_few(pairs)
    return Counter({pair: count for pair, count in pairs.items() if pair[0] not in few})


def class_rows(facts: Facts, names: dict[int, str], counted: Counts) -> list[Row]:
    """Return one row per class that has images or test images, those with most errors first.

    A row with `few` says nothing of its test images but their number (`too_few`); what the
    machine gave its class is counted over the test images of the other classes.
    """
    pairs = counted_pairs(facts.profile)
    labels: Counter[int] = Counter()
    preds: Counter[int] = Counter()
    for (label, pred), count in pairs.items():
        labels[label] += count
        preds[pred] += count
    wrong = confusions(pairs)
    rows = [
        _row(facts, index, name, counted, (labels[index], preds[index], pairs[index, index]))
        | {"mistakes": _mistakes(facts, index, names, wrong)}
        for index, name in names.items()
    ]
    every = pairs_of(facts.profile)
    few = dict.fromkeys(too_few(every), 0)
    for (label, _pred), count in every.items():
        if label in few:
            few[label] += count
    rows = [_without_counts(row, few[row["index"]]) if row["index"] in few else row for row in rows]
    rows = [row for row in rows if row["images"] or row["tests"] or row["guessed"]]
    return sorted(rows, key=lambda row: (-(row["wrong"] or 0), -row["images"], row["index"]))


def _row(facts: Facts, index: int, name: str, counted: Counts, seen: tuple[int, int, int]) -> Row:
    """Describe a class; `seen` are T's images of it, those guessed as it, and those of both."""
    tests, guessed, right = seen
    people, machine = counted.of_class(index, "human"), counted.of_class(index, "machine")
    low, high = wilson(tests - right, tests, _Z95)
    return {
        "index": index,
        "name": name,
        "url": browse_url(facts.project.public_id, label=index),
        "images": people + machine,
        "people": people,
        "machine": machine,
        "tests": tests,
        "guessed": guessed,
        "right": right,
        "wrong": tests - right,
        "error": (tests - right) / tests if tests else None,
        "low": low if tests else None,
        "high": high if tests else None,
        "recall": right / tests if tests else None,
        "precision": right / guessed if guessed else None,
        "few": False,
        "images_text": number(people + machine),
        "people_text": number(people),
        "machine_text": number(machine),
        "error_text": share((tests - right) / tests) if tests else "",
        "interval": f"{share(low)} \u2013 {share(high)}" if tests else "",
        "recall_text": share(right / tests) if tests else "",
        "precision_text": share(right / guessed) if guessed else "",
    }


def _without_counts(row: Row, tests: int) -> Row:
    """Return the row of a class with too few test images: their number is known, no more."""
    unsaid = dict.fromkeys(("right", "wrong", "precision"))
    return row | unsaid | {"few": True, "tests": tests, "precision_text": ""}


def _mistakes(
    facts: Facts, index: int, names: dict[int, str], wrong: list[tuple[Pair, int]]
) -> list[Row]:
    """Return the two classes for which the machine takes this one most often."""
    found = [(pair, count) for pair, count in wrong if pair[0] == index][:2]
    return [_confusion(facts, pair, count, names) for pair, count in found]


def _confusion(facts: Facts, pair: Pair, count: int, names: dict[int, str]) -> Row:
    label, pred = pair
    return {
        "label": label,
        "pred": pred,
        "label_name": names.get(label, str(label)),
        "pred_name": names.get(pred, str(pred)),
        "count": count,
        "url": browse_url(facts.project.public_id, label=label, guess=pred),
    }


def top_confusions(facts: Facts, names: dict[int, str], most: int = PAIRS) -> list[Row]:
    """Return the most frequent mistakes, each with the share of its class's test images."""
    pairs = counted_pairs(facts.profile)
    sizes: Counter[int] = Counter()
    for (label, _pred), count in pairs.items():
        sizes[label] += count
    return [
        _confusion(facts, pair, count, names)
        | {"of": sizes[pair[0]], "share": share(count / sizes[pair[0]])}
        for pair, count in confusions(pairs)[:most]
    ]


def matrix(facts: Facts, names: dict[int, str]) -> dict[str, Any] | None:
    """Return the confusion matrix over T, people's classes down; None beyond `MATRIX` classes.

    Classes with too few test images have no row. `heat` is 0 to 9 by the share of the row: colour says it, the number beside it says it too.
    """
    pairs = counted_pairs(facts.profile)
    shown = [k for k in names if any(k in pair for pair in pairs)]
    if not pairs or not 2 <= len(shown) <= MATRIX:
        return None
    rows = []
    for label in shown:
        size = sum(pairs[label, pred] for pred in shown)
        cells = [_cell(facts, (label, pred), pairs[label, pred], size) for pred in shown]
        rows.append({"index": label, "name": names[label], "size": size, "cells": cells})
    classes = [{"index": k, "name": names[k]} for k in shown]
    return {"classes": classes, "rows": rows, "small": len(shown) <= SMALL}


def _cell(facts: Facts, pair: Pair, count: int, size: int) -> Row:
    part = count / size if size else 0.0
    return {
        "pred": pair[1],
        "count": count,
        "share": share(part, digits=0) if count else "",
        "right": pair[0] == pair[1],
        "heat": 0 if not count else max(1, round(HEATS * part)),
        "url": browse_url(facts.project.public_id, label=pair[0], guess=pair[1]) if count else "",
    }

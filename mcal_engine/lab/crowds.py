"""Real crowds: answers by people whose truth is known, and how well each consensus does on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from mcal_engine.errors import DataError
from mcal_engine.people import agreement, consensus, dawid_skene
from mcal_engine.people.human_error import from_overlap
from mcal_engine.people.votes import Floats, Ints, Votes, votes
from mcal_engine.selection import hash_order

SETS = ("bluebirds", "dogs", "labelme")
COLUMNS = ("c10n_random_label1", "c10n_random_label2", "c10n_random_label3")
"""CIFAR-10N: three answers an image; its worker ids are not published in order, so a column
stands for a person."""
TRAIN_IMAGES = 50_000  # of CIFAR-10: the test images come after them
FOLDS = 5
PENALTY = 1.0  # of the regression: sum of squared weights, times this / 2


@dataclass(frozen=True)
class Crowd:
    """Answers, the truth of every image, and features [n_items, d] where there are any."""

    name: str
    votes: Votes
    truth: Ints
    features: NDArray[np.float32] | None = None


def load(folder: Path, name: str) -> Crowd:
    """Read a set of `SETS` from crowd_labels.npz, or "c10n", "c10s" from human_labels_cifar10.npz.

    Raises `DataError` where the file is not there.
    """
    path = _there(folder, "crowd_labels.npz" if name in SETS else "human_labels_cifar10.npz")
    with np.load(path, allow_pickle=False) as arrays:
        if name == "c10s":
            return _c10s(arrays, _there(folder, "cifar10_jpeg.npz"))
        if name == "c10n":
            told = np.stack([arrays[column] for column in COLUMNS], axis=1).astype(np.int64)
            return c10n(told, arrays["c10n_clean_label"].astype(np.int64))
        truth = arrays[f"{name}_truth"].astype(np.int64)
        rows = [arrays[f"{name}_{column}"] for column in ("item", "worker", "label")]
        classes = len(arrays[f"{name}_class_names"])
        features = arrays["labelme_vgg_train"] if name == "labelme" else None
    return Crowd(name, votes(*rows, n_items=len(truth), classes=classes), truth, features)


def _there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise DataError(f"there is no {name} in {folder}")
    return path


def _c10s(arrays: Mapping[str, NDArray[Any]], pictures: Path) -> Crowd:
    """CIFAR-10S: single answers by known workers on 1,000 test images, repeated ones left out."""
    first = ~arrays["c10s_is_repeat"]
    shown, item = np.unique(arrays["c10s_item"][first], return_inverse=True)
    worker, label = arrays["c10s_worker"][first], arrays["c10s_label"][first]
    once = np.unique(item * (int(worker.max()) + 1) + worker, return_index=True)[1]
    with np.load(pictures, allow_pickle=False) as truth:
        right = truth["labels"][TRAIN_IMAGES + shown].astype(np.int64)
    made = votes(item[once], worker[once], label[once], n_items=len(shown), classes=10)
    return Crowd("c10s", made, right)


def c10n(told: Ints, truth: Ints) -> Crowd:
    """Return a crowd of answers [images, people], all of them given."""
    n, people = told.shape
    items, workers = np.repeat(np.arange(n), people), np.tile(np.arange(people), n)
    classes = int(max(told.max(), truth.max())) + 1
    return Crowd("c10n", votes(items, workers, told.ravel(), classes=classes), truth)


def judged(crowd: Crowd) -> dict[str, object]:
    """Return accuracy of each method, agreement, and what overlap estimates beside the truth."""
    made, truth = crowd.votes, crowd.truth
    found = {
        "majority": consensus.majority(made),
        "dawid_skene": consensus.by_posterior(made, dawid_skene.fit(made).posterior),
    }
    if crowd.features is not None:
        probabilities = out_of_sample(crowd.features, found["majority"].labels, made.classes)
        found["crowdlab"] = consensus.crowdlab(made, probabilities)
    several = made.per_item >= 2
    wrong = {
        "answers": float((made.labels != truth[made.items])[several[made.items]].mean()),
        "labels": float((found["dawid_skene"].labels != truth)[several].mean()),
    }
    overlap = {of: from_overlap(made, of=of) for of in wrong}
    return {
        "images": made.n_items,
        "people": made.n_workers,
        "answers": len(made),
        "classes": made.classes,
        "accuracy": {name: float((one.labels == truth).mean()) for name, one in found.items()},
        "fleiss": _interval(agreement.fleiss(made)),
        "alpha": _interval(agreement.krippendorff(made)),
        "overlap": {
            of: {"true": wrong[of], "estimated": one.share, "low": one.low, "high": one.high}
            for of, one in overlap.items()
            if one is not None
        },
    }


def _interval(found: agreement.Coefficient) -> dict[str, float | None]:
    return {"value": found.value, "low": found.low, "high": found.high}


def out_of_sample(features: NDArray[np.float32], labels: Ints, classes: int) -> Floats:
    """Return a linear model's probabilities, each image judged by a model that never saw it.

    Softmax regression on standardised features, `FOLDS`-fold by hash order.
    """
    n = len(labels)
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    inputs = np.hstack([scaled, np.ones((n, 1))]).astype(np.float64)
    fold = np.empty(n, dtype=np.int64)
    fold[hash_order("crowd:folds", np.arange(n, dtype=np.int64))] = np.arange(n) % FOLDS
    found = np.empty((n, classes))
    for number in range(FOLDS):
        weights = _regression(inputs[fold != number], labels[fold != number], classes)
        found[fold == number] = np.exp(log_softmax(inputs[fold == number] @ weights, axis=1))
    return found


def _regression(inputs: Floats, labels: Ints, classes: int) -> Floats:
    target = np.eye(classes)[labels]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(-1, classes)
        logs = log_softmax(inputs @ weights, axis=1)
        slope = inputs.T @ (np.exp(logs) - target) + PENALTY * weights
        return float(-(logs * target).sum() + PENALTY / 2 * (weights**2).sum()), slope.ravel()

    start = np.zeros(inputs.shape[1] * classes)
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return np.asarray(solved.x).reshape(-1, classes)

"""Several answers -> one label: majority, Dawid-Skene, or CROWDLAB with a model's probabilities.

Every rule keeps all answers and can be applied again at any time. CROWDLAB (Goh, Tkachenko and
Mueller 2022, arXiv:2210.06812) is cleanlab's, imported only when it is asked for.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mcal_engine.errors import DataError
from mcal_engine.people import dawid_skene
from mcal_engine.people.votes import Floats, Ints, Votes

MOST_CELLS = 100_000_000
"""Images times people that CROWDLAB may lay out in full: 800 MB."""


class Method(StrEnum):
    """How several answers become a label."""

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"
    CROWDLAB = "crowdlab"


@dataclass(frozen=True)
class Consensus:
    """The label of each image, -1 where nobody answered.

    `votes` are its answers, `agreement` the share of them that say the label (NaN without any);
    `confidence` is the method's probability of the label, for majority the same share.
    """

    labels: Ints
    votes: Ints
    agreement: Floats
    confidence: Floats


def consensus(method: Method, votes: Votes, probabilities: Floats | None = None) -> Consensus:
    """Apply a method. `probabilities` [n_items, classes] of a model are CROWDLAB's alone.

    Raises `DataError` where CROWDLAB lacks them, or the answers are too many for the method.
    """
    if method is Method.DAWID_SKENE:
        return by_posterior(votes, dawid_skene.fit(votes).posterior)
    if method is Method.CROWDLAB:
        if probabilities is None:
            raise DataError("CROWDLAB needs a model's probabilities of the images")
        return crowdlab(votes, probabilities)
    return majority(votes)


def majority(votes: Votes) -> Consensus:
    """Take the class that most people gave; of equals the one that was given first."""
    n, k = votes.n_items, votes.classes
    keys = votes.items * k + votes.labels
    unique, first, counts = np.unique(keys, return_index=True, return_counts=True)
    item, label = unique // k, unique % k
    best_first = np.lexsort((first, -counts, item))
    winners = best_first[np.unique(item[best_first], return_index=True)[1]]
    labels = np.full(n, -1, dtype=np.int64)
    labels[item[winners]] = label[winners]
    share = _agreement(votes, labels)
    return Consensus(labels, votes.per_item, share, share)


def by_posterior(votes: Votes, posterior: Floats) -> Consensus:
    """Take the most probable class of every image with an answer; of equals the lowest number."""
    answered = votes.per_item > 0
    labels = np.where(answered, posterior.argmax(axis=1), -1).astype(np.int64)
    sure = np.where(answered, posterior.max(axis=1), np.nan)
    return Consensus(labels, votes.per_item, _agreement(votes, labels), sure)


def crowdlab(votes: Votes, probabilities: Floats) -> Consensus:
    """Weigh people and a model by how well each agrees with the others, as cleanlab 2.9 does.

    The model must not have been trained on the very answers that it judges, or it repeats them
    (out-of-sample probabilities). Images with one answer take part. Raises `DataError`.
    """
    if probabilities.shape != (votes.n_items, votes.classes):
        raise DataError(f"{probabilities.shape} probabilities, not {votes.n_items} x classes")
    if votes.n_items * votes.n_workers > MOST_CELLS:
        raise DataError("too many images and people for CROWDLAB here; use Dawid-Skene")
    answered = votes.per_item > 0
    some = votes.only(answered)
    if not (some.per_item > 1).any():  # nothing to weigh: each image has its one answer
        return majority(votes)
    labels = np.full(votes.n_items, -1, dtype=np.int64)
    sure = np.full(votes.n_items, np.nan)
    labels[answered], sure[answered] = _cleanlab(some, probabilities[answered])
    return Consensus(labels, votes.per_item, _agreement(votes, labels), sure)


def _cleanlab(votes: Votes, probabilities: Floats) -> tuple[Ints, Floats]:
    from cleanlab.multiannotator import (  # noqa: PLC0415 - pandas and scikit-learn with it
        get_label_quality_multiannotator,
    )

    used, number = np.unique(votes.workers, return_inverse=True)  # nobody without an answer
    given = np.full((votes.n_items, len(used)), np.nan)
    given[votes.items, number] = votes.labels
    # probabilities of 0 and 1 have no logarithm; rows must sum to 1
    known = np.clip(probabilities, 1e-6, None)
    known = known / known.sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas' and of classes that nobody gave
        found = get_label_quality_multiannotator(
            given,
            known,
            return_detailed_quality=False,
            return_annotator_stats=False,
            verbose=False,
        )["label_quality"]
    labels = found["consensus_label"].to_numpy().astype(np.int64)
    return labels, found["consensus_quality_score"].to_numpy().astype(np.float64)


def _agreement(votes: Votes, labels: Ints) -> Floats:
    same = votes.labels == labels[votes.items]
    alike = np.bincount(votes.items, same, votes.n_items)
    given = votes.per_item
    return np.where(given > 0, alike / np.maximum(given, 1), np.nan)

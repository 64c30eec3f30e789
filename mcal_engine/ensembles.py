"""What E members say together: their mean, and how far they disagree.

K. Chitta, J. M. Alvarez, E. Haussmann, C. Farabet, "Training Data Distribution Search with
Ensemble Active Learning" (2019), Sec. 2.2; equation numbers are that paper's. p_e is member e's
distribution over the classes, p = (1/E) sum of p_e (Eq. 2) their mean; entropies are in nats.

    entropy of the mean (Eq. 3)   H(p) = - sum over k of p_k log p_k
    mutual information (Eq. 4)    J = H(p) - (1/E) sum over e of H(p_e)       0 <= J <= H(p)
    variation ratios   (Eq. 5)    V = 1 - (votes for the mode) / E            0 <= V <= 1 - 1/E
    error count        (Eq. 6)    1 - (votes for the given label) / E         labelled sets only

One member agrees with itself: J and V are then zero for every image, and rank nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mcal_engine.errors import InvalidAnswerError
from mcal_engine.scores import (
    AnyFloats,
    Floats32,
    Uncertainties,
    entropies,
    narrow,
    uncertainties,
)
from mcal_engine.types import FloatArray, IntArray, Scores


def predictive_entropy(members: AnyFloats) -> Floats32:
    """Return H of the members' mean (Eq. 3) for probabilities [E, n, C], in nats: [n]."""
    return tally_of(members).uncertainties().entropy


def mutual_information(members: AnyFloats) -> Floats32:
    """Return J (Eq. 4, also BALD or Jensen-Shannon) for probabilities [E, n, C], in nats: [n]."""
    return tally_of(members).mutual()


def variation_ratios(members: AnyFloats) -> Floats32:
    """Return V (Eq. 5), the share of members outside the largest camp, for [E, n, C]: [n]."""
    return tally_of(members).variation()


def error_count(members: AnyFloats, labels: IntArray) -> Floats32:
    """Return the share of members that contradict the label (Eq. 6), for [E, n, C]: [n].

    Never for a run of MCAL: it needs the label of every image that it ranks.
    """
    return tally_of(members).contradictions(labels)


def tally_of(members: Iterable[AnyFloats]) -> Tally:
    """Count all members at once: E arrays of probabilities [n, C]."""
    tally = None
    for probabilities in members:
        tally = tally or Tally(*probabilities.shape)
        tally.add(probabilities)
    if tally is None:
        raise InvalidAnswerError("an ensemble has at least one member")
    return tally


class Tally:
    """What E members say about n images, in memory that does not grow with E.

    Holds the sum of their probabilities, the sum of their entropies and their votes: 10 C + 12
    bytes per image of C classes.
    """

    def __init__(self, n: int, classes: int) -> None:
        self.sums: FloatArray = np.zeros((n, classes))
        self.inner: FloatArray = np.zeros(n)  # sum over e of H(p_e), nats
        self.votes = np.zeros((n, classes), dtype=np.uint16)
        self.seen = np.zeros(n, dtype=np.uint32)  # E, once every member was added

    @staticmethod
    def rows_within(size: int, classes: int) -> int:
        """Return how many images a tally of this many bytes holds, at least one."""
        return max(1, size // (10 * classes + 12))

    def add(self, probabilities: AnyFloats, rows: slice | None = None) -> None:
        """Count one member's probabilities, rows of [n, C] that sum to 1, or some rows of it."""
        where = slice(0, len(self.sums)) if rows is None else rows
        if probabilities.shape != self.sums[where].shape:
            raise InvalidAnswerError(
                f"a member's probabilities are {probabilities.shape}, not {self.sums[where].shape}"
            )
        self.sums[where] += probabilities
        self.inner[where] += entropies(probabilities)
        self.votes[where][np.arange(len(probabilities)), probabilities.argmax(axis=1)] += 1
        self.seen[where] += 1

    @property
    def members(self) -> int:
        """E. Raises `InvalidAnswerError` unless every image has heard every member."""
        first = int(self.seen[0]) if len(self.seen) else 0
        if first == 0 or (self.seen != first).any():
            raise InvalidAnswerError("an ensemble's members must all have scored every image")
        return first

    def part(self, rows: slice) -> Tally:
        """Return the tally of some images; it shares its memory with this one."""
        found = Tally(0, self.sums.shape[1])
        found.sums, found.inner = self.sums[rows], self.inner[rows]
        found.votes, found.seen = self.votes[rows], self.seen[rows]
        return found

    def mean(self) -> FloatArray:
        """Return the members' mean [n, C] (Eq. 2)."""
        return self.sums / self.members

    def mutual(self) -> Floats32:
        """Return the mutual information [n] (Eq. 4), nats; rounding never leaves [0, H(p)]."""
        whole = entropies(self.sums)
        return narrow(np.clip(whole - self.inner / self.members, 0.0, np.maximum(whole, 0.0)))

    def variation(self) -> Floats32:
        """Return the variation ratios [n] (Eq. 5)."""
        return narrow(1.0 - self.votes.max(axis=1) / self.members)

    def contradictions(self, labels: IntArray) -> Floats32:
        """Return the error count [n] (Eq. 6) against labels [n]."""
        if labels.shape != (len(self.sums),):
            raise InvalidAnswerError(
                f"{labels.shape} labels do not go with {len(self.sums)} images"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.sums.shape[1]:
            raise InvalidAnswerError("errors can be counted only where every image has a label")
        return narrow(1.0 - self.votes[np.arange(len(labels)), labels] / self.members)

    def uncertainties(self) -> Uncertainties:
        """Return class and uncertainties of the mean, entropy (Eq. 3) among them."""
        return uncertainties(self.sums)

    def scores(self, model: str) -> Scores:
        """Return all that is said of these images, under the model's name."""
        pred, margin, least, entropy = self.uncertainties()
        mutual, variation = self.mutual(), self.variation()
        return Scores(pred, margin, model, least, entropy, mutual=mutual, variation=variation)

"""Several answers to one image: how many are wanted, and what they come to.

Pure functions: the same rules hold for labels, prices and tests.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Majority:
    """The class that most answers name, and the share of the answers that name it."""

    class_index: int
    agreement: float


def majority(classes: Sequence[int]) -> Majority:
    """Return the most frequent class; among equals the one that was given first.

    `classes` are the class numbers in the order they were given. Raises ValueError for none.
    """
    if not classes:
        raise ValueError("a majority needs at least one answer")
    count = Counter(classes)
    most = max(count.values())
    winner = next(index for index in classes if count[index] == most)
    return Majority(winner, most / len(classes))


def wants_more(classes: Sequence[int], *, overlap: int, most: int) -> bool:
    """Tell whether one more person is asked about an image whose wanted answers are all there.

    The `overlap` answers of the first round must agree; where they do not, one more person at a
    time is asked until more than half name one class, or until there are `most` answers.
    """
    given = len(classes)
    if given < 2 or given >= most:
        return False
    agreement = majority(classes).agreement
    return agreement < 1 if given <= overlap else agreement <= 0.5


def wanted_answers(*, seed: int, seq: int, overlap: int, share: float) -> int:
    """Return how many answers this image gets at first: `overlap`, or 1 outside of the share.

    The choice depends on the run's seed and the image's number only, so it is blind to what the
    image shows, to the test marks and to the model.
    """
    if overlap <= 1 or share <= 0:
        return 1
    if share >= 1:
        return overlap
    digest = hashlib.sha256(f"{seed}:{seq}".encode()).digest()
    return overlap if int.from_bytes(digest[:8], "big") / 2**64 < share else 1

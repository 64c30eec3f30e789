"""How an ensemble's size and kind change what it knows, and how far its checkpoints agree.

Chitta et al., "Training Data Distribution Search with Ensemble Active Learning": ensemble
configurations (Sec. 3, Tables 2 and 3) and checkpoint consensus (appendix B, Fig. 2). One training
of R runs with K checkpoints each gives every kind at once: each is some of the same members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine.ensembles import Tally
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.types import FloatArray, IntArray, Scores

SINGLE, SEEDS, COMBINED = "single", "seeds", "combined"


@dataclass(frozen=True)
class Kind:
    """An ensemble configuration: its name, with the number of members, and which those are."""

    name: str
    members: tuple[int, ...]


def kinds(runs: int, checkpoints: Sequence[int]) -> tuple[Kind, ...]:
    """Return the paper's configurations of R runs with K = max(checkpoints) checkpoints each.

    Members are numbered run by run. `single` is the last checkpoint of the first run; `seeds` the
    last of each run; n checkpoints are spread evenly over those of the first run and end with its
    last; `combined` are all. Raises `InvalidConfigError`.
    """
    if runs < 2 or not checkpoints or min(checkpoints) < 2:
        raise InvalidConfigError("a consensus needs two runs or more and two checkpoints or more")
    kept = max(checkpoints)
    found = [
        Kind(SINGLE, (kept - 1,)),
        Kind(f"{SEEDS} ({runs})", tuple(run * kept + kept - 1 for run in range(runs))),
    ]
    for count in sorted(set(checkpoints)):
        places = kept - 1 - np.arange(count - 1, -1, -1) * kept // count
        found.append(Kind(f"checkpoints ({count})", tuple(int(place) for place in places)))
    found.append(Kind(f"{COMBINED} ({runs * kept})", tuple(range(runs * kept))))
    return tuple(found)


class Collector:
    """Listens to every member while the pool is scored: a tally per kind, and all their votes.

    Takes (10 C + 12) bytes per image and kind, and 2 bytes per image and member.
    """

    def __init__(self, n: int, classes: int, kinds: Sequence[Kind], members: int) -> None:
        self.kinds = tuple(kinds)
        self.tallies = {kind.name: Tally(n, classes) for kind in kinds}
        self.votes = np.zeros((members, n), dtype=np.uint16)
        self._heard = np.zeros(members, dtype=np.int64)

    def take(self, member: int, rows: slice, probabilities: NDArray[np.floating[Any]]) -> None:
        """Count one member's probabilities of some images."""
        for kind in self.kinds:
            if member in kind.members:
                self.tallies[kind.name].add(probabilities, rows)
        self.votes[member, rows] = probabilities.argmax(axis=1)
        self._heard[member] += len(probabilities)

    def check(self) -> None:
        """Raise `InvalidAnswerError` unless each member has spoken once on every image."""
        if (self._heard != self.votes.shape[1]).any():
            raise InvalidAnswerError("not every member has scored every image")

    def scores(self, kind: Kind) -> Scores:
        """Return what this kind of ensemble says of all images."""
        self.check()
        return self.tallies[kind.name].scores(f"consensus:{kind.name}")

    def accuracy(
        self, kind: Kind, labels: IntArray, parts: Mapping[str, IntArray]
    ) -> dict[str, float]:
        """Return the accuracy of the members' mean on each part of the pool (Table 2)."""
        self.check()
        pred = self.tallies[kind.name].sums.argmax(axis=1)
        return {name: float((pred[part] == labels[part]).mean()) for name, part in parts.items()}


def agreement(votes: NDArray[np.uint16]) -> dict[str, list[float]]:
    """Return how far the checkpoints of one run agree (Fig. 2), votes [K, M] in their order.

    For n = 2 to K: `all` is the share of images on which the last n checkpoints have one and the
    same vote, `pairs` that on which the two checkpoints agree that are n - 1 and n from the end.
    """
    if votes.ndim != 2 or len(votes) < 2 or votes.shape[1] == 0:
        raise InvalidAnswerError("agreement needs votes of two checkpoints or more, on some images")
    backwards = votes[::-1]
    next_to = backwards[1:] == backwards[:-1]
    together = np.logical_and.accumulate(next_to, axis=0)
    return {
        "n": list(range(2, len(votes) + 1)),
        "all": [float(share) for share in together.mean(axis=1)],
        "pairs": [float(share) for share in next_to.mean(axis=1)],
    }


def mean_and_range(curves: Sequence[Sequence[float]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, least and largest of several curves of one length."""
    stacked = np.asarray(curves, dtype=np.float64)
    return stacked.mean(axis=0), stacked.min(axis=0), stacked.max(axis=0)

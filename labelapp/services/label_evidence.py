"""Out-of-sample probabilities of labelled images, row by row from files: memory stays bounded.

Of an image in B: what the model before it joined said, kept by `services.past_guesses`. Of all
others: what the newest model says. Where a training kept no probabilities (very large projects),
the class that the model gives and its probability stand for them; the rest is spread evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelapp.models import Project
from labelapp.selectors.browse_guess import UNKNOWN, UNSEEN, before_folder
from labelapp.selectors.predictions import model_folder
from labelapp.services.model_files import PROBS
from labelapp.services.past_guesses import FILES
from labelapp.services.past_guesses import PROBS as KEPT

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Evidence:
    """The score files of a project's newest model, and of those before images joined B."""

    classes: int
    heirs: NDArray[Any]  # class index -> the class that it counts as
    probs: NDArray[Any] | None  # [n, C] on disk
    pred: NDArray[Any]
    least: NDArray[Any]
    before: NDArray[Any]  # UNKNOWN, UNSEEN, or the class
    before_margin: NDArray[Any]
    kept: NDArray[Any]  # [|B|, C] on disk
    place: NDArray[Any]  # image -> row of `kept`, or -1

    @classmethod
    def of(cls, project: Project) -> Evidence | None:
        """Return the evidence; None before the first training."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        folder = model_folder(project)
        pred, least = (_load(folder, f"{name}.npy") for name in ("pred", "least"))
        if pred is None or least is None:
            return None
        n, own = len(pred), before_folder(project.public_id)
        heirs = _heirs(project)
        before = np.full(n, UNKNOWN, dtype=np.uint16)
        margin = np.zeros(n, dtype=np.float32)
        for array, name in ((before, FILES[0]), (margin, FILES[1])):
            old = _load(own, name)
            if old is not None:
                array[: len(old)] = old[:n]
        probs, kept, seqs = _load(folder, PROBS), _load(own, KEPT[1]), _load(own, KEPT[0])
        count = max(len(heirs), 0 if probs is None else probs.shape[1], int(pred.max()) + 1)
        place = np.full(n, -1, dtype=np.int64)
        if kept is None or seqs is None or len(kept) != len(seqs):
            kept = np.zeros((0, count), dtype=np.float16)
        else:
            inside = seqs < n
            place[seqs[inside]] = np.flatnonzero(inside)
        heirs = np.concatenate([heirs, np.arange(len(heirs), count)])
        return cls(count, heirs, probs, pred, least, before, margin, kept, place)

    @property
    def whole(self) -> bool:
        """Tell whether the newest model kept the probabilities of every class."""
        return self.probs is not None

    def known(self, seqs: NDArray[Any]) -> NDArray[Any]:
        """Tell of which images something is known out of sample."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        inside = seqs < len(self.pred)
        found = np.zeros(len(seqs), dtype=np.bool_)
        found[inside] = self.before[seqs[inside]] != UNSEEN
        return found

    def rows(self, seqs: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities [m, C], float64, each row summing to 1; merged classes together."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        early = self.before[seqs] != UNKNOWN
        top = np.where(early, self.before[seqs], self.pred[seqs]).astype(np.int64)
        sure = np.where(early, (1.0 + self.before_margin[seqs]) / 2.0, 1.0 - self.least[seqs])
        sure = np.clip(sure, 1.0 / self.classes, 1.0)
        spread = (1.0 - sure) / max(self.classes - 1, 1)
        found = np.repeat(spread[:, None], self.classes, axis=1)
        found[np.arange(len(seqs)), np.minimum(top, self.classes - 1)] = sure
        if self.probs is not None:
            late = np.flatnonzero(~early)
            found[late] = 0.0
            found[late[:, None], np.arange(self.probs.shape[1])] = self.probs[seqs[late]]
        stored = np.flatnonzero(early & (self.place[seqs] >= 0))
        if len(stored):
            found[stored] = 0.0
            wide = np.arange(self.kept.shape[1])
            found[stored[:, None], wide] = self.kept[self.place[seqs[stored]]]
        folded = np.zeros_like(found)
        for index in range(self.classes):
            folded[:, self.heirs[index]] += found[:, index]
        folded = np.maximum(folded, 1e-9)
        return np.asarray(folded / folded.sum(axis=1, keepdims=True))


def _load(folder: Path | None, name: str) -> NDArray[Any] | None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    try:
        return None if folder is None else np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None


def _heirs(project: Project) -> NDArray[Any]:
    """Return, by class index, the class that it counts as."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    rows = dict(project.classes.values_list("index", "merged_into__index"))
    size = max(rows, default=-1) + 1
    heirs = np.arange(size)
    for index in rows:
        target, steps = index, 0
        while rows.get(target) is not None and steps < size:
            target, steps = rows[target], steps + 1
        heirs[index] = target
    return heirs

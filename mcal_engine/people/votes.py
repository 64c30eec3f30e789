"""The answers of several people to the same images, as three arrays: who said what of which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mcal_engine.errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Votes:
    """One row an answer, in the order in which they were given.

    `items` are 0..n_items-1, `workers` 0..n_workers-1, `labels` 0..classes-1; all int64 of one
    length. A person answers an image at most once; an image may have no answer.
    """

    items: Ints
    workers: Ints
    labels: Ints
    n_items: int
    n_workers: int
    classes: int

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.items)

    @property
    def per_item(self) -> Ints:
        """Return how many answers each image has."""
        return np.bincount(self.items, minlength=self.n_items).astype(np.int64)

    def only(self, kept: NDArray[np.bool_]) -> Votes:
        """Return the answers of the images that `kept` [n_items] names, numbered anew in order."""
        number = np.cumsum(kept) - 1
        rows = kept[self.items]
        return Votes(
            number[self.items[rows]].astype(np.int64),
            self.workers[rows],
            self.labels[rows],
            int(kept.sum()),
            self.n_workers,
            self.classes,
        )

    def table(self) -> sparse.csr_array:
        """Return how often each image was given each class [n_items, classes], sparse."""
        shape = (self.n_items, self.classes)
        ones = np.ones(len(self), dtype=np.float64)
        return sparse.csr_array((ones, (self.items, self.labels)), shape=shape)


def votes(
    items: ArrayLike,
    workers: ArrayLike,
    labels: ArrayLike,
    *,
    n_items: int | None = None,
    n_workers: int | None = None,
    classes: int | None = None,
) -> Votes:
    """Check three columns of whole numbers; sizes that are not given are the largest seen plus 1.

    Raises `DataError` for columns of different lengths, numbers out of range, fewer than two
    classes, and for a person who answers one image twice.
    """
    columns = [_whole(name, column) for name, column in _named(items, workers, labels)]
    if len({len(column) for column in columns}) != 1:
        raise DataError("images, people and classes must be columns of one length")
    item, worker, label = columns
    made = Votes(
        *(item, worker, label),
        _size("images", item, n_items, 0),
        _size("people", worker, n_workers, 0),
        _size("classes", label, classes, 2),
    )
    once = np.unique(made.items * max(made.n_workers, 1) + made.workers)
    if len(once) != len(made):
        raise DataError("a person answered an image twice")
    return made


def _named(*columns: ArrayLike) -> list[tuple[str, ArrayLike]]:
    return list(zip(("images", "people", "classes"), columns, strict=True))


def _whole(name: str, column: ArrayLike) -> Ints:
    found = np.asarray(column)
    if found.size == 0:
        return np.empty(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DataError(f"{name} must be one column of whole numbers")
    return found.astype(np.int64)


def _size(name: str, column: Ints, given: int | None, least: int) -> int:
    found = int(column.max()) + 1 if len(column) else 0
    size = max(found, least) if given is None else given
    if len(column) and (int(column.min()) < 0 or found > size):
        raise DataError(f"a number of the {name} is outside 0 to {size - 1}")
    if size < least:
        raise DataError(f"there must be at least {least} {name}")
    return size

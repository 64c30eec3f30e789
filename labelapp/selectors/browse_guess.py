"""What the models say of images, for the browser: their class and margin, out of sample.

Of an image that trains the network: what the model before it joined B said, as kept by
`services.past_guesses`. Of every other one: what the newest model says. Withheld, until the run
has finished, wherever people's answers measure the machine: test marks, tests, audits, gold. The
test images T (marks outside B) stay withheld after the end, for a finished project can be opened
again and T then measures it (docs/certificates.md).
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db import connection

from labelapp.models import (
    GoldItem,
    Label,
    LabelBatch,
    Project,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.selectors.browse_query import Query
from labelapp.selectors.predictions import Rows, model_of, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = 65535  # not in B when the newest model was trained: that model has not seen it
UNSEEN = 65534  # in B, and no model before it: nothing is known out of sample
MEASURING = frozenset({"test", "audit"})
MANY = 300  # images from which on score files are read whole
MOST_ORDERS = 4  # projects whose order by margin stays in memory, 10 bytes per image

_orders: OrderedDict[str, ByMargin] = OrderedDict()
_lock = threading.Lock()


class Guess(NamedTuple):
    """The class that the model gives an image, and its margin over the second one (0..1)."""

    class_index: int
    margin: float


def before_folder(public_id: str) -> Path:
    """Return where the guesses of models before an image joined B are kept."""
    return Path(settings.MEDIA_ROOT) / "models" / public_id


@dataclass(frozen=True)
class Guesses:
    """The score files of a project; nothing of them is read before somebody asks."""

    key: str  # changes with what is in the files
    pred: Rows
    uncertainty: Rows
    before: Rows | None
    before_margin: Rows | None

    @property
    def n(self) -> int:
        """How many images the newest model has seen."""
        return min(len(self.pred), len(self.uncertainty))

    def of(self, seq: int) -> Guess | None:
        """Return the guess for one image, None where none is known."""
        if not 0 <= seq < self.n:
            return None
        if self.before is not None and self.before_margin is not None and seq < len(self.before):
            early = int(self.before.row(seq)[0])
            if early == UNSEEN:
                return None
            if early != UNKNOWN:
                return Guess(early, self.before_margin.row(seq)[0])
        return Guess(int(self.pred.row(seq)[0]), 1.0 - self.uncertainty.row(seq)[0])

    def many(self, seqs: Sequence[int]) -> list[Guess | None]:
        """Return the guesses for many images: the files are read whole, for that is faster."""
        if len(seqs) < MANY:
            return [self.of(seq) for seq in seqs]
        n, found = self.n, list[Guess | None]()
        pred, uncertainty = self.pred.part(0, n), self.uncertainty.part(0, n)
        both = self.before is not None and self.before_margin is not None
        early: Sequence[float] = self.before.part(0, n) if both and self.before else ()
        values = self.before_margin.part(0, n) if both and self.before_margin else ()
        for seq in seqs:
            if not 0 <= seq < n:
                found.append(None)
            elif seq >= len(early) or early[seq] == UNKNOWN:
                found.append(Guess(int(pred[seq]), 1.0 - uncertainty[seq]))
            else:
                known = early[seq] != UNSEEN
                found.append(Guess(int(early[seq]), values[seq]) if known else None)
        return found

    def part(self, first: int, count: int) -> tuple[list[int], list[float]]:
        """Return classes and margins of images in a row; UNSEEN marks those without a guess."""
        count = max(0, min(count, self.n - first))
        classes = [int(one) for one in self.pred.part(first, count)]
        margins = [1.0 - one for one in self.uncertainty.part(first, count)]
        if self.before is None or self.before_margin is None:
            return classes, margins
        early = self.before.part(first, count)
        values = self.before_margin.part(first, count)
        for place, index in enumerate(early):
            if index != UNKNOWN:
                classes[place], margins[place] = int(index), values[place]
        return classes, margins


def guesses_of(project: Project) -> Guesses | None:
    """Return the project's guesses; None before there is a model, or where none may be shown."""
    if not project.predictions and withheld(project):
        return None
    pred, uncertainty = scores(project, "pred"), scores(project, "uncertainty")
    if pred is None or uncertainty is None:
        return None
    folder = before_folder(project.public_id)
    before, margin = _open(folder / "before_pred.npy"), _open(folder / "before_margin.npy")
    return Guesses(f"{model_of(project)}:{_stamp(folder)}", pred, uncertainty, before, margin)


def _open(path: Path) -> Rows | None:
    try:
        return Rows(path)
    except (OSError, ValueError, KeyError, SyntaxError, struct.error):
        return None


def _stamp(folder: Path) -> int:
    try:
        return (folder / "before_pred.npy").stat().st_mtime_ns
    except OSError:
        return 0


@dataclass(frozen=True)
class ByMargin:
    """The images that have a guess, the least sure first: three arrays of one length."""

    key: str  # of the guesses that it was made of
    seqs: NDArray[Any]
    classes: NDArray[Any]
    margins: NDArray[Any]

    def __len__(self) -> int:
        """How many images have a guess."""
        return len(self.seqs)

    def rows(self, first: int, count: int, query: Query) -> list[tuple[int, int]]:
        """Return (place behind `first`, image) of those whose guess fits the query."""
        part = slice(first, first + count)
        fits = self.margins[part] >= (0.0 if query.low is None else query.low)
        if query.high is not None:
            fits &= self.margins[part] <= query.high
        if query.guess is not None:
            fits &= self.classes[part] == query.guess
        places = fits.nonzero()[0]
        return list(zip(places.tolist(), self.seqs[part][places].tolist(), strict=True))


def by_margin(project: Project, found: Guesses) -> ByMargin:
    """Return the order by margin, made once per model and process (0.2 s at 1,000,000 images).

    NumPy is imported when somebody asks for this order.
    """
    with _lock:
        known = _orders.get(project.public_id)
    if known is not None and known.key == found.key:
        return known
    made = _sorted(found)
    with _lock:
        _orders[project.public_id] = made
        _orders.move_to_end(project.public_id)
        while len(_orders) > MOST_ORDERS:
            _orders.popitem(last=False)
    return made


def _sorted(found: Guesses) -> ByMargin:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    n = found.n
    classes = np.array(found.pred.part(0, n), dtype=np.uint16)
    margins = 1.0 - np.array(found.uncertainty.part(0, n), dtype=np.float32)
    if found.before is not None and found.before_margin is not None:
        early = np.asarray(found.before.part(0, n), dtype=np.uint16)
        values = np.asarray(found.before_margin.part(0, n), dtype=np.float32)
        kept = (early != UNKNOWN).nonzero()[0]
        classes[kept], margins[kept] = early[kept], values[kept]
    order = np.argsort(margins, kind="stable").astype(np.uint32)
    order = order[classes[order] < UNSEEN]
    return ByMargin(found.key, order, classes[order], margins[order])


# --- what must not be seen ---------------------------------------------------------------------


def withheld(project: Project) -> bool:
    """Tell whether guesses for all images that measure the machine are still withheld."""
    return project.status != Project.Status.FINISHED


def hidden_of(project: Project, image_ids: Sequence[int]) -> set[int]:
    """Return which of these images must not be shown with a guess, nor be found by one."""
    if not image_ids:
        return set()
    if not withheld(project):
        return tests_of(project, image_ids)
    some = ", ".join(str(int(image_id)) for image_id in image_ids)  # numbers of ours
    measuring = ", ".join(f"'{purpose}'" for purpose in sorted(MEASURING))
    statement = (
        f"SELECT m.image_id FROM {TestMark._meta.db_table} m"  # noqa: S608 - names of ours
        f" WHERE m.image_id IN ({some}) AND m.run_id IN"
        f" (SELECT r.id FROM {Run._meta.db_table} r WHERE r.project_id = %s)"
        f" UNION SELECT g.image_id FROM {GoldItem._meta.db_table} g"
        f" WHERE g.project_id = %s AND g.image_id IN ({some})"
        f" UNION SELECT l.image_id FROM {Label._meta.db_table} l"
        f" WHERE l.image_id IN ({some}) AND l.purpose IN ({measuring})"
        f" UNION SELECT t.image_id FROM {Task._meta.db_table} t"
        f" WHERE t.image_id IN ({some}) AND t.batch_id IN"
        f" (SELECT b.id FROM {LabelBatch._meta.db_table} b"
        f" WHERE b.project_id = %s AND b.purpose IN ({measuring}, 'gold'))"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [project.pk] * 3)
        return {row[0] for row in cursor.fetchall()}


def tests_of(project: Project, image_ids: Sequence[int]) -> set[int]:
    """Return which of these images are in T: marked, and outside B."""
    some = ", ".join(str(int(image_id)) for image_id in image_ids)  # numbers of ours
    statement = (
        f"SELECT m.image_id FROM {TestMark._meta.db_table} m"  # noqa: S608 - names of ours
        f" JOIN {Run._meta.db_table} r ON r.id = m.run_id"
        f" WHERE m.image_id IN ({some}) AND r.project_id = %s AND NOT EXISTS"
        f" (SELECT 1 FROM {TrainItem._meta.db_table} b"
        f" WHERE b.run_id = m.run_id AND b.image_id = m.image_id)"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [project.pk])
        return {row[0] for row in cursor.fetchall()}

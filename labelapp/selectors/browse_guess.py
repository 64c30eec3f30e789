"""What the models say of images, for the browser: their class and margin, out of sample.

Of an image that trains the network: what the model before it joined B said, as kept by
`services.past_guesses`. Of every other one: what the newest model says. Withheld, until the run
has finished, wherever people's answers measure the machine: test marks, tests, audits, gold.
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

from labelapp.models import GoldItem, Label, LabelBatch, Project, Run, Task, TestMark
from labelapp.selectors.predictions import Rows, model_of, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = 65535  # not in B when the newest model was trained: that model has not seen it
UNSEEN = 65534  # in B, and no model before it: nothing is known out of sample
MEASURING = frozenset({"test", "audit"})
MOST_ORDERS = 4  # projects whose order by margin stays in memory, 4 bytes per image

_orders: OrderedDict[str, tuple[str, Any]] = OrderedDict()
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


def by_margin(project: Project, found: Guesses) -> NDArray[Any]:
    """Return the images that have a guess, the least sure first (equals by number), uint32.

    Made once per model and process; NumPy is imported when somebody asks for this order.
    """
    with _lock:
        known = _orders.get(project.public_id)
    if known is not None and known[0] == found.key:
        return known[1]
    made = _sorted(found)
    with _lock:
        _orders[project.public_id] = (found.key, made)
        _orders.move_to_end(project.public_id)
        while len(_orders) > MOST_ORDERS:
            _orders.popitem(last=False)
    return made


def _sorted(found: Guesses) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    n = found.n
    margins = 1.0 - np.asarray(found.uncertainty.part(0, n), dtype=np.float32)
    unseen = np.zeros(n, dtype=np.bool_)
    if found.before is not None and found.before_margin is not None:
        early = np.asarray(found.before.part(0, n), dtype=np.uint16)
        values = np.asarray(found.before_margin.part(0, n), dtype=np.float32)
        kept = early != UNKNOWN
        margins[: len(early)][kept] = values[: len(early)][kept]
        unseen[: len(early)] = early == UNSEEN
    order = np.argsort(margins, kind="stable").astype(np.uint32)
    return np.asarray(order[~unseen[order]])


# --- what must not be seen ---------------------------------------------------------------------


def withheld(project: Project) -> bool:
    """Tell whether guesses for images that measure the machine are still withheld."""
    return project.status != Project.Status.FINISHED


def hidden_of(project: Project, image_ids: Sequence[int]) -> set[int]:
    """Return which of these images must not be shown with a guess, nor be found by one."""
    if not image_ids or not withheld(project):
        return set()
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

"""What the newest model says about images, for the people who label them.

Shown only where it can do no harm: never for test marks, tests, audits and gold, whose answers
measure the machine. Files of scores are read row by row, without NumPy: pages wait for this.
"""

from __future__ import annotations

import ast
import heapq
import math
import os
import struct
import sys
import threading
import time
import weakref
from array import array
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from labelapp.models import Iteration, ModelVersion, Project, Run, TestMark
from labelapp.selectors.rows import marks

PURPOSES = frozenset({"train", "residual", "ahead"})
"""The purposes of the batches whose images may be shown with a prediction."""

TOP = 5
FRESH_SECONDS = 5.0  # so long a process may go on with the model before the newest
MOST_PROJECTS = 32  # whose files stay open in one process
_MANY = 200  # images from which on a file is read whole
_IN_LIST = 500  # SQLite takes a limited number of parameters
_KINDS = {"<f2": "e", "<f4": "f", "<u2": "H", "|u1": "B"}


class Asked(NamedTuple):
    """An image that is asked of a person, and the purpose of the batch that asks it."""

    seq: int
    image_id: int
    purpose: str


class Guess(NamedTuple):
    """The class that the model gives an image, and its probability."""

    class_index: int
    confidence: float


class Rows:
    """The rows of a .npy file of numbers, read where they lie. Raises OSError, ValueError."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self.handle)  # also where another thread reads still
        self.start, kind, self.shape = _header(os.pread(self.handle, 4096, 0))
        self.format = struct.Struct(f"<{math.prod(self.shape[1:])}{_KINDS[kind]}")

    def __len__(self) -> int:
        return self.shape[0]

    def column(self) -> Sequence[float]:
        """Return an array of one dimension whole: faster than many of its rows."""
        return self.part(0, len(self))

    def part(self, first: int, count: int) -> Sequence[float]:
        """Return some numbers of an array of one dimension, fewer where it ends."""
        kind = self.format.format[-1:]
        count = max(0, min(count, len(self) - first))
        raw = os.pread(self.handle, self.format.size * count, self.start + first * self.format.size)
        if kind == "e" or sys.byteorder != "little":  # array.array knows no half numbers
            return struct.unpack(f"<{count}{kind}", raw)
        return array(kind, raw)

    def row(self, number: int) -> tuple[float, ...]:
        """Return one row; raise IndexError outside of the array."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        size = self.format.size
        return self.format.unpack(os.pread(self.handle, size, self.start + number * size))


def _header(raw: bytes) -> tuple[int, str, tuple[int, ...]]:
    """Return where the numbers begin, of which kind they are, and the shape."""
    if raw[:6] != b"\x93NUMPY" or raw[6] not in {1, 2, 3}:
        raise ValueError("This is not a .npy file.")
    size, at = (2, 10) if raw[6] == 1 else (4, 12)
    length = int.from_bytes(raw[8 : 8 + size], "little")
    header: dict[str, Any] = ast.literal_eval(raw[at : at + length].decode("latin-1"))
    shape = tuple(int(side) for side in header["shape"])
    if header["fortran_order"] or len(shape) not in {1, 2} or str(header["descr"]) not in _KINDS:
        raise ValueError("This is no array of rows of small numbers.")
    return at + length, str(header["descr"]), shape


@dataclass
class _Shown:
    """The newest model of a project as this process knows it, until `until`."""

    until: float
    sha256: str = ""
    folder: Path | None = None
    archived: frozenset[int] = frozenset()
    files: dict[str, Rows | None] = field(default_factory=dict)

    def rows(self, name: str) -> Rows | None:
        """Return an array of the model, None where its training left none."""
        if self.folder is None:
            return None
        if name not in self.files:
            try:
                self.files[name] = Rows(self.folder / f"{name}.npy")
            except (OSError, ValueError, KeyError, SyntaxError, struct.error):
                self.files[name] = None
        return self.files[name]


_known: OrderedDict[str, _Shown] = OrderedDict()
_lock = threading.Lock()


def top_of(project: Project, asked: Collection[Asked], count: int = TOP) -> dict[int, list[int]]:
    """Return the most probable classes of images by seq, best first, archived classes left out.

    Images that must not be shown with a prediction are missing in the answer, and all of them
    where the project shows none or the newest model kept no probabilities.
    """
    if not project.predictions:
        return {}
    shown = _newest(project)
    probabilities = shown.rows("probs")
    if probabilities is None:
        return {}
    return {
        seq: _best(probabilities.row(seq), shown.archived, count)
        for seq in showable(project, asked)
        if seq < len(probabilities)
    }


def _best(row: tuple[float, ...], archived: frozenset[int], count: int) -> list[int]:
    keys = ((-value, index) for index, value in enumerate(row))
    order = [index for _, index in heapq.nsmallest(count + len(archived), keys)]
    return [index for index in order if index not in archived][:count]


def guesses_of(project: Project, asked: Collection[Asked]) -> dict[int, Guess]:
    """Return class and probability by seq of those images that may be shown with a prediction."""
    return guesses(project, showable(project, asked))


def guesses(project: Project, seqs: Iterable[int]) -> dict[int, Guess]:
    """Return class and probability by seq, for the server's eyes: nothing is withheld here."""
    shown = _newest(project)
    pred, least = shown.rows("pred"), shown.rows("least")
    if pred is None or least is None:
        return {}
    known = [seq for seq in seqs if seq < min(len(pred), len(least))]
    if len(known) < _MANY:
        return {seq: Guess(int(pred.row(seq)[0]), 1.0 - least.row(seq)[0]) for seq in known}
    classes, doubts = pred.column(), least.column()
    return {seq: Guess(int(classes[seq]), 1.0 - doubts[seq]) for seq in known}


def showable(project: Project, asked: Collection[Asked]) -> list[int]:
    """Return the seqs that may be shown with a prediction, in the order given."""
    if not project.predictions:
        return []
    some = [one for one in asked if one.purpose in PURPOSES]
    marked = marked_images(project, [one.image_id for one in some])
    return [one.seq for one in some if one.image_id not in marked]


def marked_images(project: Project, image_ids: list[int]) -> set[int]:
    """Return which of these images are test marks: only to withhold what nobody may see there."""
    found: set[int] = set()
    for start in range(0, len(image_ids), _IN_LIST):
        part = image_ids[start : start + _IN_LIST]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT m.image_id FROM {TestMark._meta.db_table} m"  # noqa: S608 - names of ours
                f" JOIN {Run._meta.db_table} r ON r.id = m.run_id"
                f" WHERE m.image_id IN ({marks(part)}) AND r.project_id = %s",
                [*part, project.pk],
            )
            found.update(row[0] for row in cursor.fetchall())
    return found


def model_of(project: Project) -> str:
    """Return the SHA-256 of the newest model; empty before the first training."""
    return _newest(project).sha256


def model_folder(project: Project) -> Path | None:
    """Return where the newest model's files lie."""
    return _newest(project).folder


def scores(project: Project, name: str) -> Rows | None:
    """Return an array of the newest model, e.g. "pred", for the server's eyes."""
    return _newest(project).rows(name)


def forget() -> None:
    """Forget what this process knows of models (tests)."""
    with _lock:
        _known.clear()


def _newest(project: Project) -> _Shown:
    """Return the newest model of the project; a few seconds old at most."""
    key, now = project.public_id, time.monotonic()
    with _lock:
        shown = _known.get(key)
    if shown is not None and now < shown.until:
        return shown
    shown = _look_up(project, now, shown)
    with _lock:
        _known[key] = shown
        _known.move_to_end(key)
        while len(_known) > MOST_PROJECTS:
            _known.popitem(last=False)
    return shown


def _look_up(project: Project, now: float, before: _Shown | None) -> _Shown:
    """Read which model is the newest; its files stay open while it is the same."""
    archived = project.classes.filter(archived=True).values_list("index", flat=True)
    until, found = now + FRESH_SECONDS, next(_models(project), None)
    if found is None:
        return _Shown(until)
    files = before.files if before is not None and before.sha256 == found.sha256 else {}
    folder = Path(settings.MEDIA_ROOT) / found.folder
    return _Shown(until, found.sha256, folder, frozenset(archived), files)


def _models(project: Project) -> Iterator[ModelVersion]:
    """Yield the newest training's model: the one that leads, where several were trained."""
    leader = Iteration.objects.filter(run__project=project, model__isnull=False)
    last = leader.select_related("model").order_by("-number").first()
    models = ModelVersion.objects.filter(run__project=project)
    if last is not None and last.model is not None:
        newer = models.filter(iteration__gt=last.model.iteration)
        yield from newer.order_by("-iteration", "pk")[:1]
        yield last.model
    else:
        yield from models.order_by("-iteration", "pk")[:1]

"""Searches for the best training set: which there are, and the files with what they found."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from labelapp import engine_search
from labelapp.errors import NotFoundError
from labelapp.models import Curation, Project

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIVE = (Curation.State.WAITING, Curation.State.RUNNING)
LEFT_OUT, HELD_OUT = 0, -1
WHICH = ("kept", "left_out", "held_out")
"""The parts of a search: what trains, what need not, what judged."""


@dataclass(frozen=True)
class Estimate:
    """About what a search takes. None where nothing like it was measured in this project."""

    seconds: float | None
    dollars: Decimal | None


@dataclass(frozen=True)
class Parts:
    """What a search found, as files that are read where they lie.

    `part[i]` belongs to the image number `rows[i]`, ascending: -1 held out, 0 left out, k from 1
    the stage that took it. `labels[i]` is the class that it had in the search.
    """

    rows: NDArray[Any]
    part: NDArray[Any]
    labels: NDArray[Any]

    def of(self, seqs: list[int]) -> list[int | None]:
        """Return the part of each of these image numbers, None for one that took no part."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        wanted = np.asarray(seqs, dtype=np.int64)
        if not len(self.rows):
            return [None] * len(wanted)
        at = np.searchsorted(self.rows, wanted).clip(0, len(self.rows) - 1)
        there = self.rows[at] == wanted
        found = self.part[at].tolist()
        return [one if known else None for one, known in zip(found, there.tolist(), strict=True)]


def of_project(project: Project) -> QuerySet[Curation]:
    """Return the project's searches, newest first."""
    return project.curations.select_related("created_by").order_by("-pk")


def one(project: Project, curation_id: int) -> Curation:
    """Return a search of this project; raise NotFoundError."""
    found = of_project(project).filter(pk=curation_id).first() if curation_id < 2**63 else None
    if found is None:
        raise NotFoundError(_("There is no such search."))
    return found


def latest(project: Project) -> Curation | None:
    """Return the newest search of this project."""
    return of_project(project).first()


def folder(curation: Curation) -> Path:
    """Return where the files of a search lie; `curation.project` is read for it."""
    root = Path(django_settings.JOBS_ROOT)
    return root / curation.project.public_id / "curations" / str(curation.pk)


def parts(curation: Curation) -> Parts:
    """Return what a search found. Raises NotFoundError where it has not ended or files are gone."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    if curation.state != Curation.State.DONE:
        raise NotFoundError(_("This search has found nothing yet."))
    where = folder(curation)
    try:
        rows, part, labels = (
            np.load(where / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("rows", "part", "labels")
        )
    except (OSError, ValueError, EOFError) as error:
        raise NotFoundError(
            _(
                "The files of this search are not there any more (a backup does not hold them). "
                "Search again."
            )
        ) from error
    if not rows.shape == part.shape == labels.shape or rows.ndim != 1:
        raise NotFoundError(_("The files of this search do not go together. Search again."))
    return Parts(rows, part, labels)


def kept_page(
    curation: Curation, which: str, class_index: int | None, offset: int, limit: int
) -> tuple[list[int], int]:
    """Return a page of image numbers of one part, and how many there are in all.

    `which` is kept (in the order of the stages), left_out or held_out; of one class where one is
    given, as it was in the search. Raises NotFoundError as `parts` does, and for another part.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    if which not in WHICH:
        raise NotFoundError(_("There is no such part."))
    found = parts(curation)
    mask = {
        "kept": found.part > LEFT_OUT,
        "left_out": found.part == LEFT_OUT,
        "held_out": found.part == HELD_OUT,
    }[which]
    if class_index is not None:
        mask = mask & (found.labels == class_index)
    at = np.flatnonzero(mask)
    if which == "kept":
        at = at[np.argsort(found.part[at], kind="stable")]
    start = max(0, offset)
    return found.rows[at[start : start + max(0, limit)]].tolist(), len(at)


def estimate(project: Project, settings: engine_search.Wish) -> Estimate:
    """Return about what a search takes, by what the last models of the project took.

    `settings` have been checked.
    """
    return Estimate(None, None)

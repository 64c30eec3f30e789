"""Which images an export takes when it follows a search for the best training set.

A search left two arrays beside each other: the numbers of its images (`rows`, ascending) and the
part of each (`part`: the stage that took it, 0 left out, -1 held out). They are memory-mapped and
read in blocks, so that memory does not grow with the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, InvalidInputError, NotFoundError
from labelapp.models import Curation, Project, ProjectCounter
from labelapp.selectors import curations
from labelapp.selectors.curations import HELD_OUT as HELD_OUT_STAGE
from labelapp.selectors.curations import LEFT_OUT as LEFT_OUT_STAGE
from labelapp.selectors.curations import Parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT, LEFT_OUT, HELD_OUT, OUTSIDE = "kept", "left_out", "held_out", ""
SUBSETS = (KEPT, HELD_OUT, LEFT_OUT, OUTSIDE)
"""Where an image may be; OUTSIDE: it took no part in the search."""
SPLIT = "split"
PARTS = (KEPT, LEFT_OUT, SPLIT)
"""What may be exported beside everything: one part alone, or all images with their parts."""
BLOCK = 65_536  # array entries that are read at a time
CHUNK = 1000  # images of one statement


@dataclass(frozen=True)
class Subsets:
    """The parts of a search that is done, and how many images the project has."""

    curation: Curation
    found: Parts
    images: int

    def counts(self) -> dict[str, int]:
        """Return how many images each subset has."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        part = self.found.part
        kept = int(np.count_nonzero(part > LEFT_OUT_STAGE))
        left_out = int(np.count_nonzero(part == LEFT_OUT_STAGE))
        outside = max(0, self.images - len(part))
        counted = (kept, len(part) - kept - left_out, left_out, outside)
        return dict(zip(SUBSETS, counted, strict=True))

    def taken(self, part: str) -> int:
        """Return how many images an export of this part holds."""
        return self.images if part == SPLIT else self.counts()[part]

    def chunks(self, subset: str) -> Iterator[list[int]]:
        """Yield the numbers (seq) of a subset's images, ascending, at most CHUNK at a time."""
        blocks = self._outside() if subset == OUTSIDE else self._inside(subset)
        for block in blocks:
            for start in range(0, len(block), CHUNK):
                yield block[start : start + CHUNK].tolist()

    def of(self, seqs: list[int]) -> dict[int, tuple[str, int | None]]:
        """Return subset and stage of these images; the stage of what was not kept is 0."""
        stages = self.found.of(seqs)
        return {seq: _subset(stage) for seq, stage in zip(seqs, stages, strict=True)}

    def _inside(self, subset: str) -> Iterator[NDArray[Any]]:
        for start in range(0, len(self.found.rows), BLOCK):
            rows = self.found.rows[start : start + BLOCK]
            part = self.found.part[start : start + BLOCK]
            if subset == KEPT:
                yield rows[part > LEFT_OUT_STAGE]
            else:
                yield rows[part == (LEFT_OUT_STAGE if subset == LEFT_OUT else HELD_OUT_STAGE)]

    def _outside(self) -> Iterator[NDArray[Any]]:
        import numpy as np  # noqa: PLC0415 - web processes stay small

        rows = self.found.rows
        for start in range(0, self.images, BLOCK):
            stop = min(start + BLOCK, self.images)
            first, last = np.searchsorted(rows, [start, stop])
            yield np.setdiff1d(np.arange(start, stop), rows[first:last], assume_unique=True)


def read_id(text: str) -> int | None:
    """Return the number of a search in an address; None where there is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def asked_id(text: str) -> int | None:
    """Return the number of a search, None for an empty text; raise NotFoundError for another."""
    found = read_id(text)
    if text and found is None:
        raise NotFoundError(_("There is no such search."))
    return found


def subsets(project: Project, curation_id: int | None, part: str) -> Subsets | None:
    """Return the parts that an export follows; None where it takes everything.

    Raises InvalidInputError for a part that there is not, NotFoundError for a search that there
    is not (or whose files are gone), ConflictError where the search or the project has not
    finished: which images a search kept follows from labels of the test set, and those must not
    reach people while the run goes on.
    """
    if not part and curation_id is None:
        return None
    if part not in PARTS:
        raise InvalidInputError(_("There is no such part of a data set."), part=part)
    if curation_id is None:
        raise NotFoundError(_("There is no such search."))
    if project.status != Project.Status.FINISHED:
        raise ConflictError(reopened())
    curation = curations.one(project, curation_id)
    if curation.state != Curation.State.DONE:
        raise ConflictError(_("The search for a training set has not finished."))
    return of_curation(curation)


def of_curation(curation: Curation) -> Subsets:
    """Return the parts of a search that is done; raise NotFoundError when its files are gone."""
    images = ProjectCounter.objects.values_list("images", flat=True).get(
        project_id=curation.project_id
    )
    return Subsets(curation, curations.parts(curation), images)


def reopened() -> str:
    """Return why parts cannot be had of a project that has not finished."""
    return _(
        "The parts of a search can be exported only while the project is finished: they follow "
        "from labels of the test set."
    )


def _subset(stage: int | None) -> tuple[str, int | None]:
    if stage is None:
        return OUTSIDE, None
    if stage > LEFT_OUT_STAGE:
        return KEPT, stage
    return (LEFT_OUT if stage == LEFT_OUT_STAGE else HELD_OUT), 0

"""The images of one part of a search: kept, left out, held out, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelapp.models import Curation, Image, LabelClass
from labelapp.selectors import curations

PAGE = 60


@dataclass(frozen=True)
class Tile:
    """An image of a part: its label as it is now, and as it was searched where that differs."""

    seq: int
    name: str
    label: LabelClass | None
    source: str
    excluded: bool
    stage: int  # that took it; 0 where none did
    was: LabelClass | None


@dataclass(frozen=True)
class Shown:
    """A page of tiles; pages count from 1."""

    tiles: list[Tile]
    page: int
    pages: int
    total: int

    @property
    def first(self) -> int:
        """The number of the first tile, from 1; 0 where there is none."""
        return (self.page - 1) * PAGE + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The number of the last tile."""
        return min(self.page * PAGE, self.total)


def shown(
    curation: Curation,
    which: str,
    class_index: int | None,
    page: int,
    classes: Mapping[int, LabelClass],
) -> Shown:
    """Return a page of one part, the last one for a page beyond it.

    Raises NotFoundError as `curations.kept_page` does. The arrays are read where they lie; the
    number of statements is the same for every page.
    """
    offset = (page - 1) * PAGE
    seqs, total = curations.kept_page(curation, which, class_index, offset, PAGE)
    pages = max(1, -(-total // PAGE))
    if page > pages:
        page = pages
        seqs, total = curations.kept_page(curation, which, class_index, (pages - 1) * PAGE, PAGE)
    return Shown(_tiles(curation, seqs, classes), page, pages, total)


def stage_pages(curation: Curation) -> list[tuple[int, int]]:
    """Return each stage of the kept part with the page on which it begins."""
    sizes = [0, *(curation.result or {}).get("sizes", [])]
    return [(number, start // PAGE + 1) for number, start in enumerate(sizes[:-1], start=1)]


def _tiles(
    curation: Curation, seqs: Sequence[int], classes: Mapping[int, LabelClass]
) -> list[Tile]:
    stages = _facts(curation, seqs)
    rows = (
        Image.objects.filter(project_id=curation.project_id, seq__in=list(seqs))
        .select_related("label", "exclusion")
        .only("seq", "name", "exclusion__seq", "label__class_index", "label__source")
    )
    found = {row.seq: row for row in rows}
    return [_tile(found[seq], *stages[seq], classes) for seq in seqs if seq in found]


def _facts(curation: Curation, seqs: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the part and the class of these images as the search has them."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    found = curations.parts(curation)
    at = np.searchsorted(found.rows, np.asarray(seqs, dtype=np.int64))
    facts = zip(found.part[at].tolist(), found.labels[at].tolist(), strict=True)
    return dict(zip(seqs, facts, strict=True))


def _tile(image: Image, stage: int, given: int, classes: Mapping[int, LabelClass]) -> Tile:
    label = getattr(image, "label", None)
    now = None if label is None else _heir(label.class_index, classes)
    return Tile(
        seq=image.seq,
        name=image.name,
        label=None if now is None else classes.get(now),
        source="" if label is None else label.source,
        excluded=getattr(image, "exclusion", None) is not None,
        stage=max(0, stage),
        was=classes.get(given) if now != given else None,
    )


def _heir(index: int, classes: Mapping[int, LabelClass]) -> int:
    """Return the class that a label counts as: what its own was merged into."""
    by_key = {one.pk: one for one in classes.values()}
    for _step in classes:
        into = by_key.get(classes[index].merged_into_id or 0) if index in classes else None
        if into is None:
            break
        index = into.index
    return index

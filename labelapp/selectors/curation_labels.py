"""Whether the labels of a project are still those that a search for the best training set had.

Per class, the number of images and the sum of the cubes of their numbers modulo a prime, made by
the database in one statement. Modulo this prime no two numbers have the same cube, so a label that
changed, came or went is always seen, and so are two that were exchanged; of three or more at once
one combination in 2^31 looks like none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import BigIntegerField, Count, F, Sum
from django.db.models.functions import Cast

from labelapp.engine_rows import merged_classes
from labelapp.models import Curation, Exclusion, Label, Run
from labelapp.selectors.curations import folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIME = 2_147_483_579  # 2 modulo 3: each number below it has one cube root
SUMS = "label_sums"
"""Where a search's result keeps them: after a restore its files are gone."""

Sums = dict[int, tuple[int, int]]
"""By class: how many images, and the sum of the cubes of their numbers."""


def changed(curation: Curation) -> bool:
    """Tell whether other labels would take part now than those the search had.

    False where neither its result nor its files say what it had.
    """
    had = _had(curation)
    return had is not None and had != _now(curation)


def sums_of(rows: NDArray[Any], labels: NDArray[Any]) -> Sums:
    """Return the sums of image numbers `rows` [n] with classes `labels` [n]."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    numbers = np.asarray(rows, dtype=np.int64)
    cubes = numbers * numbers % PRIME * numbers % PRIME
    counts = np.bincount(labels)
    sums = np.zeros(len(counts), dtype=np.int64)
    np.add.at(sums, labels, cubes)
    found = zip(counts.tolist(), sums.tolist(), strict=True)
    return {index: one for index, one in enumerate(found) if one[0]}


def _had(curation: Curation) -> Sums | None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    kept = (curation.result or {}).get(SUMS)
    if kept is not None:
        return {int(index): (count, total) for index, (count, total) in kept.items()}
    try:
        rows, labels = (
            np.load(folder(curation) / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("rows", "labels")
        )
    except (OSError, ValueError, EOFError):
        return None
    return sums_of(rows, labels)


def _now(curation: Curation) -> Sums:
    """Return the sums of the labels that a search of this kind would have now."""
    project = curation.project_id
    n = Run.objects.values_list("n", flat=True).get(project=project)
    rows = Label.objects.filter(project=project, seq__lt=n)
    if curation.settings.get("labels") == "human":
        rows = rows.filter(source=Label.Source.HUMAN)
    rows = rows.exclude(seq__in=Exclusion.objects.filter(project=project).values("seq"))
    number = Cast(F("seq"), BigIntegerField())
    cubes = number * number % PRIME * number % PRIME
    heirs, sums = merged_classes(project), Sums()
    found = rows.values_list("class_index").annotate(count=Count("seq"), total=Sum(cubes))
    for index, count, total in found:
        heir = heirs.get(index, index)
        before = sums.get(heir, (0, 0))
        sums[heir] = (before[0] + count, before[1] + int(total))
    return sums

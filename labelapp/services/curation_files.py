"""The folder of a search for the best training set: what goes into it, and what came out.

    rows.npy       int64 [n], ascending: the image numbers that take part
    labels.npy     int64 [n]: their classes at that moment; later changes do not reach this search
    held_out.npy   int64: the places in rows.npy of the images that judge
    request.json   what `python -m mcal_engine search-job FOLDER` is asked (docs/search.md)

Who judges: every test mark of the run, and a random draw of the others up to the share that was
asked for. Marks are a random sample of all images, so the judges are one too. And so no model of a
search ever says of an image in T whether it should be kept (docs/certificates.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.utils.translation import gettext as _

from labelapp import engine_search
from labelapp.engine_rows import merged_classes
from labelapp.errors import ConflictError
from labelapp.models import Curation, Exclusion, Label, Run, TestMark
from labelapp.selectors import curation_labels
from labelapp.selectors.curations import HELD_OUT, LEFT_OUT, folder
from labelapp.services.curation_settings import CurationSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ = 5_000  # labels at a time
Report = Callable[[str], None]
SETS = (engine_search.FULL, engine_search.FOUND, engine_search.RANDOM)


class BadResultError(Exception):
    """What the program left is not whole; the message says what is wrong with it."""


@dataclass(frozen=True)
class Snapshot:
    """What takes part in a search. `machine` counts the machine's labels among the `n`."""

    n: int
    machine: int
    sha256: str


def keep_labels(record: Curation, run: Run, report: Report) -> Snapshot:
    """Write down which images take part, with their labels; what was written down before stays.

    `report(words)` is called now and then and may raise to stop. Raises OSError, and ConflictError
    where no label takes part.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    where = folder(record)
    where.mkdir(parents=True, exist_ok=True)
    if record.n and _sha256(where) == record.labels_sha256:
        return Snapshot(record.n, record.machine, record.labels_sha256)
    chosen = CurationSettings.of(record.settings)
    seqs, labels, machine = _read(run, chosen.labels, report)
    if not len(seqs):
        raise ConflictError(_("There is no label that could take part."))
    marks = np.fromiter(
        TestMark.objects.filter(run=run).order_by().values_list("seq", flat=True), dtype=np.int64
    )
    held_out = engine_search.held_out(np.isin(seqs, marks), chosen.held_out)
    for name, array in (("rows", seqs), ("labels", labels), ("held_out", held_out)):
        _write(where / f"{name}.npy", array)
    return Snapshot(len(seqs), machine, _sha256(where))


def _read(run: Run, which: str, report: Report) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return numbers and classes of the images that take part, and how many are the machine's."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    heirs = merged_classes(run.project_id)
    rows = Label.objects.filter(project_id=run.project_id, seq__lt=run.n).order_by("seq")
    if which == "human":
        rows = rows.filter(source=Label.Source.HUMAN)
    excluded = Exclusion.objects.filter(project_id=run.project_id)
    parts: list[NDArray[Any]] = [np.zeros((0, 2), dtype=np.int64)]
    last, machine = -1, 0
    while page := list(
        rows.filter(seq__gt=last).values_list("seq", "class_index", "source")[:READ]
    ):
        out = set(excluded.filter(seq__gt=last, seq__lte=page[-1][0]).values_list("seq", flat=True))
        kept = [row for row in page if row[0] not in out]
        machine += sum(row[2] == Label.Source.MACHINE for row in kept)
        numbers = [(row[0], heirs.get(row[1], row[1])) for row in kept]
        parts.append(np.array(numbers, dtype=np.int64).reshape(-1, 2))
        last = page[-1][0]
        report("Reading the labels")
    found = np.concatenate(parts)
    return found[:, 0].copy(), found[:, 1].copy(), machine


def write_request(record: Curation, run: Run, images: Path) -> None:
    """Write what the program is asked. `images` is the array of the project's pixels."""
    chosen = CurationSettings.of(record.settings)
    project = record.project
    request = {
        "schema": 1,
        "images": str(images),
        "items": "rows.npy",
        "labels": "labels.npy",
        "held_out": "held_out.npy",
        "classes": run.config["classes"],
        "settings": {
            "share": float(chosen.share),
            "scheme": chosen.scheme,
            "acquisition": chosen.acquisition,
            "acquirer": chosen.acquirer,
            "model": chosen.model,
            "outliers": float(chosen.outliers),
        },
        "seeds": list(chosen.seeds),
        "sets": list(SETS) if chosen.compare else [],
        "flip": bool(project.settings.get("flip", True)),
        "training": run.config.get("training", {}),
        "device": django_settings.TRAINING_DEVICE or None,
        "threads": django_settings.TRAINER_THREADS or None,
        "pretrained": {
            "weights": str(django_settings.WEIGHTS_DIR) if django_settings.WEIGHTS_DIR else None,
            "download": django_settings.ALLOW_WEIGHT_DOWNLOAD,
            "features": str(folder(record).parents[1] / "features"),
            "features_gib": django_settings.FEATURE_CACHE_GB,
        },
    }
    _replace(folder(record) / "request.json", json.dumps(request).encode())


def checked(record: Curation, result: dict[str, Any]) -> dict[str, Any]:
    """Return what the row keeps of the program's result. Raises BadResultError unless it is whole.

    Beside what the program says, from the files themselves: images of each part per class, and by
    what it is told whether labels changed since.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    where = folder(record)
    for name in ("part", "subset"):
        if _digest(where / f"{name}.npy") != result.get(f"{name}_sha256"):
            raise BadResultError(f"{name}.npy is not what the search wrote: it was damaged.")
    part, subset, rows, labels, held_out = (
        np.load(where / f"{name}.npy", allow_pickle=False)
        for name in ("part", "subset", "rows", "labels", "held_out")
    )
    if part.shape != (record.n,) or labels.shape != part.shape:
        raise BadResultError(f"part.npy has {part.size:,} rows, {record.n:,} are expected.")
    kept = np.sort(np.flatnonzero(part > LEFT_OUT))
    judges = np.flatnonzero(part == HELD_OUT)
    if not (np.array_equal(kept, np.sort(subset)) and np.array_equal(judges, np.sort(held_out))):
        raise BadResultError("part.npy and subset.npy do not name the same images.")
    masks = {"kept": part > LEFT_OUT, "left_out": part == LEFT_OUT, "held_out": part == HELD_OUT}
    classes = int(result["classes"])
    counts = {name: np.bincount(labels[mask], minlength=classes) for name, mask in masks.items()}
    return result | {
        "parts": {name: int(mask.sum()) for name, mask in masks.items()},
        "per_class": {name: found.tolist() for name, found in counts.items()},
        curation_labels.SUMS: curation_labels.sums_of(rows, labels),
    }


# --- files -----------------------------------------------------------------------------------------


def _write(path: Path, array: NDArray[Any]) -> None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    _replace(path, content.getvalue())


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or leave the old one. Raises OSError."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sha256(where: Path) -> str:
    """Return the hash of all that was written down of the labels, empty where a file is gone."""
    digests = [_digest(where / f"{name}.npy") for name in ("rows", "labels", "held_out")]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if all(digests) else ""


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""

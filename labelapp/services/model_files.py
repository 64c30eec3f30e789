"""The files of trained models below MEDIA_ROOT/models: checked, moved in, pruned.

A network is one file, model.pt; an ensemble is a folder of members and the list of their hashes,
whose own hash is the model's name.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from labelapp.models import Certificate, ModelVersion, Run

FEATURES = "features.npy"
PROBS = "probs.npy"
SCORES = ("pred.npy", "uncertainty.npy", "least.npy", "entropy.npy")
DISAGREEMENT = ("mutual.npy", "variation.npy")  # of an ensemble only
LARGE = (FEATURES, PROBS)  # only the newest training's stay; a large project's are never made
WEIGHTS = "model.pt"
MANIFEST = "members.sha256"
MEMBERS = "members"
KEEP = 2  # trainings whose score arrays stay, besides the audited and the certified model


class BadModelError(Exception):
    """The training program's files are not what its result says."""


def check(
    folder: Path, result: dict[str, Any], n: int, classes: int, *, features: bool = False
) -> None:
    """Raise BadModelError unless all files are there, unchanged, and score n images."""
    shown = [name for name in LARGE if f"{Path(name).stem}_sha256" in result]
    several = "members" in result
    scores = (*SCORES, *DISAGREEMENT) if several else SCORES
    for name in {*scores, *shown, *([FEATURES] if features else [])}:
        if file_hash(folder / name) != result.get(f"{Path(name).stem}_sha256"):
            raise BadModelError(f"{name} is missing or not the file that the training wrote.")
    weights = MANIFEST if several else WEIGHTS
    if file_hash(folder / weights) != result.get("model_sha256"):
        raise BadModelError(f"{weights} is missing or not the file that the training wrote.")
    if several:
        _check_members(folder, result["members"])
    _check_scores(folder, scores, n, classes)
    if PROBS in shown:
        _check_probs(folder / PROBS, n, classes)
    numbers = [result.get(k) for k in ("train_seconds", "score_seconds", "samples_shown")]
    if not all(_is_amount(value) for value in numbers):
        raise BadModelError("The training returned values that are not numbers.")


def _check_members(folder: Path, count: object) -> None:
    """Raise BadModelError unless the list names that many members, and each is as listed."""
    lines = (folder / MANIFEST).read_text().splitlines()
    if len(lines) != count:
        raise BadModelError(f"{MANIFEST} lists {len(lines)} members, not {count}.")
    for line in lines:
        listed, _, name = line.partition("  ")
        path = Path(name)
        if path.parent != Path(MEMBERS) or file_hash(folder / path) != listed:
            raise BadModelError(f"{name} is missing or not the file that the training wrote.")


def _check_scores(folder: Path, names: Sequence[str], n: int, classes: int) -> None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    try:
        pred, *measures = [np.load(folder / name, allow_pickle=False) for name in names]
    except (OSError, ValueError) as error:
        raise BadModelError(f"The scores cannot be read: {error}") from error
    shapes = {array.shape for array in (pred, *measures)}
    if shapes != {(n,)} or int(pred.max(initial=0)) >= classes:
        raise BadModelError(f"The scores do not fit {n} images of {classes} classes.")
    if not all(np.isfinite(measure).all() for measure in measures):
        raise BadModelError("The training returned values that are not numbers.")


def _check_probs(path: Path, n: int, classes: int) -> None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    try:
        probs = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadModelError(f"The probabilities cannot be read: {error}") from error
    if probs.shape != (n, classes) or probs.dtype != np.float16:
        raise BadModelError(f"The probabilities do not fit {n} images of {classes} classes.")


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; empty if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def take_over(source: Path, run: Run, name: str) -> str:
    """Move a training's files in; return their folder relative to MEDIA_ROOT.

    The name holds the claim's token, so attempts cannot touch each other's files.
    """
    relative = f"models/{run.project.public_id}/{name}"
    folder = Path(settings.MEDIA_ROOT) / relative
    folder.mkdir(parents=True, exist_ok=True)
    several = (source / MANIFEST).exists()
    needed = (MANIFEST, MEMBERS, *SCORES, *DISAGREEMENT) if several else (WEIGHTS, *SCORES)
    for file in (*needed, *LARGE):
        if file not in LARGE or (source / file).exists():
            shutil.move(source / file, folder / file)
    return relative


def prune(run: Run) -> None:
    """Delete old models' score arrays, and folders that no model has (results that came late).

    The models of audits stay whole: their scores are frozen, and prove the certificate. Of other
    old ensembles the list of members stays, the members themselves go.
    """
    models = list(run.models.order_by("-iteration"))
    latest = sorted({model.iteration for model in models}, reverse=True)
    frozen = set(run.commitments.values_list("model", flat=True)) | _certified(run)
    for model in models:
        folder = folder_of(model)
        if model.iteration not in latest[:1]:
            for name in LARGE:
                (folder / name).unlink(missing_ok=True)
        if model.iteration not in latest[:1] and model.sha256 not in frozen:
            shutil.rmtree(folder / MEMBERS, ignore_errors=True)
        if model.iteration not in latest[:KEEP] and model.sha256 not in frozen:
            for name in (*SCORES, *DISAGREEMENT):
                (folder / name).unlink(missing_ok=True)
    known = {Path(model.folder).name for model in models}
    root = Path(settings.MEDIA_ROOT) / "models" / run.project.public_id
    for folder in root.iterdir() if root.exists() else ():
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


def folder_of(model: ModelVersion) -> Path:
    """Return where a model's files lie."""
    return Path(settings.MEDIA_ROOT) / model.folder


def _certified(run: Run) -> set[str]:
    found = Certificate.objects.filter(run=run).first()
    return {str(found.content.get("model", ""))} if found else set()

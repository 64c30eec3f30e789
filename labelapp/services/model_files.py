"""The files of trained models below MEDIA_ROOT/models: checked, moved in, pruned."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings

from labelapp.models import Certificate, Run

FILES = ("model.pt", "pred.npy", "uncertainty.npy")
SCORES = ("pred.npy", "uncertainty.npy")
KEEP = 2  # models whose score arrays stay, besides the certified one


class BadModelError(Exception):
    """The training program's files are not what its result says."""


def check(folder: Path, result: dict[str, Any], n: int, classes: int) -> None:
    """Raise BadModelError unless all files are there, unchanged, and score n images."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    for name, key in (("model.pt", "model_sha256"), ("pred.npy", "pred_sha256")):
        if file_hash(folder / name) != result.get(key):
            raise BadModelError(f"{name} is missing or not the file that the training wrote.")
    try:
        pred = np.load(folder / "pred.npy", allow_pickle=False)
        uncertainty = np.load(folder / "uncertainty.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadModelError(f"The scores cannot be read: {error}") from error
    if pred.shape != (n,) or uncertainty.shape != (n,) or int(pred.max(initial=0)) >= classes:
        raise BadModelError(f"The scores do not fit {n} images of {classes} classes.")
    numbers = [result.get(k) for k in ("train_seconds", "score_seconds", "samples_shown")]
    if not np.isfinite(uncertainty).all() or not all(_is_amount(v) for v in numbers):
        raise BadModelError("The training returned values that are not numbers.")


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; empty if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def take_over(source: Path, run: Run, token: str) -> str:
    """Move a training's files in; return their folder relative to MEDIA_ROOT.

    The name holds the claim's token, so attempts cannot touch each other's files.
    """
    relative = f"models/{run.project.public_id}/{run.iteration:03d}-{token[:12]}"
    folder = Path(settings.MEDIA_ROOT) / relative
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.move(source / name, folder / name)
    return relative


def prune(run: Run) -> None:
    """Delete old models' score arrays, and folders that no model has (results that came late)."""
    models = list(run.models.order_by("-iteration"))
    kept = {model.iteration for model in models[:KEEP]} | _certified(run)
    for model in models:
        if model.iteration not in kept:
            for name in SCORES:
                (Path(settings.MEDIA_ROOT) / model.folder / name).unlink(missing_ok=True)
    known = {Path(model.folder).name for model in models}
    root = Path(settings.MEDIA_ROOT) / "models" / run.project.public_id
    for folder in root.iterdir() if root.exists() else ():
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


def _certified(run: Run) -> set[int]:
    found = Certificate.objects.filter(run=run).first()
    return {found.content["iteration"]} if found and "iteration" in found.content else set()

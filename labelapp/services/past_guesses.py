"""What the model said of an image before that image joined B: kept, for it is out of sample.

A model cannot contradict a label that it was trained on. Score files are pruned after two
trainings, so the guesses for the images that join are put aside while they are there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelapp.models import Iteration, ModelVersion, Run, TrainItem
from labelapp.selectors.browse_guess import UNKNOWN, UNSEEN, before_folder
from labelapp.services import model_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILES = ("before_pred.npy", "before_margin.npy")
PROBS = ("before_seqs.npy", "before_probs.npy")


def keep(run: Run, iteration: int) -> int:
    """Put aside the guesses for the images that the training of `iteration` is the first to use.

    Returns how many images are new in B. Harmless if repeated; call it before files are pruned.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    folder = before_folder(run.project.public_id)
    folder.mkdir(parents=True, exist_ok=True)
    pred, margin = _read(folder, run.n)
    rows = TrainItem.objects.filter(run=run).order_by("seq").values_list("seq", "iteration")
    train = np.array(list(rows), dtype=np.int64).reshape(-1, 2)
    train = train[pred[train[:, 0]] == UNKNOWN]
    joined = train[:, 0]
    if not len(joined):
        return 0
    model = _leader_before(run, iteration)
    found = None if model is None else _scores(model)
    pred[joined] = UNSEEN
    if model is not None and found is not None:
        fresh = joined[train[:, 1] >= model.iteration]  # others it has learnt: runs of before 0005
        inside = fresh[fresh < len(found[0])]
        pred[inside], margin[inside] = found[0][inside], found[1][inside]
        _keep_probs(folder, model, inside)
    _write(folder / FILES[1], margin)
    _write(folder / FILES[0], pred)
    return len(joined)


def _read(folder: Path, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what is kept so far, longer where images were added since."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    pred, margin = np.full(n, UNKNOWN, dtype=np.uint16), np.zeros(n, dtype=np.float32)
    for array, name in ((pred, FILES[0]), (margin, FILES[1])):
        if (folder / name).exists():
            old = np.load(folder / name, allow_pickle=False)[:n]
            array[: len(old)] = old
    return pred, margin


def _leader_before(run: Run, iteration: int) -> ModelVersion | None:
    """Return the model that led before this training."""
    rounds = Iteration.objects.filter(run=run, model__iteration__lt=iteration)
    last = rounds.select_related("model").order_by("-number").first()
    return None if last is None else last.model


def _scores(model: ModelVersion) -> tuple[NDArray[Any], NDArray[Any]] | None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    folder = model_files.folder_of(model)
    try:
        pred = np.load(folder / "pred.npy", mmap_mode="r", allow_pickle=False)
        uncertainty = np.load(folder / "uncertainty.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return pred, np.clip(1.0 - np.asarray(uncertainty, dtype=np.float32), 0.0, 1.0)


def _keep_probs(folder: Path, model: ModelVersion, seqs: NDArray[Any]) -> None:
    """Append the probabilities of these images, where the model kept any."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    source = model_files.folder_of(model) / model_files.PROBS
    if not source.exists() or not len(seqs):
        return
    rows = np.load(source, mmap_mode="r", allow_pickle=False)[seqs]
    places = [folder / name for name in PROBS]
    if all(place.exists() for place in places):
        old = [np.load(place, allow_pickle=False) for place in places]
        if len(old[0]) == len(old[1]) and old[1].shape[1:] == rows.shape[1:]:
            fresh = ~np.isin(old[0], seqs)
            seqs = np.concatenate([old[0][fresh], seqs])
            rows = np.concatenate([old[1][fresh], rows])
    _write(places[1], rows)
    _write(places[0], seqs)


def _write(path: Path, array: NDArray[Any]) -> None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as out:
        np.save(out, array)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)

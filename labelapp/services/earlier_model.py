"""The model of the round before, for candidates that learn from it: what goes into a training's files.

Pseudo-labels are machine labels of that model; they are calibrated on the images that joined B
since (mcal_engine/pseudo.py). A model whose scores are gone teaches nothing: the training then
goes without.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelapp import engine_rows
from labelapp.models import ModelVersion, Run, TrainItem
from labelapp.services import model_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = "earlier"
ITEMS = "earlier_items.npy"


def write(run: Run, arch: str, iteration: int, folder: Path) -> dict[str, Any] | None:
    """Write the scores of the candidate's last model below `folder`; return what names them.

    None where this candidate does not learn from itself, has no earlier model, or its scores are
    gone. Images that were added since are ones that the model is never sure of; classes that were
    merged since count as what they became.
    """
    if not engine_rows.learns_from_itself(arch):
        return None
    before = run.models.filter(arch=arch, iteration__lt=iteration).order_by("-iteration")
    model = before.first()
    scores = None if model is None else _scores(model, run)
    if model is None or scores is None:
        return None
    _save(scores, folder / FOLDER)
    _save({ITEMS.removesuffix(".npy"): _trained_on(run, model)}, folder)
    return {"folder": FOLDER, "train_items": ITEMS, "round": before.count()}


def _scores(model: ModelVersion, run: Run) -> dict[str, NDArray[Any]] | None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    folder = model_files.folder_of(model)
    try:
        found = engine_rows.earlier_scores(folder, run.project_id)
    except (OSError, ValueError, EOFError):
        return None
    if found is None or any(len(array) > run.n for array in found.values()):
        return None
    missing = run.n - len(found["pred"])
    return {
        name: np.pad(array, (0, missing), constant_values=0 if name == "pred" else 1)
        for name, array in found.items()
    }


def _trained_on(run: Run, model: ModelVersion) -> NDArray[Any]:
    """Return B of that training: images that joined at an iteration before it."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    rows = TrainItem.objects.filter(run=run, iteration__lt=model.iteration)
    rows = rows.filter(image__exclusion=None)
    return np.array(list(rows.order_by("seq").values_list("seq", flat=True)), dtype=np.int64)


def _save(arrays: dict[str, NDArray[Any]], folder: Path) -> None:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)

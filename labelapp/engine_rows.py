"""The bridge's reading half: rows and score files -> the arrays that mcal_engine takes.

Reads only. NumPy and the engine are imported inside the functions, as in `labelapp.engine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelapp.models import AheadItem, Exclusion, Label, LabelClass, Run, TestMark, TrainItem
from labelapp.orders import Frozen, Training

if TYPE_CHECKING:
    from mcal_engine import types as t

HISTOGRAM_BINS = 20


def pool_of(run: Run) -> t.Pool:
    """Return B, T, the human labels, and the images excluded or asked for ahead of their batch."""
    import numpy as np  # noqa: PLC0415

    from mcal_engine import types  # noqa: PLC0415

    labels = np.full(run.n, -1, dtype=np.int64)
    human = Label.objects.filter(
        project_id=run.project_id, source=Label.Source.HUMAN, seq__lt=run.n
    )
    for seq, index in human.values_list("seq", "class_index").iterator(chunk_size=10_000):
        labels[seq] = index
    train = TrainItem.objects.filter(run=run).values_list("seq", flat=True)
    marked = TestMark.objects.filter(run=run).values_list("seq", flat=True)
    unusable = Exclusion.objects.filter(project_id=run.project_id, seq__lt=run.n)
    excluded = unusable.values_list("seq", flat=True)
    waiting = AheadItem.objects.filter(batch__run=run).exclude(batch__purpose="train")
    early = waiting.values_list("seq", flat=True)
    return types.Pool(
        train=_mask(run.n, list(train)),
        marked=_mask(run.n, list(marked)),
        labels=labels,
        excluded=_mask(run.n, list(excluded)),
        ahead=_mask(run.n, list(early)),
    )


def _mask(n: int, items: list[int]) -> t.BoolArray:
    import numpy as np  # noqa: PLC0415

    mask = np.zeros(n, dtype=np.bool_)
    mask[items] = True
    return mask


def scores_of(model: Training | Frozen, merged: Mapping[int, int] | None = None) -> t.Scores:
    """Return a stored model's view of every image; `merged` classes count as what they became."""
    from mcal_engine import types  # noqa: PLC0415

    return types.Scores(
        pred=_renamed(_array(model.folder, "pred"), merged or {}),
        uncertainty=_array(model.folder, "uncertainty"),
        model=model.sha256,
        least=_array(model.folder, "least"),
        entropy=_array(model.folder, "entropy"),
        features=_array(model.folder, "features"),
        mutual=_array(model.folder, "mutual"),
        variation=_array(model.folder, "variation"),
    )


def learns_from_itself(arch: str) -> bool:
    """Tell whether a training of this candidate looks at its model of the round before."""
    from mcal_engine import candidates  # noqa: PLC0415

    return candidates.learns_from_itself(arch)


def earlier_scores(folder: Path, project_id: int) -> dict[str, Any] | None:
    """Return a stored model's pred, uncertainty and least [n]; None where some are gone."""
    names = ("pred", "uncertainty", "least")
    if not all((folder / f"{name}.npy").exists() for name in names):
        return None
    scores = scores_of(Frozen(folder, ""), merged_classes(project_id))
    return {name: getattr(scores, name) for name in names}


def merged_classes(project_id: int) -> dict[int, int]:
    """Return the numbers of merged classes with those of the classes that they became."""
    merged = LabelClass.objects.filter(project_id=project_id, merged_into__isnull=False)
    return dict(merged.values_list("index", "merged_into__index"))


def _renamed(pred: Any, merged: Mapping[int, int]) -> Any:
    if not merged:
        return pred
    import numpy as np  # noqa: PLC0415

    table = np.arange(max(int(pred.max(initial=0)), *merged) + 1, dtype=pred.dtype)
    for old, new in merged.items():
        table[old] = new
    return table[pred]


def _array(folder: Path, name: str) -> Any:
    """Return a score array, None where the training left none of this name.

    Features stay on disk until somebody looks at them: pages have them, M(.) seldom needs them.
    """
    import numpy as np  # noqa: PLC0415

    path = folder / f"{name}.npy"
    if not path.exists():
        return None
    if name == "features":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    return np.load(path, allow_pickle=False)


def measured_of(training: Training, scores: t.Scores) -> t.Measured:
    """Return what the engine is told of a training."""
    from mcal_engine import types  # noqa: PLC0415

    return types.Measured(
        arch=training.arch,
        scores=scores,
        train_seconds=training.train_seconds,
        score_seconds=training.score_seconds,
        samples_shown=training.samples_shown,
        device=training.device,
    )


def histogram_of(pool: t.Pool, scores: t.Scores) -> dict[str, Any]:
    """Count T's images by margin, right and wrong apart: what the margin threshold separates."""
    import numpy as np  # noqa: PLC0415

    edges = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
    margin = np.clip(1.0 - scores.uncertainty[pool.test], 0.0, 1.0)
    right = ((scores.pred == pool.labels) & ~pool.excluded)[pool.test]
    return {
        "edges": [round(float(edge), 6) for edge in edges],
        "right": np.histogram(margin[right], edges)[0].tolist(),
        "wrong": np.histogram(margin[~right], edges)[0].tolist(),
    }


def profile_of(pool: t.Pool, scores: t.Scores) -> dict[str, list[float]]:
    """Return T under this model, image by image: arrays of one length, in the order of `seq`.

    `margin` is that of the first over the second class, `confidence` the probability of the first
    (empty where the model did not keep it). Images that nobody could label are left out.
    """
    import numpy as np  # noqa: PLC0415

    items = np.flatnonzero(pool.test & ~pool.excluded & (pool.labels >= 0))
    margin = np.clip(1.0 - scores.uncertainty[items], 0.0, 1.0)
    least = None if scores.least is None else np.clip(1.0 - scores.least[items], 0.0, 1.0)
    return {
        "seq": items.tolist(),
        "label": pool.labels[items].tolist(),
        "pred": scores.pred[items].astype(int).tolist(),
        "margin": [round(float(value), 5) for value in margin],
        "confidence": [] if least is None else [round(float(value), 5) for value in least],
    }

"""What a run waits for, and what of it is there: labels of a batch, models of a training."""

from __future__ import annotations

from django.db.models import QuerySet

from labelapp import engine
from labelapp.models import LabelBatch, ModelVersion, Run
from labelapp.orders import Frozen, Training
from labelapp.services import model_files


def answered(run: Run) -> bool:
    """Tell whether what the run waits for is there: the labels, or all models."""
    if run.request_kind == "label":
        done = run.batches.filter(request_id=run.waiting_for, state=LabelBatch.State.DONE)
        return done.exists() and not joined_early(run).exists()
    return run.request_kind == "train" and not missing_models(run)


def joined_early(run: Run) -> QuerySet[LabelBatch]:
    """Return what was asked during a training, has joined the request, and lacks answers."""
    still = run.batches.filter(state=LabelBatch.State.OPEN, request_id__endswith="-ahead")
    return still.filter(purpose__in=("train", "residual"))


def missing_models(run: Run) -> list[str]:
    """Return the architectures of the outstanding training that have no model yet, in order."""
    there = set(run.models.filter(iteration=run.iteration).values_list("arch", flat=True))
    return [arch for arch in engine.outstanding_training(run).archs if arch not in there]


def models_of(run: Run) -> list[ModelVersion]:
    """Return the models that answer the outstanding training, in the order of the request."""
    if run.request_kind != "train":
        return []
    by_arch = {model.arch: model for model in run.models.filter(iteration=run.iteration)}
    return [by_arch[arch] for arch in engine.outstanding_training(run).archs]


def as_training(model: ModelVersion) -> Training:
    """Return what the engine is told of a model."""
    measured = model.metrics
    return Training(
        arch=model.arch,
        folder=model_files.folder_of(model),
        sha256=model.sha256,
        train_seconds=measured["train_seconds"],
        score_seconds=measured["score_seconds"],
        samples_shown=measured["samples_shown"],
        device=measured.get("device_kind", ""),
    )


def newest(run: Run) -> dict[str, Frozen]:
    """Return the models of the last training by architecture: their scores are on disk."""
    rows = list(run.models.order_by("-iteration", "pk"))
    return {
        model.arch: Frozen(model_files.folder_of(model), model.sha256)
        for model in rows
        if model.iteration == rows[0].iteration
    }


def frozen(run: Run) -> Frozen | None:
    """Return the model whose scores belong to the labels that the run waits for, if any.

    That of an audit; or the last one, where the run is to stop and may have nothing new to learn.
    """
    waiting = run.batches.filter(request_id=run.waiting_for).exclude(frozen="")
    sha256 = waiting.values_list("frozen", flat=True).first()
    if sha256 is None:
        stops = run.wish and run.request_kind == "label"
        return newest(run).get(run.state["state"]["live"][0]) if stops else None
    model = run.models.filter(sha256=sha256).order_by("-iteration")[0]
    return Frozen(model_files.folder_of(model), sha256)

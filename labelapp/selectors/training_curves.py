"""Loss and accuracy by epoch: of the training that goes on, else of the last one that ended."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext

from labelapp.models import Event, Job, ModelVersion, Project, TrainItem
from labelapp.selectors.candidate_words import candidate_name
from labelapp.selectors.dashboard_words import number

MOST_EVENTS = 400
MOST_EPOCHS = 400
NEWS = ("training.started", "training.progress", "training.finished", "training.failed")


def training_curve(project: Project) -> dict[str, Any]:
    """Return the figures of one training, ready for JSON.

    `state` is training, finished or none; `rows` are [run, epoch, loss, accuracy], `runs` how many
    networks it trains one after the other. `version` changes when there is something new.
    """
    found = _going_on(project) or _ended(project) or _nothing()
    return found | {"says": _says(found)}


def has_training(project: Project) -> bool:
    """Tell whether there is, or soon will be, a curve to show."""
    going = project.jobs.filter(kind="train", state=Job.State.RUNNING)
    return going.exists() or ModelVersion.objects.filter(run__project=project).exists()


def _going_on(project: Project) -> dict[str, Any] | None:
    """Return the training that runs: what its progress events told since it began."""
    if not project.jobs.filter(kind="train", state=Job.State.RUNNING).exists():
        return None
    events = Event.objects.filter(project=project, type__in=NEWS).order_by("-seq")
    rows: list[Any] = []
    newest: Event | None = None
    for event in events[:MOST_EVENTS]:
        if event.type in {"training.finished", "training.failed"}:
            break
        newest = newest or event
        rows = [*event.payload.get("epochs", []), *rows]
        if event.type == "training.started":
            return _figures("training", event.payload, rows, f"e{newest.seq}", newest.payload)
    if newest is None:
        return None
    return _figures("training", newest.payload, rows, f"e{newest.seq}", newest.payload)


def _ended(project: Project) -> dict[str, Any] | None:
    """Return the last training that ended well and kept its epochs."""
    models = ModelVersion.objects.filter(run__project=project).order_by("-pk")
    model = models.first()
    if model is None:
        return None
    size = TrainItem.objects.filter(run=model.run_id, iteration__lt=model.iteration).count()
    facts = {"arch": model.arch, "iteration": model.iteration, "size": size}
    rows = model.metrics.get("epochs", [])
    return _figures("finished", facts, rows, f"m{model.pk}", model.metrics)


def _nothing() -> dict[str, Any]:
    return {"state": "none", "rows": [], "runs": 1, "version": "", "arch": "", "iteration": 0}


def _figures(
    state: str, about: dict[str, Any], rows: list[Any], version: str, last: dict[str, Any]
) -> dict[str, Any]:
    return {
        "state": state,
        "arch": about.get("arch", ""),
        "iteration": about.get("iteration", 0),
        "size": about.get("size"),
        "runs": last.get("runs", 1),
        "rows": rows[-MOST_EPOCHS:],
        "version": version,
    }


def _says(found: dict[str, Any]) -> str:
    """Say which training this is, and how far."""
    if found["state"] == "none":
        return ""
    name = candidate_name(found["arch"])
    facts = {"name": name, "number": number(found["iteration"]), "images": _images(found["size"])}
    if found["state"] == "training":
        return gettext("Training %(number)s goes on, with %(images)s. Network: %(name)s.") % facts
    return gettext("Training %(number)s has ended. It had %(images)s. Network: %(name)s.") % facts


def _images(size: int | None) -> str:
    if size is None:
        return gettext("the labelled images")
    return ngettext("%(n)s image", "%(n)s images", size) % {"n": number(size)}

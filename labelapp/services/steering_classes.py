"""Add or merge classes while a run goes on (docs/steering.md says what it means for T and B).

A new class gets the next number; nobody has given it yet. Of two merged classes one is archived:
its labels become the other's, its answers stay as they were given and count for the other.
"""

from __future__ import annotations

import gzip
import uuid
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import engine_steering, events
from labelapp.errors import ConflictError, InvalidInputError
from labelapp.models import GoldItem, Label, LabelClass, Project, Run, SteeringAction
from labelapp.selectors import steering as found
from labelapp.selectors.projects import Access
from labelapp.selectors.steering_reasons import TOO_LATE
from labelapp.services import runs
from labelapp.services.batches import chunks
from labelapp.services.class_lists import MAX_NAME, next_class
from labelapp.services.image_files import media_path, write_media
from labelapp.services.leases import one_writer
from labelapp.services.steering import (
    claim,
    computed,
    lock_batches,
    mark_undone,
    ready,
    write,
)

_IN_LIST = 500


def add_class(*, access: Access, name: str, version: int) -> SteeringAction:
    """Add a class to a run that goes on; people can choose it from now on.

    Raises ForbiddenError, InvalidInputError (field `name`), RunMovedError, ConflictError.
    """
    known, run = ready(access, "classes", version)
    name = " ".join(name.split())
    rows = list(run.project.classes.order_by("index"))
    if problem := _problem(name, rows):
        raise InvalidInputError(problem, name=problem)
    new = next_class(name, rows)
    state = computed(lambda: engine_steering.with_classes(run, new.index + 1))
    with transaction.atomic():
        claim(run, state)
        row = LabelClass.objects.create(project=run.project, **asdict(new))
        params = {"what": "added", "index": row.index, "words": name}
        said = found.consequence(known, "classes")
        action = write(access, run, "classes", before={}, said=said, params=params)
        _tell(run, "added", action)
    return action


def _problem(name: str, rows: list[LabelClass]) -> str:
    if not name:
        return _("A class has no name.")
    if len(name) > MAX_NAME:
        return _("A name may have 120 characters.")
    if name.casefold() in {row.name.casefold() for row in rows}:
        return _("There is such a class already, or there was one.")
    return ""


def check_merge(project: Project, source: int, into: int) -> tuple[LabelClass, LabelClass]:
    """Return the two classes. Raises InvalidInputError, ConflictError."""
    rows = {row.index: row for row in project.classes.filter(archived=False)}
    if source == into or not {source, into} <= set(rows):
        raise InvalidInputError(_("Choose two classes that people can choose now."))
    if len(rows) < 3:
        raise ConflictError(_("At least two classes must stay."))
    return rows[source], rows[into]


def merge_classes(
    *, access: Access, source: int, into: int, version: int, job: int = 0
) -> SteeringAction:
    """Let the class with the number `source` become part of `into`.

    `job` is kept with the action. Raises ForbiddenError, InvalidInputError, RunMovedError,
    ConflictError.
    """
    known, run = ready(access, "classes", version, job)
    old, new = check_merge(run.project, source, into)
    state = computed(lambda: engine_steering.with_classes(run, run.config["classes"]))
    with one_writer():
        claim(run, state)
        lock_batches(run)  # answers of the old class that are on their way come first
        labels = Label.objects.filter(project=run.project, class_index=source)
        seqs = list(labels.filter(source=Label.Source.HUMAN).values_list("seq", flat=True))
        labels.filter(source=Label.Source.HUMAN).update(class_index=into)
        heirs = LabelClass.objects.filter(project=run.project, merged_into=old)
        before = {
            "file": _keep(run, seqs),
            "heirs": list(heirs.values_list("pk", flat=True)),
            "gold": list(GoldItem.objects.filter(label_class=old).values_list("pk", flat=True)),
        }
        heirs.update(merged_into=new)
        GoldItem.objects.filter(label_class=old).update(label_class=new)
        LabelClass.objects.filter(pk=old.pk).update(archived=True, merged_into=new)
        params = {
            "what": "merged",
            "index": source,
            "into": into,
            "labels": len(seqs),
            "words": f"{old.name} → {new.name}",
            "waiting_for": run.waiting_for,
            "job": job,
        }
        said = found.consequence(known, "classes")
        action = write(access, run, "classes", before=before, said=said, params=params)
        _tell(run, "merged", action)
    return action


def _keep(run: Run, seqs: list[int]) -> str:
    """Write down whose label changed: what an undo restores."""
    key = f"projects/{run.project.public_id}/merged/{uuid.uuid4().hex}.txt.gz"
    write_media(key, gzip.compress("\n".join(map(str, seqs)).encode()))
    return key


def _tell(run: Run, what: str, action: SteeringAction, **more: Any) -> None:
    """Wake the engine, whose last step may be out of date, and tell: the last of a transaction."""
    runs.ensure_job(run)
    payload = {"what": what, "words": action.params["words"], "id": action.pk}
    events.record(run.project_id, "classes.changed", payload | more)


def undo(access: Access, run: Run, action: SteeringAction) -> None:
    """Take it back: an added class that nobody has given, a merge before the next step."""
    state = computed(lambda: engine_steering.with_classes(run, run.config["classes"]))
    with one_writer():
        claim(run, state)
        lock_batches(run)  # an answer of the new class that is on its way comes first
        if action.params["what"] == "added":
            _archive(run, action.params["index"])
        else:
            _separate(run, action)
        mark_undone(access, run, action)
        _tell(run, action.params["what"], action, undone=True)


def _archive(run: Run, index: int) -> None:
    if Label.objects.filter(project_id=run.project_id, class_index=index).exists():
        raise ConflictError(_(TOO_LATE["spent"]))
    LabelClass.objects.filter(project_id=run.project_id, index=index).update(archived=True)


def _separate(run: Run, action: SteeringAction) -> None:
    """Give the labels their old class, unless somebody has changed them since."""
    before, params = action.before, action.params
    text = gzip.decompress(media_path(before["file"]).read_bytes()).decode()
    labels = Label.objects.filter(project_id=run.project_id, class_index=params["into"])
    for part in chunks([int(line) for line in text.split()], _IN_LIST):
        labels.filter(seq__in=part, created__lte=action.created).update(class_index=params["index"])
    classes = LabelClass.objects.filter(project_id=run.project_id)
    old = classes.get(index=params["index"])
    classes.filter(pk=old.pk).update(archived=False, merged_into=None)
    classes.filter(pk__in=before["heirs"]).update(merged_into=old)
    GoldItem.objects.filter(pk__in=before["gold"]).update(label_class=old)

"""Projects: create, change, archive, delete."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import events, queue
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import GoldItem, Job, LabelClass, Membership, Project, ProjectCounter, User
from labelapp.rights import Right, Role
from labelapp.selectors.projects import Access
from labelapp.services import audit, runs
from labelapp.services.class_lists import NewClass, assign, check_names
from labelapp.services.purging import purge
from labelapp.services.terms import Method, Terms, amounts
from labelapp.services.training_settings import TrainingSettings

__all__ = [
    "Method",
    "Terms",
    "archive_project",
    "create_project",
    "delete_project",
    "purge",
    "rename_project",
    "restore_project",
    "update_project",
]


def create_project(
    *,
    user: User,
    name: str,
    class_names: list[str],
    terms: Terms,
    method: Method,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    training: TrainingSettings | None = None,
) -> Project:
    """Create a project with its classes; `user` becomes its owner.

    `training` are put into `settings`. Raises InvalidInputError whose fields name every wrong value.
    """
    _check(name, class_names, terms, method, training)
    settings = settings or {}
    with transaction.atomic():
        project = Project.objects.create(
            name=name.strip(),
            seed=seed,
            settings=settings if training is None else training.into(settings),
            created_by=user,
            **asdict(terms),
            **asdict(method),
        )
        _equip(project, user, assign(class_names))
        audit.write(user=user, project=project, action="project.created", target=project.name)
        events.record(project.pk, "project.created")
    return project


def _equip(project: Project, user: User, classes: list[NewClass]) -> None:
    ProjectCounter.objects.create(project=project)
    LabelClass.objects.bulk_create(LabelClass(project=project, **asdict(c)) for c in classes)
    Membership.objects.create(project=project, user=user, role=Role.OWNER)


def _check(
    name: str,
    class_names: list[str] | None,
    terms: Terms,
    method: Method,
    training: TrainingSettings | None,
) -> None:
    """Raise InvalidInputError naming everything that is wrong at once."""
    wrong: dict[str, object] = {**terms.check(), **method.check()}
    wrong |= {} if training is None else training.check()
    if message := _name_problem(name):
        wrong["name"] = message
    if class_names is not None:
        try:
            check_names(class_names)
        except InvalidInputError as error:
            wrong |= error.fields
    if wrong:
        raise InvalidInputError(_("Some values cannot be used."), **wrong)


def _name_problem(name: str) -> str:
    if not name.strip():
        return _("Give the project a name.")
    return _("A name may have 120 characters.") if len(name.strip()) > 120 else ""


def rename_project(*, access: Access, name: str) -> None:
    """Change the name; possible at any time."""
    _need(access, Right.STEER)
    if message := _name_problem(name):
        raise InvalidInputError(message, name=message)
    before, after = access.project.name, name.strip()
    if before == after:
        return
    with transaction.atomic():
        Project.objects.filter(pk=access.project.pk).update(name=after)
        _log(access, "project.renamed", {"name": before}, {"name": after})
        events.record(access.project.pk, "project.changed", {"what": "name"})


def update_project(
    *,
    access: Access,
    name: str,
    class_names: list[str],
    terms: Terms,
    method: Method,
    flip: bool,
    training: TrainingSettings | None = None,
) -> None:
    """Change name, classes, terms, method and trainings before the run starts.

    Raises ConflictError once it has started, InvalidInputError naming what is wrong.
    """
    _need(access, Right.STEER)
    _check(name, class_names, terms, method, training)
    project = access.project
    with transaction.atomic():
        before = _snapshot(Project.objects.select_for_update(no_key=True).get(pk=project.pk))
        settings = {**project.settings, "flip": flip}
        settings = settings if training is None else training.into(settings)
        plain = {"name": name.strip(), "settings": settings}
        rows = Project.objects.filter(pk=project.pk, status=Project.Status.SETUP, run=None)
        if not rows.update(**plain, **asdict(terms), **asdict(method)):
            raise ConflictError(_("The run has started: only the name can be changed now."))
        _replace_classes(project, assign(class_names))
        project.refresh_from_db()
        after = _snapshot(project)
        if before != after:
            _log(access, "project.changed", before, after)
            events.record(project.pk, "project.changed", {"what": "settings"})


def _snapshot(project: Project) -> dict[str, Any]:
    names = ("name", "epsilon", "confidence", "currency", "settings")
    method = [field.name for field in fields(Method)]
    return {
        **{field: getattr(project, field) for field in (*names, *method)},
        **amounts(project),
        "classes": list(project.classes.order_by("index").values_list("name", flat=True)),
    }


def _replace_classes(project: Project, wanted: list[NewClass]) -> None:
    """Store the new list; a class whose name stays keeps its row and its guidelines."""
    names = [c.name for c in wanted]
    gone = project.classes.exclude(name__in=names)
    gold = GoldItem.objects.filter(label_class__in=gone).values_list("label_class__name", flat=True)
    if name := gold.first():
        problem = _("%(name)s is the class of gold images: remove those first.") % {"name": name}
        raise InvalidInputError(problem, classes=problem)
    gone.delete()
    rows = {row.name: row for row in project.classes.all()}
    kept = [_moved(rows[c.name], c, shift=10_000) for c in wanted if c.name in rows]
    # Two passes: the number is unique in the project, and swapping two would collide.
    LabelClass.objects.bulk_update(kept, ["index"])
    kept = [_moved(rows[c.name], c) for c in wanted if c.name in rows]
    LabelClass.objects.bulk_update(kept, ["index", "key", "colour"])
    LabelClass.objects.bulk_create(
        LabelClass(project=project, **asdict(c)) for c in wanted if c.name not in rows
    )


def _moved(row: LabelClass, new: NewClass, shift: int = 0) -> LabelClass:
    """Give a stored class the number (plus `shift`), key and colour of its new place."""
    row.index, row.key, row.colour = new.index + shift, new.key, new.colour
    return row


def archive_project(*, access: Access) -> None:
    """Put the project out of the way: it pauses, gives out no tasks, and keeps everything."""
    _need(access, Right.DELETE)
    if access.project.archived_at:
        return
    if access.project.status == Project.Status.RUNNING:
        runs.pause_run(access=access)
    _set_archived(access, timezone.now(), "project.archived")


def restore_project(*, access: Access) -> None:
    """Bring an archived project back; a run that was going stays paused."""
    _need(access, Right.DELETE)
    if access.project.archived_at:
        _set_archived(access, None, "project.restored")


def _set_archived(access: Access, moment: datetime | None, action: str) -> None:
    with transaction.atomic():
        Project.objects.filter(pk=access.project.pk).update(archived_at=moment)
        _log(access, action, {}, {})
        events.record(access.project.pk, "project.archived", {"archived": moment is not None})


def delete_project(*, access: Access, typed_name: str) -> None:
    """Delete the project for everyone, now; its rows and files go in the background.

    Raises InvalidInputError unless `typed_name` is the project's name.
    """
    _need(access, Right.DELETE)
    project = access.project
    if typed_name.strip() != project.name:
        message = _("Type the name of the project exactly, to be sure that it is this one.")
        raise InvalidInputError(message, typed_name=message)
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(status=Project.Status.DELETING)
        for job in Job.objects.filter(project=project, state__in=["waiting", "running"]):
            queue.request_cancel(job)
        audit.write(
            user=access.user,
            project=project,
            action="project.deleted",
            target=f"{project.name} ({project.public_id})",
            before=_snapshot(project),
        )
        # The job must outlive the project's rows, so it names the project only by number.
        queue.enqueue("delete", f"delete:{project.pk}", target=project.pk)


def _need(access: Access, right: Right) -> None:
    if not access.may(right):
        raise ForbiddenError(_("Your role in this project does not allow this."), right=right.value)


def _log(access: Access, action: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    changed = {key for key in after if before.get(key) != after[key]}
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=access.project.name,
        before={key: before[key] for key in before if key in changed},
        after={key: after[key] for key in after if key in changed},
    )

"""What the labelling page shows: tasks with their images, progress, and why there is no work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.models import Answer, DayCount, Image, LabelBatch, Project, Review, Task, User
from labelapp.selectors.predictions import Asked, top_of
from labelapp.selectors.projects import Access
from labelapp.selectors.quality import pause_words
from labelapp.selectors.rows import marks, prepared
from labelapp.selectors.runs import run_status

PURPOSE_HINTS = {
    "test": "random",
    "seed": "random",
    "audit": "random",
    "train": "unsure",
    "ahead": "ahead",
    "residual": "leftover",
}
"""Why this image, without telling test images apart: nobody should work differently on them."""

RETURNED, EXPERT = "returned", "expert"
USED_MOST = 12  # classes that come first where there are many
LAST_ANSWERS = 500


class TaskInfo(TypedDict):
    """A task as the API gives it."""

    id: int
    token: str
    seq: int
    image: str
    width: int
    height: int
    purpose_hint: str
    lease_seconds: int
    top: NotRequired[list[int]]  # classes, the most probable first, where that may be shown
    note: NotRequired[str]  # a reviewer's words to the person it was sent back to
    expert: NotRequired[bool]


class Status(TypedDict):
    """Why there is work, or none."""

    state: str
    message: str
    seconds_left: float | None


AT_WORK = Status(state="labelling", message="", seconds_left=None)


@dataclass(frozen=True)
class LeasedTask:
    """What describing a task needs to know of its lease."""

    task_id: int
    image_id: int
    batch_id: int
    token: str
    state: str = Task.State.OPEN


@dataclass(frozen=True)
class OpenBatch:
    """Why a batch was opened, and how many answers it lacks."""

    purpose: str
    remaining: int


def describe_tasks(
    project: Project,
    leased: Sequence[LeasedTask],
    batches: dict[int, OpenBatch],
    lease_seconds: int,
) -> list[TaskInfo]:
    """Return the tasks with their images, in the given order."""
    if not leased:
        return []
    images = _images({task.image_id for task in leased})
    notes = _notes(leased)
    asked = [
        Asked(images[task.image_id][0], task.image_id, batches[task.batch_id].purpose)
        for task in leased
        if task.batch_id in batches
    ]
    top = {} if _shows_gold(project, leased, batches) else top_of(project, asked)
    tasks = []
    for task in leased:
        seq, width, height = images[task.image_id]
        info = TaskInfo(
            id=task.task_id,
            token=task.token,
            seq=seq,
            image=image_address(project, seq),
            width=width,
            height=height,
            purpose_hint=_hint(task, batches, notes),
            lease_seconds=lease_seconds,
        )
        if top.get(seq):
            info["top"] = top[seq]
        if notes.get(task.task_id):
            info["note"] = notes[task.task_id]
        if task.state == Task.State.EXPERT:
            info["expert"] = True
        tasks.append(info)
    return tasks


def _shows_gold(
    project: Project, leased: Sequence[LeasedTask], batches: dict[int, OpenBatch]
) -> bool:
    """Tell whether guesses would give gold away, so that no image may show them.

    Gold has none: part of it are test images, whose predictions nobody may ever see, and the rest
    may be asked in a check of the machine one day. So images have guesses only where no gold is
    among them. The set for newcomers comes at once: there it is enough to look at what comes
    with it.
    """
    if project.gold_share > 0:
        return True
    return any(one.state == Task.State.ASSIGNED and one.batch_id not in batches for one in leased)


def _hint(task: LeasedTask, batches: dict[int, OpenBatch], notes: dict[int, str]) -> str:
    """Say why this image is asked. Gold looks like what the open batch asks."""
    if task.state == Task.State.EXPERT:
        return EXPERT
    if task.task_id in notes:
        return RETURNED
    batch = batches.get(task.batch_id)
    if batch is None:  # gold, or a batch that was completed a moment ago
        batch = min(batches.values(), key=lambda one: one.purpose == "ahead", default=None)
    return PURPOSE_HINTS.get(batch.purpose, "random") if batch else "random"


def _notes(leased: Sequence[LeasedTask]) -> dict[int, str]:
    """Return the reviewers' words by task, for what was sent back to this person."""
    assigned = [task.task_id for task in leased if task.state == Task.State.ASSIGNED]
    if not assigned:
        return {}
    rows = Review.objects.filter(task_id__in=assigned, outcome=Review.Outcome.SENT_BACK)
    return dict(rows.order_by("pk").values_list("task_id", "note"))


def _images(ids: set[int]) -> dict[int, tuple[int, int, int]]:
    """Return seq, width and height of images, by id."""
    with prepared() as cursor:
        cursor.execute(
            f"SELECT id, seq, width, height FROM {Image._meta.db_table}"  # noqa: S608 - a constant name
            f" WHERE id IN ({marks(ids)})",
            list(ids),
        )
        return {pk: (seq, width, height) for pk, seq, width, height in cursor.fetchall()}


def image_address(project: Project, seq: int) -> str:
    """Return the address of the display-size copy of an image."""
    return reverse("image_display", args=[project.public_id, seq])


def used_most(project: Project, user: User) -> list[int]:
    """Return the classes that this person's last answers name most often, the most used first."""
    named = (
        Answer.objects.filter(project=project, user=user, kind=Answer.Kind.CLASS)
        .order_by("-created")
        .values_list("label_class__index", flat=True)[:LAST_ANSWERS]
    )
    counted = sorted(Counter(named).items(), key=lambda one: (-one[1], one[0]))
    return [index for index, times in counted[:USED_MOST]]


def open_batches(project: Project) -> dict[int, OpenBatch]:
    """Return the batches that still lack answers, by id."""
    with prepared() as cursor:
        cursor.execute(
            f"SELECT id, purpose, remaining FROM {LabelBatch._meta.db_table}"  # noqa: S608 - a constant name
            " WHERE project_id = %s AND state = 'open'",
            [project.pk],
        )
        return {pk: OpenBatch(purpose, remaining) for pk, purpose, remaining in cursor.fetchall()}


def done_today(project: Project, user: User) -> int:
    """Return how many images this person has labelled here since midnight (UTC)."""
    rows = DayCount.objects.filter(project=project, user=user, day=timezone.now().date())
    return max(0, rows.values_list("done", flat=True).first() or 0)


def why_no_tasks(found: Access, left_in_batch: int) -> Status:
    """Say in words what an annotator without a task waits for, and how long where known."""
    project = found.project
    if project.archived_at is not None:
        message = _("This project is archived.")
        return Status(state="archived", message=message, seconds_left=None)
    if found.paused_at is not None:
        message = f"{_('You get no images for now.')} {pause_words(found.pause_reason)}"
        return Status(state="paused", message=message, seconds_left=None)
    if left_in_batch and project.status == Project.Status.RUNNING:
        message = _("The last images of this batch are with other people.")
        if project.overlap > 1 or project.overlap_max:
            message = _("What is left of this batch waits for the answers of other people.")
        return Status(state="labelling", message=message, seconds_left=None)
    status = run_status(project)
    return Status(state=status.state, message=status.message, seconds_left=status.seconds_left)

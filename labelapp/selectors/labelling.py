"""What the labelling page shows: tasks with their images, progress, and why there is no work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from django.urls import reverse
from django.utils import timezone

from labelapp.models import Answer, Image, LabelBatch, Project, User
from labelapp.selectors.runs import run_status

PURPOSE_HINTS = {
    "test": "random",
    "seed": "random",
    "audit": "random",
    "train": "unsure",
    "residual": "leftover",
}
"""Why this image, without telling test images apart: nobody should work differently on them."""


_OTHERS = "The last images of this batch are with other people."


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
    wanted = Image.objects.filter(project=project, pk__in=[task.image_id for task in leased])
    rows = wanted.values_list("pk", "seq", "width", "height")
    images = {pk: (seq, width, height) for pk, seq, width, height in rows}
    tasks = []
    for task in leased:
        seq, width, height = images[task.image_id]
        batch = batches.get(task.batch_id)  # None: it was completed a moment ago
        hint = PURPOSE_HINTS.get(batch.purpose, "random") if batch else "random"
        info = TaskInfo(
            id=task.task_id,
            token=task.token,
            seq=seq,
            image=image_address(project, seq),
            width=width,
            height=height,
            purpose_hint=hint,
            lease_seconds=lease_seconds,
        )
        tasks.append(info)
    return tasks


def image_address(project: Project, seq: int) -> str:
    """Return the address of the display-size copy of an image."""
    return reverse("image_display", args=[project.public_id, seq])


def open_batches(project: Project) -> dict[int, OpenBatch]:
    """Return the batches that still lack answers, by id."""
    rows = LabelBatch.objects.filter(project=project, state=LabelBatch.State.OPEN)
    return {
        pk: OpenBatch(purpose, remaining)
        for pk, purpose, remaining in rows.values_list("pk", "purpose", "remaining")
    }


def done_today(project: Project, user: User) -> int:
    """Return how many images this person has labelled here since midnight (UTC)."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return Answer.objects.filter(
        project=project,
        user=user,
        created__gte=midnight,
        kind=Answer.Kind.CLASS,
        extra=False,
        superseded_by=None,
    ).count()


def why_no_tasks(project: Project, left_in_batch: int) -> Status:
    """Say in words what an annotator without a task waits for, and how long where known."""
    if project.archived_at is not None:
        return Status(state="archived", message="This project is archived.", seconds_left=None)
    if left_in_batch and project.status == Project.Status.RUNNING:
        return Status(state="labelling", message=_OTHERS, seconds_left=None)
    status = run_status(project)
    return Status(state=status.state, message=status.message, seconds_left=status.seconds_left)

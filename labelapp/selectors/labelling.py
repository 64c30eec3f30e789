"""What the labelling page shows: tasks with their images, progress, and why there is no work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from django.db.models import Sum
from django.utils import timezone

from labelapp.models import Answer, Guideline, Image, LabelBatch, Project, User

PURPOSE_HINTS = {
    "test": "random",
    "seed": "random",
    "audit": "random",
    "train": "unsure",
    "residual": "leftover",
}
"""Why this image, without telling test images apart: nobody should work differently on them."""


_OTHERS = "The last images of this batch are with other people. The next ones come by themselves."


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


def describe_tasks(
    project: Project, leased: Sequence[LeasedTask], lease_seconds: int
) -> list[TaskInfo]:
    """Return the tasks with their images, in the given order."""
    if not leased:
        return []
    images = Image.objects.filter(project=project).in_bulk([task.image_id for task in leased])
    purposes = dict(
        LabelBatch.objects.filter(
            project=project, pk__in={task.batch_id for task in leased}
        ).values_list("pk", "purpose")
    )
    return [
        TaskInfo(
            id=task.task_id,
            token=task.token,
            seq=images[task.image_id].seq,
            image=image_address(project, images[task.image_id].seq),
            width=images[task.image_id].width,
            height=images[task.image_id].height,
            purpose_hint=PURPOSE_HINTS.get(purposes[task.batch_id], "random"),
            lease_seconds=lease_seconds,
        )
        for task in leased
    ]


def image_address(project: Project, seq: int) -> str:
    """Return the address of the display-size copy of an image."""
    return f"/p/{project.public_id}/images/{seq}/display/"


def left_in_batch(project: Project) -> int:
    """Return how many images the open batches still lack an answer for."""
    open_batches = LabelBatch.objects.filter(project=project, state=LabelBatch.State.OPEN)
    total: int | None = open_batches.aggregate(total=Sum("remaining"))["total"]
    return total or 0


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


def current_guideline(project: Project) -> Guideline | None:
    """Return the newest version of the guidelines, if any were written."""
    return project.guidelines.order_by("-version").first()


def why_no_tasks(project: Project) -> Status:
    """Say in words what an annotator without a task waits for, and how long where known."""
    if project.archived_at is not None:
        return Status(state="archived", message="This project is archived.", seconds_left=None)
    from labelapp.selectors.runs import run_status

    status = run_status(project)
    message = _OTHERS if status.state == "labelling" else status.message
    return Status(state=status.state, message=message, seconds_left=status.seconds_left)

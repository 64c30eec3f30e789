"""What people are asked: batches and their tasks."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labelapp.models.images import Image
from labelapp.models.projects import Project
from labelapp.models.runs import AuditCommitment, Run


class LabelBatch(models.Model):
    """One LabelRequest of the engine. `request_id` makes opening it idempotent.

    `remaining` counts the tasks that still lack an answer; the answer that takes it to 0 closes
    the batch in the same transaction and wakes the engine after commit.
    """

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="batches")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    request_id = models.CharField(max_length=80)
    iteration = models.PositiveIntegerField()
    purpose = models.CharField(max_length=10)  # mcal_engine Purpose
    size = (
        models.PositiveIntegerField()
    )  # answers wanted, first and last; grows where people differ
    remaining = models.PositiveIntegerField()  # answers, every slot counted
    last_rank = models.BigIntegerField(default=0, db_default=0)  # what moved to the end stands here
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    # the rows of B that this batch wrote have a higher id; null where it wrote none
    joins_from = models.BigIntegerField(null=True)
    frozen = models.CharField(max_length=64, blank=True)  # SHA-256 of the model under audit
    commitment = models.ForeignKey(
        AuditCommitment, on_delete=models.RESTRICT, null=True, related_name="batches"
    )
    created = models.DateTimeField(default=timezone.now)
    closed = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "request_id"], name="batch_request_once"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} batch {self.pk}"


class Task(models.Model):
    """One answer that is wanted of one image: a slot. Claimed by conditional update of the lease.

    An OPEN task may be taken by anybody whose answer to the image is not there yet, when its
    lease is empty or over: no sweeper is needed. An EXPERT task is open to reviewers only. An
    ASSIGNED task waits for one person, `lease_user` (gold, images sent back), for ever. DROPPED
    tasks are wanted no more; nothing is asked and nothing is lost.

    The next slot of an image is made when the one before it is filled, so two people never
    wait for one another and nobody holds two slots of one image.
    """

    class State(models.TextChoices):
        OPEN = "open"
        EXPERT = "expert"
        ASSIGNED = "assigned"
        DONE = "done"
        DROPPED = "dropped"

    batch = models.ForeignKey(LabelBatch, on_delete=models.CASCADE, related_name="tasks")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    slot = models.PositiveSmallIntegerField(default=0)
    # answers wanted of the image in this batch, known when this slot was made
    wanted = models.PositiveSmallIntegerField(default=1, db_default=1)
    rank = models.BigIntegerField()  # order within the project; skipped tasks get a new one
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    lease_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_since = models.DateTimeField(null=True, blank=True)  # when this person got it
    lease_soft = models.BooleanField(default=True)  # fetched ahead; False: on somebody's screen

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "image", "slot"], name="task_slot_once"),
        ]
        indexes = [
            models.Index(
                fields=["project", "rank"], condition=models.Q(state="open"), name="task_open"
            ),
            models.Index(
                fields=["project", "rank"], condition=models.Q(state="expert"), name="task_expert"
            ),
            models.Index(
                fields=["project", "lease_user", "rank"],
                condition=models.Q(state="assigned"),
                name="task_assigned",
            ),
            models.Index(
                fields=["project", "lease_user"],
                condition=models.Q(state="open", lease_user__isnull=False),
                name="task_held",
            ),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"


class QueueCursor(models.Model):
    """Below this rank no open task is left for this person (they answered those images).

    Kept only where images get several answers: one person alone would walk over all of them.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    rank = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="cursor_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} stands at {self.rank}"


class DayCount(models.Model):
    """How many images a person has labelled in a project on the last day (UTC) they worked there.

    A narrow row beside the answers: the labelling page shows the number with each reply, and
    nothing is counted for it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    done = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="day_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.done} by {self.user_id} on {self.day}"


class AheadItem(models.Model):
    """One place in the order of an "ahead" batch: asked while a training runs.

    The order is chosen blind to the test marks; marked images stand in it without a task. Up to
    the batch's cut all of them join B or the residual together, the marked ones unpaid.
    """

    batch = models.ForeignKey(LabelBatch, on_delete=models.CASCADE, related_name="ahead")
    position = models.PositiveIntegerField()
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    seq = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="ahead_position_once"),
            models.UniqueConstraint(fields=["batch", "image"], name="ahead_image_once"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} is number {self.position} of {self.batch_id}"

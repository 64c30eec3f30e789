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
    size = models.PositiveIntegerField()  # tasks made
    remaining = models.PositiveIntegerField()
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
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
    """One image to be answered once. Claimed by conditional update of the lease.

    A task may be taken when it is open and its lease is empty or over: no sweeper is needed.
    """

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"

    batch = models.ForeignKey(LabelBatch, on_delete=models.CASCADE, related_name="tasks")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    slot = models.PositiveSmallIntegerField(default=0)
    rank = models.BigIntegerField()  # order within the project; skipped tasks get a new one
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    lease_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "image", "slot"], name="task_slot_once"),
        ]
        indexes = [
            models.Index(
                fields=["project", "rank"], condition=models.Q(state="open"), name="task_open"
            ),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"

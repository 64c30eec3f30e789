"""What happened and what runs: events, jobs, worker heartbeats, exports, the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from labelapp.models.projects import Project


class Event(models.Model):
    """A typed event of a project, numbered by ProjectCounter.event_seq without gaps."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="events")
    seq = models.BigIntegerField()
    type = models.CharField(max_length=40)
    payload = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "seq"], name="event_seq_once"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class Job(models.Model):
    """Work for the worker. This table is the truth; django-q2 only wakes the worker up.

    Claimed by conditional update (state=waiting -> running, token set). A running job whose
    heartbeat is old is put back by the reconciler. `key` keeps one live job per piece of work.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=20)  # advance, train, import, export, delete
    key = models.CharField(max_length=120)  # e.g. "train:<run>:<request id>"
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="jobs")
    target = models.BigIntegerField(default=0)  # id of the run, import, export
    params = models.JSONField(default=dict)  # what else it has to know
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    token = models.CharField(max_length=32, blank=True)
    pid = models.IntegerField(null=True, blank=True)
    host = models.CharField(max_length=100, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    progress = models.FloatField(default=0.0)  # 0..1
    message = models.CharField(max_length=500, blank=True)
    seconds_left = models.FloatField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    heartbeat = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="one_live_job_per_key",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "kind"], name="job_by_state"),
            models.Index(fields=["project", "-finished", "-id"], name="job_by_end"),
            models.Index(fields=["-finished", "-id"], name="job_by_end_of_all"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} job {self.pk}"


class JobLine(models.Model):
    """A line of a job's log: what it did, when. The oldest go when there are too many."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="lines")
    level = models.CharField(max_length=8, default="info")  # info, warning, error
    text = models.CharField(max_length=1000)
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.text


class WorkerBeat(models.Model):
    """A worker process says that it lives."""

    FRESH = timedelta(seconds=30)  # older beats are of the dead

    name = models.CharField(max_length=100, unique=True)  # host:pid
    beat = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(default=timezone.now)
    info = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class Export(models.Model):
    """A finished file for download, made in the background."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="exports")
    format = models.CharField(max_length=20)  # csv, coco
    with_images = models.BooleanField(default=False)
    # with a search for the best training set: only what it kept, only what it left out, or
    # everything, its parts as splits
    curation = models.ForeignKey(
        "labelapp.Curation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    part = models.CharField(max_length=10, blank=True)  # kept, left_out, split
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    file_key = models.CharField(max_length=300, blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    rows = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.format} export {self.pk}"


class AppendOnly(models.QuerySet["AuditLog"]):
    """Refuses changes in bulk; triggers in the database refuse what goes around it."""

    def update(self, **_values: object) -> int:
        """Refuse."""
        raise AppendOnlyError

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise AppendOnlyError


class AppendOnlyError(TypeError):
    """Somebody tried to change or delete what was written down for good."""

    def __init__(self) -> None:
        super().__init__("the audit log is append-only")


class AuditLog(models.Model):
    """Who did what, when. Append-only: only a deleted project or person is forgotten in it."""

    project = models.ForeignKey(
        Project, on_delete=models.SET_NULL, null=True, related_name="audit_log"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    token = models.CharField(max_length=12, blank=True)  # prefix of the access token, if by one
    created = models.DateTimeField(default=timezone.now)

    objects = AppendOnly.as_manager()

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="audit_by_project")]

    def __str__(self) -> str:
        return self.action

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append; refuse to save again."""
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise AppendOnlyError

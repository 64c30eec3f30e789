"""Searches for the best training set in the labels of a finished project (docs/search.md)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labelapp.models.projects import Project


class Curation(models.Model):
    """One search: which share of the labelled images trains the best model.

    Its folder (below JOBS_ROOT) holds `rows.npy` (image numbers, ascending), `part.npy` (int16 for
    each of those rows: the stage that took it, 0 left out, -1 held out) and `subset.npy`; `result`
    repeats result.json without its arrays. Labels that change afterwards do not change it:
    `labels_sha256` tells.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="curations")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    # share, scheme, acquisition, acquirer, model, outliers, seeds, held_out, compare, labels
    settings = models.JSONField()
    message = models.CharField(max_length=500, blank=True)  # why it failed, in words
    n = models.PositiveIntegerField(default=0)  # images looked at; 0 until they are written down
    machine = models.PositiveIntegerField(default=0)  # of those, labelled by the machine
    labels_sha256 = models.CharField(max_length=64, blank=True)  # of rows and labels
    folder = models.CharField(max_length=300, blank=True)
    result = models.JSONField(null=True)
    created = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="curation_by_project")]
        constraints = [
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(state__in=["waiting", "running"]),
                name="curation_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"curation {self.pk} of {self.project_id}"

"""Images and how they came in."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labelapp.models.projects import Project


class Image(models.Model):
    """One distinct image. `seq` is dense (0..N-1) and indexes every score array."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    seq = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=500)  # relative path as imported
    width = models.PositiveIntegerField()  # after EXIF orientation
    height = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()  # bytes of the original
    original_key = models.CharField(max_length=200)  # storage names, below MEDIA_ROOT
    display_key = models.CharField(max_length=200)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "seq"], name="image_seq_once"),
            models.UniqueConstraint(fields=["project", "sha256"], name="image_content_once"),
        ]
        indexes = [
            models.Index(  # by bytes, whatever the database's language: names that begin with...
                fields=["project", "name", "seq"],
                opclasses=["int8_ops", "text_pattern_ops", "int4_ops"],
                name="image_by_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ImageAlias(models.Model):
    """A duplicate file: it keeps its name and its row in the export, at no cost."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=500)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "name"], name="alias_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One upload, zip, server folder, or the demo set, on its way into a project. Resumable."""

    class Kind(models.TextChoices):
        FILES = "files"
        ZIP = "zip"
        FOLDER = "folder"
        DEMO = "demo"

    class State(models.TextChoices):
        UPLOADING = "uploading"  # the browser still sends; no job yet
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    source = models.CharField(max_length=1000)  # path of the zip, of the folder, of the uploads
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    total = models.PositiveIntegerField(default=0)
    cursor = models.PositiveIntegerField(default=0)  # files looked at so far
    added = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} import {self.pk} of {self.project_id}"


class ImportProblem(models.Model):
    """A file that did not become a new image, and why (duplicates too)."""

    record = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="problems")
    name = models.CharField(max_length=500)
    code = models.CharField(max_length=40)
    message = models.CharField(max_length=500)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record", "name", "code"], name="problem_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.code}"

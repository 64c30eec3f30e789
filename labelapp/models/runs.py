"""A run of the engine: its state, iterations, models, B, T, certificates."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from labelapp.models.images import Image
from labelapp.models.projects import Project


class Run(models.Model):
    """One run of MCAL over a project. Advanced by conditional update on `version`.

    `waiting_for` and `request_kind` repeat what the state waits for (label, train, machine,
    finished), so that pages and the reconciler need not read the state.
    """

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="run")
    n = models.PositiveIntegerField()  # images in the run: seq 0..n-1
    config = models.JSONField()
    state = models.JSONField()
    version = models.PositiveIntegerField(default=0)
    waiting_for = models.CharField(max_length=80)
    request_kind = models.CharField(max_length=10)
    iteration = models.PositiveIntegerField(default=0)
    failure = models.CharField(max_length=500, blank=True)  # why it cannot go on, in words
    # what a manager asked for and the next step does: stop, audit, by_hand (services.steering)
    wish = models.CharField(max_length=12, blank=True)
    created = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"run of {self.project_id}"


class TrainItem(models.Model):
    """B is exactly these rows; training reads only this table."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="train_items")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    seq = models.PositiveIntegerField()
    iteration = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "image"], name="train_item_once"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} trains {self.run_id}"


class TestMark(models.Model):
    """A random test mark. Nothing that serves annotators or acquisition reads this table.

    But for `selectors.predictions`, which withholds the model's guess where a mark is.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="test_marks")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    seq = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "image"], name="test_mark_once"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} marked in {self.run_id}"


class ModelVersion(models.Model):
    """A trained model and its scores of every image (files below MEDIA_ROOT).

    A training request may name several architectures: each is one model of its iteration.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="models")
    iteration = models.PositiveIntegerField()
    arch = models.CharField(max_length=80)
    folder = models.CharField(max_length=300)  # holds weights and score arrays
    sha256 = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "iteration", "arch"], name="model_iteration_once"
            ),
        ]

    def __str__(self) -> str:
        return f"model {self.iteration} of {self.run_id}"


class Iteration(models.Model):
    """What one training measured and what the engine decided: all that dashboards draw.

    `record` is the leader's; `others` are the records of the architectures that raced with it.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="iterations")
    number = models.PositiveIntegerField()
    train_size = models.PositiveIntegerField()
    delta = models.PositiveIntegerField()
    record = models.JSONField()  # mcal_engine IterationRecord as JSON
    others = models.JSONField(default=list)
    plan = models.JSONField(null=True)  # mcal_engine Plan as JSON
    histogram = models.JSONField(default=dict)  # margins of T: {"edges", "right", "wrong"}
    # T under the leader: {"seq", "label", "pred", "margin", "confidence"}, arrays of one length
    profile = models.JSONField(default=dict)
    seconds = models.FloatField()
    dollars = models.DecimalField(max_digits=12, decimal_places=6)
    model = models.ForeignKey(ModelVersion, on_delete=models.SET_NULL, null=True, related_name="+")
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="iteration_once"),
        ]

    def __str__(self) -> str:
        return f"iteration {self.number} of {self.run_id}"


class AuditCommitment(models.Model):
    """What an audit promised before its first label was asked for. Append-only.

    `content` holds seed and hashes of all that was frozen; `model` is the SHA-256 of the model,
    whose files stay. The batches of one attempt point to one commitment.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="commitments")
    model = models.CharField(max_length=64)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "sha256"], name="commitment_once"),
        ]

    def __str__(self) -> str:
        return f"commitment {self.sha256[:12]} of {self.run_id}"


class Certificate(models.Model):
    """The promise on the delivered error, recomputable from stored answers."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="certificate")
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    people = models.JSONField(null=True)  # error of the people, and of both together; not hashed
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"certificate of {self.run_id}"

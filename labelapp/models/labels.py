"""Answers, labels and what they cost. Answers and ledger entries are append-only."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labelapp.models.images import Image
from labelapp.models.projects import LabelClass, Project
from labelapp.models.runs import ModelVersion
from labelapp.models.tasks import LabelBatch, Task


class Answer(models.Model):
    """What a person said about an image. The id is made by the client: repeating it is harmless.

    `extra` marks a late answer to a slot that somebody else had filled: kept, not charged, no
    label. `superseded_by` is the only column that ever changes, once.
    """

    class Kind(models.TextChoices):
        CLASS = "class"
        SKIP = "skip"
        UNSURE = "unsure"  # "cannot tell": to the experts
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="answers")
    batch = models.ForeignKey(LabelBatch, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="answers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="answers"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    label_class = models.ForeignKey(
        LabelClass, on_delete=models.PROTECT, null=True, related_name="+"
    )
    extra = models.BooleanField(default=False)
    active_ms = models.PositiveIntegerField(default=0)
    how = models.CharField(max_length=8, default="key")  # key, click, swipe, grid, verify, api
    guideline_version = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now)
    superseded_by = models.UUIDField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["image", "batch", "user"],
                condition=models.Q(superseded_by__isnull=True, kind="class"),
                name="one_current_answer",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="class", label_class__isnull=False)
                | (~models.Q(kind="class") & models.Q(label_class__isnull=True)),
                name="class_answers_name_a_class",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "user", "-created"], name="answer_by_person"),
        ]

    def __str__(self) -> str:
        return f"answer {self.pk}"


class Label(models.Model):
    """The current label of an image; unlabelled images have no row."""

    class Source(models.TextChoices):
        HUMAN = "human"
        MACHINE = "machine"

    image = models.OneToOneField(
        Image, on_delete=models.CASCADE, primary_key=True, related_name="label"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    seq = models.PositiveIntegerField()  # of the image: the engine reads labels by seq
    class_index = models.PositiveIntegerField()
    source = models.CharField(max_length=8, choices=Source.choices)
    confidence = models.FloatField(null=True)  # margin of machine labels
    votes = models.PositiveSmallIntegerField(default=1)  # people's current answers behind it
    agreement = models.FloatField(null=True)  # of several votes: the share of this class
    method = models.CharField(max_length=12, blank=True)  # majority, dawid_skene, crowdlab, review
    answer = models.ForeignKey(Answer, on_delete=models.SET_NULL, null=True, related_name="+")
    batch = models.ForeignKey(LabelBatch, on_delete=models.SET_NULL, null=True, related_name="+")
    model = models.ForeignKey(ModelVersion, on_delete=models.SET_NULL, null=True, related_name="+")
    purpose = models.CharField(max_length=10)  # test, seed, train, ahead, audit, residual, machine
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["project", "seq"], name="label_by_seq"),
            # The browser of images: selectors.browse_sql chooses among these
            models.Index(fields=["project", "class_index", "seq"], name="label_by_class"),
            models.Index(
                fields=["project", "seq"], condition=models.Q(source="human"), name="label_human"
            ),
            models.Index(
                fields=["project", "confidence", "seq"],
                condition=models.Q(source="machine"),
                name="label_by_margin",
            ),
            models.Index(
                fields=["project", "agreement", "seq"],
                condition=models.Q(agreement__lt=1),
                name="label_split",
            ),
        ]

    def __str__(self) -> str:
        return f"label of {self.image_id}"


class LedgerEntry(models.Model):
    """Money spent. The key (`answer:UUID`, `training:REQUEST:ARCH`) makes a charge once only."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="ledger")
    key = models.CharField(max_length=120)
    # test, seed, train, ahead, audit, residual, gold, extra, review, compute
    purpose = models.CharField(max_length=10)
    quantity = models.DecimalField(max_digits=14, decimal_places=6)  # labels, or hours
    unit_price = models.DecimalField(max_digits=12, decimal_places=6)
    amount = models.DecimalField(max_digits=14, decimal_places=6)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="ledger_key_once"),
        ]
        indexes = [
            models.Index(fields=["project", "purpose"], name="ledger_by_purpose"),
            models.Index(fields=["project", "created"], name="ledger_by_time"),
        ]

    def __str__(self) -> str:
        return self.key


class LedgerDay(models.Model):
    """The ledger of one closed day (UTC), summed: a day never changes once it is over."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    purpose = models.CharField(max_length=10)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    entries = models.PositiveIntegerField()
    quantity = models.DecimalField(max_digits=16, decimal_places=6)
    amount = models.DecimalField(max_digits=16, decimal_places=6)

    class Meta:
        indexes = [models.Index(fields=["project", "day"], name="ledger_day")]

    def __str__(self) -> str:
        return f"{self.purpose} on {self.day}"


class WorkDay(models.Model):
    """What one person did in a project on one closed day (UTC)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    answers = models.PositiveIntegerField(default=0)  # of kind class
    skips = models.PositiveIntegerField(default=0)  # skipped or "cannot tell"
    active_ms = models.PositiveBigIntegerField(default=0)  # pauses over 30 s left out
    gold = models.PositiveIntegerField(default=0)
    gold_right = models.PositiveIntegerField(default=0)
    compared = models.PositiveIntegerField(default=0)  # answers to images with other answers
    agreed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user", "day"], name="work_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.day}"


class DaysClosed(models.Model):
    """Up to which day (UTC) a project's LedgerDay and WorkDay rows are written."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    ledger = models.DateField(null=True)
    work = models.DateField(null=True)

    def __str__(self) -> str:
        return f"days of {self.project_id}"

"""Quality of people: gold, reviews, verified pages, comments, images that nobody can label."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labelapp.models.images import Image
from labelapp.models.labels import Answer
from labelapp.models.projects import LabelClass, Project
from labelapp.models.tasks import Task


class GoldItem(models.Model):
    """An image whose class is known for sure; people are asked it among others, unseen.

    It is asked as an ASSIGNED task of the run's "gold" batch; its answers never become labels.
    """

    class Source(models.TextChoices):
        UPLOADED = "uploaded"  # a manager's file
        AGREED = "agreed"  # a test image that two people answered alike
        REVIEWED = "reviewed"  # confirmed by a reviewer

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="gold")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    label_class = models.ForeignKey(LabelClass, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=8, choices=Source.choices)
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "image"], name="gold_image_once"),
        ]

    def __str__(self) -> str:
        return f"gold {self.image_id}"


class GoldPlan(models.Model):
    """How far gold is with one person: one narrow row, so that nothing is counted per answer.

    `cursor` is the gold item given last: items are given in the order of their keys, from a place
    that differs from person to person, and from the first one again after the last.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    answers = models.PositiveIntegerField(default=0)  # accepted since gold is asked
    cursor = models.BigIntegerField(default=0)
    onboarded = models.BooleanField(default=False)  # the first gold items are given, or too late

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="gold_plan_once"),
        ]

    def __str__(self) -> str:
        return f"gold of {self.user_id}"


class GoldResult(models.Model):
    """How a person answered a gold item: judged once, by what was gold at that time."""

    answer = models.OneToOneField(
        Answer, on_delete=models.CASCADE, primary_key=True, related_name="gold_result"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    truth = models.PositiveIntegerField()  # class index
    given = models.PositiveIntegerField()  # class index
    right = models.BooleanField()
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "user", "-created"], name="gold_by_person")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.image_id}: {self.right}"


class Review(models.Model):
    """One image for the reviewers: why it is here, and what came of it."""

    class Reason(models.TextChoices):
        DISAGREEMENT = "disagreement"  # people gave different classes
        SKIPPED = "skipped"
        UNSURE = "unsure"  # "cannot tell"
        SAMPLE = "sample"  # drawn at random, to measure the people's error
        DOUBT = "doubt"  # sent by somebody who doubts the label

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted"
        CORRECTED = "corrected"
        SENT_BACK = "sent_back"
        EXCLUDED = "excluded"  # nobody can tell: it counts as wrong in every bound

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reviews")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    task = models.ForeignKey(Task, on_delete=models.SET_NULL, null=True, related_name="+")
    person = models.ForeignKey(  # whose answer is looked at
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=12, choices=Reason.choices)
    state = models.CharField(max_length=4, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    before = models.PositiveIntegerField(null=True)  # class index when it was looked at
    after = models.PositiveIntegerField(null=True)
    note = models.CharField(max_length=500, blank=True)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    held_by = models.ForeignKey(  # on this reviewer's screen until then
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    held_until = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(default=timezone.now)
    closed = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["image", "reason"],
                condition=models.Q(state="open"),
                name="one_open_review",
            ),
        ]
        indexes = [models.Index(fields=["project", "state", "id"], name="review_by_state")]

    def __str__(self) -> str:
        return f"review of {self.image_id}: {self.reason}"


class Exclusion(models.Model):
    """An image that nobody can label: delivered as `excluded`, wrong in every bound."""

    image = models.OneToOneField(
        Image, on_delete=models.CASCADE, primary_key=True, related_name="exclusion"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="exclusions")
    seq = models.PositiveIntegerField()
    reason = models.CharField(max_length=500, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "seq"], name="exclusion_by_seq")]

    def __str__(self) -> str:
        return f"{self.seq} excluded"


class VerifyPage(models.Model):
    """One page of the grid that shows a predicted class: who saw it, its plants, what came.

    `tiles` is a list of {"task", "seq", "plant": bool} in the order shown; a plant is an image
    that is known not to be of this class. A page with a missed plant, or answered too fast, is
    sent back: none of it is stored.
    """

    class State(models.TextChoices):
        OPEN = "open"
        TAKEN = "taken"
        RETURNED = "returned"

    id = models.UUIDField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    class_index = models.PositiveIntegerField()
    tiles = models.JSONField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    plants = models.PositiveSmallIntegerField(default=0)
    caught = models.PositiveSmallIntegerField(default=0)
    shown_ms = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now)
    closed = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["project", "user", "-created"], name="verify_by_person")]

    def __str__(self) -> str:
        return f"page of class {self.class_index}"


class Comment(models.Model):
    """What a person wrote about an image. Append-only."""

    id = models.UUIDField(primary_key=True)  # made by the client, as answers are
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comments")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="comments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=1000)
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.text[:40]


class PeopleReport(models.Model):
    """How well the people of a project label, and what that adds to the promise: the newest one.

    `content` is made by `services.people_report`; its shape is in docs/people.md.
    """

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="people_report"
    )
    content = models.JSONField()
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"people of {self.project_id}"

"""The control room: steering, saved views, tokens, notifications, webhooks, likely errors."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone

from labelapp.models.images import Image
from labelapp.models.projects import Project


class SteeringAction(models.Model):
    """What a manager did to a run, with what it was said to cost, and whether it was undone.

    It can be undone until it has spent money: until the project's spending has grown for it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="steering")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    action = models.CharField(max_length=24)
    params = models.JSONField(default=dict)
    said = models.JSONField(default=dict)  # the consequence in dollars, as shown before
    before = models.JSONField(default=dict)  # what an undo restores
    version = models.PositiveIntegerField(default=0)  # Run.version after it
    spent = models.DecimalField(max_digits=16, decimal_places=6)  # by the project, at the time
    created = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="steering_by_project")]

    def __str__(self) -> str:
        return f"{self.action} of {self.project_id}"


class SavedView(models.Model):
    """A filter and an order of the images, kept under a name; shared with all who may browse."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="saved_views")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=1000)  # as in the address, checked when it is used
    shared = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user", "name"], name="view_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class LabelReport(models.Model):
    """One search for likely label errors: which model it asked, and what it found."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="label_report"
    )
    iteration = models.PositiveIntegerField(default=0)
    summary = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"likely errors of {self.project_id}"


class LabelIssue(models.Model):
    """A label that the model or the other votes contradict."""

    class State(models.TextChoices):
        OPEN = "open"
        SENT = "sent"  # to the reviewers
        DISMISSED = "dismissed"  # the label is right
        SETTLED = "settled"  # the label has changed since

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="label_issues")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    seq = models.PositiveIntegerField()
    source = models.CharField(max_length=8)  # of the label: human, machine
    given = models.PositiveIntegerField()  # class index
    suggested = models.PositiveIntegerField()
    score = models.FloatField()  # label quality 0..1, the lowest first (cleanlab)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "image"], name="label_issue_once"),
        ]
        indexes = [
            models.Index(fields=["project", "state", "score", "id"], name="issue_by_score"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.given} or {self.suggested}"


class AccessToken(models.Model):
    """A person's key for programs. Only its hash is kept; it grants no more than its person has."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens"
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, related_name="+"
    )  # null: all of the person's projects
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)  # SHA-256
    scopes = models.JSONField(default=list)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class NotifyCursor(models.Model):
    """Up to which event a project's notifications are made, and what they compare with."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    seq = models.BigIntegerField(default=0)
    memory = models.JSONField(default=dict)  # e.g. the forecast last told

    def __str__(self) -> str:
        return f"{self.project_id} told up to {self.seq}"


class Notification(models.Model):
    """Something that one person is told, in the app and perhaps by mail."""

    class Mail(models.TextChoices):
        NO = "no"
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=24)
    key = models.CharField(max_length=120)  # one per event and person
    payload = models.JSONField(default=dict)  # put into words when shown, in the reader's language
    created = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    mail = models.CharField(max_length=8, choices=Mail.choices, default=Mail.NO)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="notification_once"),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="notification_by_user"),
            models.Index(
                fields=["user"],
                condition=models.Q(read_at__isnull=True),
                name="notification_unread",
            ),
            models.Index(
                fields=["next_try"], condition=models.Q(mail="waiting"), name="notification_mail"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"


def new_nonce() -> str:
    """Return what makes a webhook's signing key its own."""
    return secrets.token_hex(16)


class Webhook(models.Model):
    """An address that hears what happens. Its signing key is made of SECRET_KEY and the nonce."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    kinds = models.JSONField(default=list)
    nonce = models.CharField(max_length=32, default=new_nonce)
    active = models.BooleanField(default=True)
    trouble = models.CharField(max_length=300, blank=True)  # why it was switched off
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One message to a webhook, and how its sending went."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    key = models.CharField(max_length=120)
    kind = models.CharField(max_length=24)
    body = models.TextField()  # JSON, byte for byte what is signed and sent
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try = models.DateTimeField(default=timezone.now)
    status = models.PositiveSmallIntegerField(null=True, blank=True)  # HTTP
    error = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    created = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "key"], name="delivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["next_try"], condition=models.Q(state="waiting"), name="delivery_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook_id}"

"""A project: its classes, people, guidelines and counters."""

from __future__ import annotations

import secrets
from decimal import Decimal

from django.conf import settings as django_settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from labelapp.rights import Role

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_public_id() -> str:
    """Return an opaque project id for addresses (12 characters, about 59 bits)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


class Project(models.Model):
    """One data set to be labelled at the minimum total cost."""

    class CertificateKind(models.TextChoices):
        """The promise at the end: audited by people, or estimated from the test set."""

        AUDIT = "audit"
        TEST_SET = "test_set"

    class Consensus(models.TextChoices):
        """How several answers to one image become its label."""

        MAJORITY = "majority"
        DAWID_SKENE = "dawid_skene"
        CROWDLAB = "crowdlab"

    class SkipPolicy(models.TextChoices):
        """Where a skipped image goes: back to me, to others first, or to the reviewers."""

        ME = "me"
        OTHERS = "others"
        REVIEW = "review"

    class Status(models.TextChoices):
        SETUP = "setup"  # images and classes are being put together
        RUNNING = "running"
        PAUSED = "paused"
        FINISHED = "finished"
        DELETING = "deleting"

    public_id = models.CharField(max_length=16, unique=True, default=new_public_id)
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.SETUP)
    archived_at = models.DateTimeField(null=True, blank=True)
    epsilon = models.FloatField(default=0.05)
    confidence = models.FloatField(default=0.95)
    price_per_label = models.DecimalField(
        max_digits=12, decimal_places=6, default=Decimal("0.04"), validators=[MinValueValidator(0)]
    )
    compute_price_per_hour = models.DecimalField(
        max_digits=12, decimal_places=6, default=Decimal("3.6"), validators=[MinValueValidator(0)]
    )
    currency = models.CharField(max_length=3, default="USD")
    overlap = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    # `overlap` answers on `overlap_share` of the images, chosen blind; where they disagree one
    # more person at a time, up to `overlap_max` (0: never)
    overlap_share = models.FloatField(default=1.0)
    overlap_max = models.PositiveSmallIntegerField(default=0)
    consensus = models.CharField(
        max_length=12, choices=Consensus.choices, default=Consensus.MAJORITY
    )
    skip_policy = models.CharField(
        max_length=8, choices=SkipPolicy.choices, default=SkipPolicy.OTHERS
    )
    predictions = models.BooleanField(default=True)  # may be shown, where the image allows it
    label_ahead = models.BooleanField(default=True)  # give out images while a training runs
    gold_share = models.FloatField(default=0.0)  # of a person's answers
    gold_first = models.PositiveSmallIntegerField(default=0)  # onboarding: so many gold items first
    gold_pause_below = models.FloatField(null=True, blank=True)  # accuracy that pauses a person
    gold_pause_after = models.PositiveSmallIntegerField(default=20)  # gold answers
    budget = models.DecimalField(max_digits=16, decimal_places=6, null=True, blank=True)
    certificate = models.CharField(
        max_length=10, choices=CertificateKind.choices, default=CertificateKind.AUDIT
    )
    # The engine's names for these: labelapp.choices
    acquisition = models.CharField(max_length=20, default="margin")  # M(.): what people label next
    certainty = models.CharField(max_length=20, default="margin")  # L(.): what the machine may do
    curve_model = models.CharField(max_length=20, default="joint")
    cost_model = models.CharField(max_length=20, default="linear")
    arch = models.CharField(max_length=80, default="cnn_small")
    rivals = models.JSONField(default=list, blank=True)  # architectures that race with `arch`
    seed = models.PositiveIntegerField(default=0)
    settings = models.JSONField(default=dict, blank=True)  # {"flip": true, ...}
    notify_move = models.FloatField(default=0.05)  # of the forecast total: worth a notification
    notify_budget = models.FloatField(default=0.8)  # of the budget
    is_demo = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(epsilon__gt=0, epsilon__lt=1), name="project_epsilon_in_0_1"
            ),
            models.CheckConstraint(
                condition=models.Q(confidence__gt=0, confidence__lt=1),
                name="project_confidence_in_0_1",
            ),
            models.CheckConstraint(
                condition=models.Q(price_per_label__gte=0, compute_price_per_hour__gte=0),
                name="project_prices_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(budget__isnull=True) | models.Q(budget__gt=0),
                name="project_budget_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(overlap_share__gte=0, overlap_share__lte=1)
                & models.Q(gold_share__gte=0, gold_share__lte=0.5),
                name="project_shares_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProjectCounter(models.Model):
    """One narrow row per project; the last statement of a transaction updates it.

    `event_seq` numbers the events. The counts change in the transaction that changes what they
    count; `manage.py doctor` recomputes and compares them.
    """

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="counter"
    )
    event_seq = models.BigIntegerField(default=0)
    images = models.IntegerField(default=0)
    train = models.IntegerField(default=0)  # |B| with a bought label
    test = models.IntegerField(default=0)  # labelled, marked and outside B
    residual = models.IntegerField(default=0)  # labelled by people at the end
    audit = models.IntegerField(default=0)
    ahead = models.IntegerField(default=0)  # labelled while a training ran, not yet in B
    machine = models.IntegerField(default=0)  # |S|
    excluded = models.IntegerField(default=0)
    answers = models.BigIntegerField(default=0)  # grows with each accepted answer: a wake-up
    label_spend = models.DecimalField(max_digits=16, decimal_places=6, default=Decimal(0))
    compute_spend = models.DecimalField(max_digits=16, decimal_places=6, default=Decimal(0))

    def __str__(self) -> str:
        return f"counter of {self.project_id}"


class LabelClass(models.Model):
    """A class. `index` is the engine's class number: dense from 0, never reused."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="classes")
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    key = models.CharField(max_length=1, blank=True)  # the key cap; empty beyond the keys we have
    colour = models.CharField(max_length=7, default="#888888")
    archived = models.BooleanField(default=False)
    aliases = models.JSONField(default=list, blank=True)  # other names that the search finds
    # labels of this class count as that one's; such a class is archived
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["project", "index"], name="class_index_once"),
            models.UniqueConstraint(fields=["project", "name"], name="class_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=[(r.value, r.value) for r in Role])
    paused_at = models.DateTimeField(null=True, blank=True)  # gets no tasks until a manager says so
    pause_reason = models.CharField(max_length=200, blank=True)
    gold_since = models.DateTimeField(null=True, blank=True)  # resumed: earlier gold is forgiven
    # {kind: ["app", "mail"]}: only what differs from the role's defaults (services.notify)
    notify = models.JSONField(default=dict, blank=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="member_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.role} of {self.project_id}"


class Invitation(models.Model):
    """A link that lets one person join a project (and make an account if they have none)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=[(r.value, r.value) for r in Role])
    note = models.CharField(max_length=120, blank=True)  # for whom, in the inviter's words
    email = models.EmailField(blank=True)  # it was sent there; only this address may accept it
    mailed_at = models.DateTimeField(null=True, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"invitation to {self.project_id} as {self.role}"


class Guideline(models.Model):
    """One version of a project's labelling guidelines; never changed once written."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="guideline_version_once"),
        ]

    def __str__(self) -> str:
        return f"guideline {self.version} of {self.project_id}"


class GuidelineEntry(models.Model):
    """What one class means, in one version: a text and example images of the project."""

    guideline = models.ForeignKey(Guideline, on_delete=models.CASCADE, related_name="entries")
    label_class = models.ForeignKey(LabelClass, on_delete=models.CASCADE, related_name="+")
    text = models.TextField(blank=True)
    examples = models.ManyToManyField("labelapp.Image", blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["guideline", "label_class"], name="guideline_class_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label_class_id} in {self.guideline_id}"

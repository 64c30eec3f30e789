"""One's own work: images, time, earnings. Nobody else's numbers come near it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate

from labelapp.models import Answer, LedgerEntry, Project, User
from labelapp.selectors.projects import visible_projects


@dataclass
class Work:
    """Images that count, time in front of them, money earned (in the project's currency)."""

    images: int = 0
    active_ms: int = 0
    earned: Decimal = Decimal(0)

    @property
    def seconds_per_image(self) -> float | None:
        """Return the pace, or None before the first image."""
        return self.active_ms / 1000 / self.images if self.images else None

    def add(self, other: Work) -> None:
        """Add another amount of work to this one."""
        self.images += other.images
        self.active_ms += other.active_ms
        self.earned += other.earned


@dataclass
class ProjectWork:
    """The work in one project, by day (UTC), the newest day first."""

    project: Project
    member: bool
    total: Work = field(default_factory=Work)
    days: dict[date, Work] = field(default_factory=dict)


def my_work(user: User) -> list[ProjectWork]:
    """Return this person's work by project; also of projects that they have left."""
    days = _work_by_day(user)
    mine = set(visible_projects(user).values_list("pk", flat=True))
    projects = Project.objects.filter(pk__in=mine | {pk for pk, _ in days}).exclude(
        status=Project.Status.DELETING
    )
    result = {p.pk: ProjectWork(p, p.pk in mine) for p in projects.order_by("name", "pk")}
    for (project_id, day), work in sorted(days.items(), key=lambda item: item[0][1], reverse=True):
        if project_id in result:
            result[project_id].days[day] = work
            result[project_id].total.add(work)
    return sorted(result.values(), key=lambda row: -row.total.images)


def _work_by_day(user: User) -> dict[tuple[int, date], Work]:
    found: dict[tuple[int, date], Work] = defaultdict(Work)
    counts = Q(kind=Answer.Kind.CLASS, extra=False, superseded_by=None)
    answers = (
        Answer.objects.filter(user=user)
        .annotate(day=TruncDate("created"))
        .values("project_id", "day")
        .annotate(images=Count("pk", filter=counts), ms=Sum("active_ms"))
    )
    for row in answers:
        work = found[row["project_id"], row["day"]]
        work.images, work.active_ms = row["images"], row["ms"] or 0
    entries = (
        LedgerEntry.objects.filter(user=user)
        .annotate(day=TruncDate("created"))
        .values("project_id", "day")
        .annotate(earned=Sum("amount"))
    )
    for project_id, day, earned in entries.values_list("project_id", "day", "earned"):
        found[project_id, day].earned = earned
    return found


def totals_by_currency(rows: list[ProjectWork]) -> dict[str, Decimal]:
    """Return what was earned in each currency; different currencies are never added."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.total.earned:
            totals[row.project.currency] += row.total.earned
    return dict(totals)

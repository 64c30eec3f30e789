"""The list of projects, as one person sees it. Five queries at any number of projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, F, Max, OuterRef, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp import pricing
from labelapp.models import Answer, Event, Import, Membership, Project, ProjectCounter, Run, User
from labelapp.rights import Right, may
from labelapp.selectors.projects import visible_projects

BAR = 1000  # a bar's length: SVG user units, so that pages need no inline styles


@dataclass(frozen=True)
class Segment:
    """A part of a bar: from `x`, `width` long (thousandths), `count` images of this `kind`."""

    kind: str  # human, test, audit, machine, open: the colour
    words: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class ProjectRow:
    """One project in the list. Money is in the project's currency."""

    project: Project
    role: str
    state: str
    tone: str  # of the state's badge: open, ok, warn, danger
    images: int
    labelled: int
    segments: list[Segment]
    spent: Decimal
    human_only: Decimal
    last_activity: datetime
    sees_money: bool


def project_rows(user: User, *, archived: bool = False) -> list[ProjectRow]:
    """Return this person's projects, the most recently active first."""
    live = (Import.State.UPLOADING, Import.State.WAITING, Import.State.RUNNING)
    coming = Import.objects.filter(project=OuterRef("pk"), state__in=live)
    projects = list(
        visible_projects(user)
        .filter(archived_at__isnull=not archived)
        .select_related("counter", "run")
        .annotate(known_price=F("run__config__prices__label"), coming=Exists(coming))
        .defer("run__state", "run__config")
    )
    roles = dict(Membership.objects.filter(user=user).values_list("project_id", "role"))
    activity = _last_activity([project.pk for project in projects])
    rows = [_row(p, roles[p.pk], activity.get(p.pk, p.created)) for p in projects]
    return sorted(rows, key=lambda row: row.last_activity, reverse=True)


def count_archived(user: User) -> int:
    """Return how many of this person's projects are archived."""
    return visible_projects(user).filter(archived_at__isnull=False).count()


def _row(project: Project, role: str, last_activity: datetime) -> ProjectRow:
    counter, run = project.counter, getattr(project, "run", None)
    price = getattr(project, "known_price", None)
    state, tone = describe_state(project)
    sees_money = may(role, Right.VIEW_DASHBOARD)
    segments = segments_of(counter, by_purpose=sees_money)
    return ProjectRow(
        project=project,
        role=role,
        state=state,
        tone=tone,
        images=counter.images,
        labelled=sum(s.count for s in segments if s.kind != "open"),
        segments=segments,
        spent=counter.label_spend + counter.compute_spend,
        human_only=pricing.people_alone(
            counter, run.n if run else counter.images, pricing.as_planned(project, price)
        ),
        last_activity=last_activity,
        sees_money=sees_money,
    )


def segments_of(counter: ProjectCounter, *, by_purpose: bool) -> list[Segment]:
    """Return the parts of X with at least one image, laid side by side.

    Without `by_purpose` all that people labelled is one part: annotators need not know more.
    """
    people = counter.train + counter.ahead + counter.residual
    checks = counter.test + counter.audit
    parts = [
        ("human", _("labelled by people"), people if by_purpose else people + checks),
        ("test", _("test set"), counter.test if by_purpose else 0),
        ("audit", _("audit"), counter.audit if by_purpose else 0),
        ("machine", _("labelled by the machine"), counter.machine),
    ]
    rest = counter.images - sum(count for *_kind, count in parts)
    segments, x = [], 0.0
    for kind, words, count in [*parts, ("open", _("still open"), max(rest, 0))]:
        width = BAR * count / max(counter.images, 1)
        if count > 0:
            segments.append(Segment(kind, words, count, round(x, 2), round(width, 2)))
        x += width
    return segments


def describe_state(project: Project) -> tuple[str, str]:
    """Return a project's state in words, and the tone of its badge."""
    run: Run | None = getattr(project, "run", None)
    if project.archived_at:
        return _("Archived"), "open"
    if project.status == Project.Status.SETUP or run is None:
        if getattr(project, "coming", False):
            return _("Images are coming in"), "open"
        return (
            (_("Ready to start"), "ok") if project.counter.images else (_("Needs images"), "warn")
        )
    if run.failure:
        return _("Stopped: needs attention"), "danger"
    if project.status == Project.Status.PAUSED:
        return _("Paused"), "warn"
    if project.status == Project.Status.FINISHED:
        return _("Finished"), "ok"
    words = _RUNNING.get(run.request_kind, gettext_noop("Running"))
    return _(words), "human" if _by_people(run) else "machine"


_RUNNING = {
    "label": gettext_noop("People are labelling"),
    "train": gettext_noop("The model is training"),
    "machine": gettext_noop("The machine is labelling"),
    "finished": gettext_noop("Finished"),
}


def _by_people(run: Run) -> bool:
    return run.request_kind == "label"


def _last_activity(project_ids: list[int]) -> dict[int, datetime]:
    """Return when something last happened: the last event, or somebody's last answer.

    Answers are found by one look at the index per member, never by a scan.
    """
    events = Event.objects.filter(project_id__in=project_ids).values("project_id")
    found = {row["project_id"]: row["last"] for row in events.annotate(last=Max("created"))}
    mine = Answer.objects.filter(project=OuterRef("project"), user=OuterRef("user"))
    last = Subquery(mine.order_by("-created").values("created")[:1])
    members = Membership.objects.filter(project_id__in=project_ids).annotate(last=last)
    for project_id, moment in members.values_list("project_id", "last"):
        if moment is not None:
            found[project_id] = max(moment, found.get(project_id, moment))
    return found

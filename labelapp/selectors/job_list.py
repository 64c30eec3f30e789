"""The jobs of a project, or of the whole installation, ready for the page: live, failed, ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.models import Curation, Export, Import, Job, JobLine, Run, User
from labelapp.rights import Right
from labelapp.selectors.job_words import KINDS, kind_words
from labelapp.selectors.jobs import LIVE, seconds_left
from labelapp.selectors.money_words import duration
from labelapp.selectors.projects import Access
from labelapp.selectors.stored_words import stored_words

LIVE_SHOWN = 100
FAILED_SHOWN = 10
FAILED_DAYS = timedelta(days=14)
PAGE = 30
LINES_SHOWN = 200
BY_END = ("-finished", "-pk")
OVER = (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)
BADGES = {"waiting": "open", "running": "machine", "done": "ok", "failed": "danger"}

NEVER = frozenset({"advance", "delete"})
"""Kinds that nobody cancels: a run cannot do without its next step, a deletion is promised."""

RIGHTS: dict[str, Right] = {"import": Right.MANAGE_IMAGES, "export": Right.EXPORT}
"""Who may cancel and repeat a kind of job: `steer` where nothing is said."""


@dataclass(frozen=True)
class Scope:
    """Whose jobs: those of one project with what this person may do there, or all of them."""

    access: Access | None = None

    def jobs(self) -> QuerySet[Job]:
        """Return the jobs within sight."""
        return Job.objects.all() if self.access is None else self.access.project.jobs.all()

    def may(self, kind: str) -> bool:
        """Tell whether this person may cancel and repeat jobs of this kind, and read their logs."""
        return self.access is None or self.access.may(RIGHTS.get(kind, Right.STEER))


@dataclass(frozen=True)
class Line:
    """A line of a job's log."""

    at: datetime
    level: str
    text: str


@dataclass
class JobRow:
    """A job as the page shows it. `percent` is None where it does not run."""

    job: Job
    title: str
    badge: str
    percent: int | None = None
    message: str = ""
    left: str = ""
    took: str = ""
    by: str = ""
    waits_for: str = ""
    silent: bool = False
    may_read: bool = False
    may_cancel: bool = False
    may_retry: bool = False
    lines: list[Line] | None = None  # None: the log is closed


@dataclass
class JobPage:
    """Everything on the page. `older` continues the list of ended jobs."""

    running: list[JobRow] = field(default_factory=list)
    waiting: list[JobRow] = field(default_factory=list)
    failed: list[JobRow] = field(default_factory=list)
    ended: list[JobRow] = field(default_factory=list)
    older: int | None = None

    @property
    def rows(self) -> list[JobRow]:
        """All rows."""
        return [*self.running, *self.waiting, *self.failed, *self.ended]


def job_page(
    scope: Scope,
    *,
    kind: str = "",
    before: int | None = None,
    opened: Sequence[int] = (),
    nobody: bool = False,
) -> JobPage:
    """Return what runs, waits, failed lately and ended; a page of the ended ones, newest first.

    `kind` narrows the ended ones, `before` is the id that the page before ended with, `opened` are
    the jobs whose log is shown; `nobody`: no worker lives.
    """
    jobs = _annotated(scope.jobs())
    live = list(jobs.filter(state__in=LIVE).order_by("pk")[:LIVE_SHOWN])
    failed = list(_failed(jobs)) if before is None else []
    ended = list(jobs.filter(pk__in=_ended(scope, kind, before)).order_by(*BY_END))
    found = _Rows(scope, [*live, *failed, *ended], nobody)
    page = JobPage(
        running=[found.row(job) for job in live if job.state == Job.State.RUNNING],
        waiting=[found.row(job) for job in live if job.state == Job.State.WAITING],
        failed=[row for row in map(found.row, failed) if not found.repeated(row.job)],
        ended=[found.row(job) for job in ended[:PAGE]],
        older=ended[PAGE - 1].pk if len(ended) > PAGE else None,
    )
    _open_logs(page.rows, set(opened))
    return page


def _ended(scope: Scope, kind: str, before: int | None) -> QuerySet[Any]:
    """Return the ids of a page of ended jobs, the last to end first, read along the index.

    What has ended is what has an end: asked for by state, SQLite would sort every ended job.
    """
    over = scope.jobs().filter(finished__isnull=False)
    if kind in KINDS:
        over = over.filter(kind=kind)
    if before is not None:
        at = scope.jobs().filter(pk=before).values_list("finished", flat=True).first()
        later = timezone.now() if at is None else at
        over = over.filter(finished__lte=later)
        over = over.filter(Q(finished__lt=later) | Q(pk__lt=before))
    return over.order_by(*BY_END).values("pk")[: PAGE + 1]


def _annotated(jobs: QuerySet[Job]) -> QuerySet[Any]:
    mine = {"pk": OuterRef("target")}
    return jobs.select_related("project").annotate(
        imported_by=Subquery(Import.objects.filter(**mine).values("created_by")[:1]),
        exported_by=Subquery(Export.objects.filter(**mine).values("created_by")[:1]),
        run_failed=Exists(Run.objects.filter(**mine).exclude(failure="")),
        searched=Exists(Curation.objects.filter(**mine, state__in=["failed", "cancelled"])),
        curated_by=Subquery(Curation.objects.filter(**mine).values("created_by")[:1]),
        goes_on=Exists(Import.objects.filter(**mine, state=Import.State.FAILED, total__gt=0)),
    )


def _failed(jobs: QuerySet[Job]) -> QuerySet[Job]:
    recent = timezone.now() - FAILED_DAYS
    failed = jobs.filter(state=Job.State.FAILED, finished__gt=recent)
    return failed.order_by(*BY_END)[:FAILED_SHOWN]


class _Rows:
    """Makes rows of jobs with what is read once for all of them."""

    def __init__(self, scope: Scope, jobs: list[Any], nobody: bool) -> None:
        self.scope = scope
        self.now = timezone.now()
        self.nobody = nobody
        self.training = any(job.kind == "train" and job.state == "running" for job in jobs)
        if not self.training and any(
            job.kind == "train" and job.state == "waiting" for job in jobs
        ):
            training = Job.objects.filter(kind="train", state=Job.State.RUNNING)
            self.training = training.exists()  # of another project
        self.newest = _newest(scope, [job for job in jobs if job.state in OVER])
        self.people = _people(_by(job) for job in jobs)

    def repeated(self, job: Job) -> bool:
        """Tell whether a later job does the same work again."""
        return self.newest.get(job.key, job.pk) > job.pk

    def row(self, job: Any) -> JobRow:
        """Return a job as the page shows it."""
        may = self.scope.may(job.kind)
        row = JobRow(job, kind_words(job.kind), BADGES.get(job.state, ""), may_read=may)
        row.message = stored_words(job.message)
        row.by = self.people.get(_by(job) or 0, "")
        if job.state == Job.State.RUNNING:
            self._running(row)
        elif job.state == Job.State.WAITING:
            row.waits_for = self._waits_for(job)
        elif job.started and job.finished:
            row.took = duration(max(0.0, (job.finished - job.started).total_seconds()))
        stoppable = job.state in LIVE and job.kind not in NEVER
        row.may_cancel = may and stoppable and not job.cancel_requested
        row.may_retry = may and self._retriable(job)
        return row

    def _running(self, row: JobRow) -> None:
        job = row.job
        row.percent = round(100 * min(1.0, max(0.0, job.progress)))
        left = seconds_left(job)
        row.left = "" if left is None else _("about %(time)s left") % {"time": duration(left)}
        row.silent = self.now - (job.heartbeat or job.created) > timedelta(seconds=30)

    def _waits_for(self, job: Job) -> str:
        if self.nobody:
            return _("waits for a worker")
        if job.not_before and job.not_before > self.now:
            wait = duration((job.not_before - self.now).total_seconds())
            return _("tried again in %(time)s") % {"time": wait}
        if job.kind == "train" and self.training:
            return _("waits until another training has ended: they take turns")
        if job.kind == "curate":
            return _("waits for its turn: trainings and earlier searches go first")
        return _("waits for its turn")

    def _retriable(self, job: Any) -> bool:
        if job.state not in {Job.State.FAILED, Job.State.CANCELLED} or self.repeated(job):
            return False
        if job.kind in {"train", "advance"}:
            return bool(job.run_failed)
        if job.kind == "import":
            return bool(job.goes_on)
        if job.kind == "curate":
            return bool(job.searched)
        user = self.scope.access.user if self.scope.access else None
        return bool(job.kind != "delete" and repeatable_by(job, user))


def repeatable_by(job: Job, user: User | None) -> bool:
    """Tell whether this person may have the job done again: some are done in their author's name."""
    return job.kind not in {"bulk", "steer"} or (
        user is not None and job.params.get("user") == user.pk
    )


def _by(job: Any) -> int | None:
    """Return who asked for the job, where somebody did."""
    if job.kind == "import":
        return job.imported_by  # type: ignore[no-any-return]
    if job.kind == "export":
        return job.exported_by  # type: ignore[no-any-return]
    if job.kind == "curate":
        return job.curated_by  # type: ignore[no-any-return]
    user = job.params.get("user") if isinstance(job.params, dict) else None
    return user if isinstance(user, int) else None


def _people(ids: Iterable[int | None]) -> dict[int, str]:
    wanted = {one for one in ids if one}
    return {pk: str(user) for pk, user in User.objects.in_bulk(wanted).items()} if wanted else {}


def _newest(scope: Scope, jobs: list[Job]) -> dict[str, int]:
    """Return the newest job of each key of the failed and cancelled ones among these."""
    keys = {job.key for job in jobs if job.state != Job.State.DONE}
    if not keys:
        return {}
    same = scope.jobs().filter(key__in=keys, pk__gte=min(job.pk for job in jobs)).order_by()
    return dict(same.values_list("key").annotate(newest=Max("pk")))


# --- logs -----------------------------------------------------------------------------------------


def _open_logs(rows: list[JobRow], opened: set[int]) -> None:
    wanted = {row.job.pk: row for row in rows if row.may_read and row.job.pk in opened}
    for pk, lines in _lines(list(wanted)).items():
        wanted[pk].lines = lines


def _lines(ids: list[int]) -> dict[int, list[Line]]:
    """Return the last lines of these jobs, the oldest first."""
    found: dict[int, list[Line]] = {pk: [] for pk in ids}
    if not ids:
        return found
    newest = JobLine.objects.filter(job_id__in=ids).order_by("-pk")[: LINES_SHOWN * len(ids)]
    for line in reversed(newest):
        found[line.job_id].append(Line(line.created, line.level, stored_words(line.text)))
    return {pk: lines[-LINES_SHOWN:] for pk, lines in found.items()}


def log_text(job: Job) -> str:
    """Return a job's whole log as a text file, as it was written."""
    lines = JobLine.objects.filter(job=job).order_by("pk")
    rows = lines.values_list("created", "level", "text")
    return "".join(f"{at:%Y-%m-%d %H:%M:%S}Z {level} {text}\n" for at, level, text in rows)

"""Pages: what runs, what waits, how it ended, and on which workers; of a project, or of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labelapp.errors import AppError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.rights import Right
from labelapp.selectors.job_list import Scope, job_page, log_text
from labelapp.selectors.job_words import KINDS, kind_words
from labelapp.selectors.projects import Access
from labelapp.selectors.workers import worker_missing, workers
from labelapp.services import jobs
from labelapp.web.base import person, project_page

_MAX_ID = 2**63 - 1
_MAX_OPEN = 10  # logs


# --- of a project ---------------------------------------------------------------------------------


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the project's jobs."""
    return render(request, "jobs/page.html", _context(request, access))


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def live(request: HttpRequest, access: Access) -> HttpResponse:
    """Return the part of the page that changes; it asks for it every few seconds."""
    return render(request, "jobs/_live.html", _context(request, access))


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def log(request: HttpRequest, access: Access, job_id: int) -> HttpResponse:
    """Send a job's whole log."""
    return _log(Scope(access), job_id)


@require_POST
@project_page(Right.VIEW_DASHBOARD)
def cancel(request: HttpRequest, access: Access) -> HttpResponse:
    """End a job. Which right it takes depends on the job: the service asks."""
    job_id = _id(request.POST.get("job", ""))
    _do(request, lambda: jobs.cancel(access=access, job_id=job_id), _cancelled())
    return redirect(_back(request, reverse("project_jobs", args=[access.project.public_id])))


@require_POST
@project_page(Right.VIEW_DASHBOARD)
def retry(request: HttpRequest, access: Access) -> HttpResponse:
    """Do a job again. Which right it takes depends on the job: the service asks."""
    job_id = _id(request.POST.get("job", ""))
    _do(request, lambda: jobs.retry(access=access, job_id=job_id), _repeated())
    return redirect(_back(request, reverse("project_jobs", args=[access.project.public_id])))


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def worker(request: HttpRequest, access: Access) -> HttpResponse:
    """Return the note that no worker runs, empty where it is not needed; pages ask for it."""
    return render(request, "_worker.html", {"access": access})


# --- of the whole installation --------------------------------------------------------------------


@login_required
@require_safe
def all_jobs(request: HttpRequest) -> HttpResponse:
    """Show the jobs of all projects to the owner of the installation."""
    _installation_owner(request)
    return render(request, "jobs/all.html", _context(request, None))


@login_required
@require_safe
def all_live(request: HttpRequest) -> HttpResponse:
    """Return the part of the page that changes."""
    _installation_owner(request)
    return render(request, "jobs/_live.html", _context(request, None))


@login_required
@require_safe
def all_log(request: HttpRequest, job_id: int) -> HttpResponse:
    """Send a job's whole log."""
    _installation_owner(request)
    return _log(Scope(), job_id)


@login_required
@require_POST
def all_cancel(request: HttpRequest) -> HttpResponse:
    """End a job of any project."""
    job_id = _id(request.POST.get("job", ""))
    access = jobs.as_installation_owner(person(request), job_id)
    _do(request, lambda: jobs.cancel(access=access, job_id=job_id), _cancelled())
    return redirect(_back(request, reverse("all_jobs")))


@login_required
@require_POST
def all_retry(request: HttpRequest) -> HttpResponse:
    """Do a job of any project again."""
    job_id = _id(request.POST.get("job", ""))
    access = jobs.as_installation_owner(person(request), job_id)
    _do(request, lambda: jobs.retry(access=access, job_id=job_id), _repeated())
    return redirect(_back(request, reverse("all_jobs")))


def _installation_owner(request: HttpRequest) -> None:
    if not person(request).is_superuser:
        raise ForbiddenError(_("Only the owner of this installation can see this."))


# --- common ---------------------------------------------------------------------------------------


def _context(request: HttpRequest, access: Access | None) -> dict[str, Any]:
    kind = request.GET.get("kind", "")
    before = request.GET.get("before", "")
    opened = [_id(one) for one in request.GET.getlist("open")[:_MAX_OPEN]]
    missing = worker_missing()
    found = job_page(
        Scope(access),
        kind=kind,
        before=_id(before) if before else None,
        opened=opened,
        nobody=missing,
    )
    pid = access.project.public_id if access else ""
    here = reverse("project_jobs", args=[pid]) if access else reverse("all_jobs")
    return {
        **({"access": access, "active": "jobs"} if access else {}),
        "jobs": found,
        "opened": opened,
        "kind": kind if kind in KINDS else "",
        "kinds": [(code, kind_words(code)) for code in KINDS if code != "delete" or not access],
        "before": before,
        "here": here,
        "all": access is None,
        "workers": workers(),
        "missing": missing,
        "details": access is None or access.may(Right.STEER),
    }


def _log(scope: Scope, job_id: int) -> HttpResponse:
    job = get_object_or_404(scope.jobs(), pk=job_id)
    if not scope.may(job.kind):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    response = HttpResponse(log_text(job), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{job.kind}-{job.pk}.log"'
    return response


def _do(request: HttpRequest, action: Callable[[], None], done: str) -> None:
    try:
        action()
    except NotFoundError:
        raise
    except AppError as error:
        messages.error(request, error.message, extra_tags=error.code)
    else:
        messages.success(request, done)


def _cancelled() -> str:
    return _("Cancelled. What was done so far stays.")


def _repeated() -> str:
    return _("It is done again.")


def _back(request: HttpRequest, address: str) -> str:
    kind = request.POST.get("kind", "")
    return f"{address}?kind={kind}" if kind in KINDS else address


def _id(text: str) -> int:
    if not text.isdecimal() or len(text) > 19 or int(text) > _MAX_ID:
        raise InvalidInputError(_("The request has a wrong value."), job=text[:20])
    return int(text)


_PAGE = "p/<str:pid>/jobs/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_jobs"),
    path(f"{_PAGE}live/", live, name="jobs_live"),
    path(f"{_PAGE}cancel/", cancel, name="job_cancel"),
    path(f"{_PAGE}retry/", retry, name="job_retry"),
    path(f"{_PAGE}<int:job_id>.log", log, name="job_log"),
    path("p/<str:pid>/worker/", worker, name="project_worker"),
    path("jobs/", all_jobs, name="all_jobs"),
    path("jobs/live/", all_live, name="all_jobs_live"),
    path("jobs/cancel/", all_cancel, name="all_job_cancel"),
    path("jobs/retry/", all_retry, name="all_job_retry"),
    path("jobs/<int:job_id>.log", all_log, name="all_job_log"),
]

"""The dashboard of a project and the buttons that steer its run."""

from __future__ import annotations

import csv
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labelapp.errors import AppError, NotFoundError
from labelapp.rights import Right
from labelapp.selectors.dashboard import overview
from labelapp.selectors.dashboard_export import TABLES, table
from labelapp.selectors.projects import Access
from labelapp.services import runs
from labelapp.web.base import project_page
from labelapp.web.going_back import back


@require_GET
@project_page()
def project(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the overview; people who only label go to their page."""
    if not access.may(Right.VIEW_DASHBOARD):
        return redirect("project_label", access.project.public_id)
    shown = overview(access.project, access.role)
    context = {"access": access, "active": "dashboard", "overview": shown}
    return render(request, "dashboard/page.html", context)


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def dashboard_json(request: HttpRequest, access: Access) -> HttpResponse:
    """Return every number of the page."""
    return JsonResponse(overview(access.project, access.role))


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def dashboard_csv(request: HttpRequest, access: Access, what: str) -> HttpResponse:
    """Return a table of the page for a spreadsheet."""
    if what not in TABLES:
        raise NotFoundError(_("The overview has no such table."))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"{access.project.public_id}-{what}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    csv.writer(response).writerows(table(access.project, what))
    return response


@require_POST
@project_page(Right.STEER)
def run_start(request: HttpRequest, access: Access) -> HttpResponse:
    """Start the run: people are asked for the test set."""
    return _steer(request, access, runs.start_run, _("The run has started."))


@require_POST
@project_page(Right.STEER)
def run_pause(request: HttpRequest, access: Access) -> HttpResponse:
    """Give out no new tasks; back to the page that asked for it."""
    return _steer(request, access, runs.pause_run, _("Paused: no new images are given out."))


@require_POST
@project_page(Right.STEER)
def run_resume(request: HttpRequest, access: Access) -> HttpResponse:
    """Go on after a pause or an error."""
    return _steer(request, access, runs.resume_run, _("The run goes on."))


def _steer(
    request: HttpRequest, access: Access, service: Callable[..., object], done: str
) -> HttpResponse:
    try:
        service(access=access)
    except AppError as error:
        messages.error(request, error.message, extra_tags=error.code)
    else:
        messages.success(request, done)
    return back(request, reverse("project", args=[access.project.public_id]))


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/", project, name="project"),
    path("p/<str:pid>/dashboard.json", dashboard_json, name="dashboard_json"),
    path("p/<str:pid>/dashboard-<str:what>.csv", dashboard_csv, name="dashboard_csv"),
    path("p/<str:pid>/run/start/", run_start, name="run_start"),
    path("p/<str:pid>/run/pause/", run_pause, name="run_pause"),
    path("p/<str:pid>/run/resume/", run_resume, name="run_resume"),
]

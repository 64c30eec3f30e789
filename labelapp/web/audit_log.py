"""Who did what, when: to read and to export, of a project or of the whole installation."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from labelapp.errors import ForbiddenError
from labelapp.models import Project
from labelapp.rights import Right
from labelapp.selectors import audit_log
from labelapp.selectors.audit_words import FAMILIES
from labelapp.selectors.projects import Access
from labelapp.web.base import person, project_page
from labelapp.web.downloads import stream_response

MOST_DIGITS = 18  # of a number that a database can be asked for


@require_GET
@project_page(Right.AUDIT_LOG)
def project_audit_log(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what people did in a project."""
    where = reverse("project_audit_log", args=[access.project.public_id])
    context = {"access": access, "active": "people", **_page(request, access.project, where)}
    return render(request, "audit_log/page.html", context)


@require_GET
@project_page(Right.AUDIT_LOG)
def project_audit_log_file(request: HttpRequest, access: Access, kind: str) -> HttpResponseBase:
    """Send what the page's filter finds, whole, as CSV or JSON."""
    return _file(request, access.project, kind, access.project.public_id)


@login_required
@require_GET
def all_audit_log(request: HttpRequest) -> HttpResponse:
    """Show everything that was done here, to the owner of the installation."""
    _owner_only(request)
    context = _page(request, None, reverse("audit_log"))
    return render(request, "audit_log/all.html", context)


@login_required
@require_GET
def all_audit_log_file(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Send the whole log."""
    _owner_only(request)
    return _file(request, None, kind, "installation")


def _owner_only(request: HttpRequest) -> None:
    if not person(request).is_superuser:
        raise ForbiddenError(_("Only the owner of this installation sees this page."))


def _page(request: HttpRequest, project: Project | None, where: str) -> dict[str, object]:
    narrowed = _narrowed(request)
    before = _number(request.GET.get("before", ""))
    lines, older = audit_log.page(audit_log.log(project, narrowed), before)
    query = {
        name: value
        for name in ("person", "kind", "day")
        if (value := request.GET.get(name, "")) != ""
    }
    return {
        "lines": lines,
        "where": where,
        "query": urlencode(query),
        "older": urlencode({**query, "before": older}) if older else "",
        "later": before is not None,
        "narrowed": narrowed,
        "families": [(code, words) for code, (words, _starts) in FAMILIES.items()],
        "people": audit_log.people_of(project),
        "day": narrowed.day.isoformat() if narrowed.day else "",
    }


def _file(request: HttpRequest, project: Project | None, kind: str, stem: str) -> HttpResponseBase:
    entries = audit_log.log(project, _narrowed(request))
    name = f"audit-log-{stem}-{timezone.now():%Y%m%d-%H%M}.{kind}"
    if kind == "json":
        chunks = audit_log.json_chunks(entries)
        return stream_response(chunks, name=name, content_type="application/json")
    chunks = audit_log.csv_chunks(entries)
    return stream_response(chunks, name=name, content_type="text/csv; charset=utf-8")


def _narrowed(request: HttpRequest) -> audit_log.Narrowed:
    """Read the filter; what cannot be read narrows nothing."""
    try:
        day = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        day = None
    if day is not None and not 1970 <= day.year <= 9000:
        day = None
    return audit_log.Narrowed(
        person=_number(request.GET.get("person", "")), family=request.GET.get("kind", ""), day=day
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


_PAGE = "p/<str:pid>/log/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, project_audit_log, name="project_audit_log"),
    path(f"{_PAGE}log.csv", project_audit_log_file, {"kind": "csv"}, name="audit_log_csv"),
    path(f"{_PAGE}log.json", project_audit_log_file, {"kind": "json"}, name="audit_log_json"),
    path("people/log/", all_audit_log, name="audit_log"),
    path("people/log/log.csv", all_audit_log_file, {"kind": "csv"}, name="all_audit_log_csv"),
    path("people/log/log.json", all_audit_log_file, {"kind": "json"}, name="all_audit_log_json"),
]

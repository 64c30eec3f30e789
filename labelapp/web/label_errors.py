"""Likely label errors, ready for review."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp import queue
from labelapp.errors import AppError
from labelapp.models import LabelClass, Project
from labelapp.rights import Right
from labelapp.selectors import label_issues as found
from labelapp.selectors.projects import Access
from labelapp.services import label_issues
from labelapp.web.base import outcome_said, project_page


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@project_page(Right.BROWSE)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the labels that model and votes contradict; POST searches for them."""
    if request.method == "POST":
        return _search(request, access)
    chosen = found.parse(request.GET.dict())
    classes = _classes(access.project)
    context = {
        "active": "images",
        "chosen": chosen,
        "classes": [c for c in classes.values() if not c.archived],
        "finished": access.project.status == Project.Status.FINISHED,
        **_status(access, classes),
        **_list(request, access, classes),
    }
    return render(request, "label_errors/page.html", context)


def _search(request: HttpRequest, access: Access) -> HttpResponse:
    with outcome_said(request, refused=AppError):
        label_issues.start(access=access)
    return redirect("project_label_errors", access.project.public_id)


@require_safe
@project_page(Right.BROWSE)
def status(request: HttpRequest, access: Access) -> HttpResponse:
    """Show how a search goes on; the page asks each second and loads anew at its end."""
    context = _status(access, _classes(access.project))
    response = render(request, "label_errors/_status.html", context)
    if context["report"].job is None:
        response["HX-Refresh"] = "true"
    return response


@require_safe
@project_page(Right.BROWSE)
def more(request: HttpRequest, access: Access) -> JsonResponse:
    """Return the next issues as a fragment."""
    context = _list(request, access, _classes(access.project))
    html = render_to_string("label_errors/_issues.html", context, request)
    return JsonResponse({"ok": True, "html": html, "cursor": context["listed"].cursor})


@require_POST
@project_page(Right.BROWSE)
def act(request: HttpRequest, access: Access, issue_id: int) -> JsonResponse:
    """Take what somebody decided about an issue."""
    kind = request.POST.get("do", "")
    state = label_issues.act(access=access, issue_id=issue_id, kind=kind)
    words = {
        "dismissed": _("The label is right."),
        "settled": _("The label is changed."),
        "sent": _("Sent to the reviewers."),
    }
    return JsonResponse({"ok": True, "state": state, "words": words.get(state, state)})


def _classes(project: Project) -> dict[int, LabelClass]:
    rows = project.classes.select_related("merged_into").order_by("index")
    return {one.index: one for one in rows}


def _list(request: HttpRequest, access: Access, classes: dict[int, LabelClass]) -> dict[str, Any]:
    chosen = found.parse(request.GET.dict())
    listed = found.issues(access.project, chosen, classes, request.GET.get("cursor", "")[:80])
    return {"access": access, "listed": listed, "may_act": _may_act(access)}


def _may_act(access: Access) -> bool:
    return access.may(Right.REVIEW) and access.project.archived_at is None


def _status(access: Access, classes: dict[int, LabelClass]) -> dict[str, Any]:
    report = found.report(access.project, classes)
    no_worker = report.job is not None and not queue.worker_alive()
    return {
        "access": access,
        "report": report,
        "no_worker": no_worker,
        "may_act": _may_act(access),
    }


_PAGE = "p/<str:pid>/errors/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_label_errors"),
    path(f"{_PAGE}status/", status, name="label_errors_status"),
    path(f"{_PAGE}more/", more, name="label_errors_more"),
    path(f"{_PAGE}<int:issue_id>/", act, name="label_errors_act"),
]

"""Page: who holds what, and what a manager can free."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labelapp.errors import AppError, InvalidInputError
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.queue_page import overview
from labelapp.services import leases, reviews
from labelapp.web.base import outcome_said, project_page

_MAX_ID = 2**63 - 1


@require_safe
@project_page(Right.STEER)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who holds what."""
    context = {"access": access, "active": "quality", "part": "queue", **overview(access.project)}
    return render(request, "queue/page.html", context)


@require_safe
@project_page(Right.STEER)
def live(request: HttpRequest, access: Access) -> HttpResponse:
    """Return the part of the page that changes; it asks for it every few seconds."""
    context = {"access": access, **overview(access.project)}
    return render(request, "queue/_live.html", context)


@require_POST
@project_page(Right.STEER)
def release(request: HttpRequest, access: Access) -> HttpResponse:
    """Free one task (`task`), all of one person (`person`), or all whose lease is over."""
    try:
        count = leases.release(
            access=access,
            task_ids=None if "task" not in request.POST else [_id(request, "task")],
            user_id=None if "person" not in request.POST else _id(request, "person"),
        )
    except AppError as error:
        messages.error(request, error.message, extra_tags=error.code)
    else:
        text = ngettext("%(n)s image is free again.", "%(n)s images are free again.", count)
        messages.success(request, text % {"n": f"{count:,}"})
    return redirect("project_queue", pid=access.project.public_id)


@require_POST
@project_page(Right.STEER)
def recall(request: HttpRequest, access: Access) -> HttpResponse:
    """Take back an image that was sent to a person."""
    with outcome_said(request, _("Taken back."), refused=AppError):
        reviews.recall(access=access, task_id=_id(request, "task"))
    return redirect("project_queue", pid=access.project.public_id)


def _id(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not text.isdecimal() or len(text) > 19 or int(text) > _MAX_ID:
        raise InvalidInputError(_("The request has a wrong value."), **{name: text[:20]})
    return int(text)


_PAGE = "p/<str:pid>/queue/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_queue"),
    path(f"{_PAGE}live/", live, name="queue_live"),
    path(f"{_PAGE}release/", release, name="queue_release"),
    path(f"{_PAGE}recall/", recall, name="queue_recall"),
]

"""The search for the best training set: ask, follow, look at what was found."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp import queue
from labelapp.errors import AppError, InvalidInputError, NotFoundError
from labelapp.models import Curation, Project
from labelapp.rights import Right
from labelapp.selectors import curation_images, curation_labels, curation_page, curations
from labelapp.selectors.browse_sql import classes_of
from labelapp.selectors.curation_words import (
    MEASURED,
    PARTS,
    PARTS_ABOUT,
    percent,
    progress_words,
)
from labelapp.selectors.jobs import live_job
from labelapp.selectors.money_words import duration, money
from labelapp.selectors.projects import Access
from labelapp.selectors.stored_words import stored_words
from labelapp.services import curations as service
from labelapp.services.curation_settings import CurationSettings
from labelapp.web.base import outcome_said, project_page
from labelapp.web.browse_bulk import MAX_SEQ
from labelapp.web.curate_form import BESIDE, CurateForm, settings_rows, usual

State = Curation.State


# --- the page ------------------------------------------------------------------------------------


@require_safe
@ensure_csrf_cookie
@project_page(Right.BROWSE)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what a search is, how it goes on, and what it found (`?search=` an earlier one)."""
    return _page(request, access)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page(Right.STEER)
def start(request: HttpRequest, access: Access) -> HttpResponse:
    """Begin a search; a form that cannot be used comes back with what was typed."""
    if request.method != "POST":
        return redirect("project_curate", access.project.public_id)
    form = CurateForm(request.POST)
    if not form.is_valid():
        return _page(request, access, form, InvalidInputError.status)
    try:
        service.start(access=access, settings=form.settings())
    except InvalidInputError as error:
        for name, text in error.fields.items():
            field = BESIDE.get(name, name)
            form.add_error(field if field in form.fields else None, str(text))
        return _page(request, access, form, error.status)
    except AppError as error:
        messages.error(request, error.message, extra_tags=error.code)
        return _page(request, access, form, error.status)
    return redirect("project_curate", access.project.public_id)


def _page(
    request: HttpRequest, access: Access, form: CurateForm | None = None, status: int = 200
) -> HttpResponse:
    project = access.project
    newest = curations.latest(project)
    asked = request.GET.get("search", "")
    shown = curations.one(project, _number(asked)) if asked else newest
    finished = project.status == Project.Status.FINISHED
    context = {
        "access": access,
        "active": "images",
        "finished": finished,
        "shown": shown,
        "older": shown is not None and newest is not None and shown.pk != newest.pk,
        "earlier": curation_page.earlier(project) if finished else [],
        "measured": {name: percent(value) for name, value in MEASURED.items()},
        **_status(access, newest),
    }
    if finished and shown is not None and shown.state == State.DONE:
        context |= _result(access, shown)
    if context["may_act"] and context["live"] is None:
        chosen = usual(project, shown)
        context["form"] = form or CurateForm.of(chosen)
        context["estimate"] = _estimate(project, _chosen(form) if form else chosen)
    return render(request, "curate/page.html", context, status=status)


def _chosen(form: CurateForm) -> CurationSettings | None:
    return form.settings() if form.is_valid() else None


def _may_act(access: Access) -> bool:
    project = access.project
    over = project.status == Project.Status.FINISHED and project.archived_at is None
    return over and access.may(Right.STEER)


def _status(access: Access, newest: Curation | None) -> dict[str, Any]:
    """Return the search that is under way, how far it is, and whether anybody works on it."""
    live = newest if newest is not None and newest.state in curations.LIVE else None
    job = None if live is None else live_job(access.project, "curate")
    left = None if job is None else job.seconds_left
    return {
        "access": access,
        "live": live,
        "job": job,
        "job_says": "" if job is None else stored_words(job.message),
        "stopping": live is not None and curations.stopping(live),
        "detail": "" if live is None else progress_words(curations.progress(live)),
        "left": "" if left is None else duration(left),
        "no_worker": live is not None and not queue.worker_alive(),
        "may_act": _may_act(access),
    }


def _result(access: Access, shown: Curation) -> dict[str, Any]:
    result = shown.result or {}
    context: dict[str, Any] = {
        "result": result,
        "comparison": curation_page.comparison(result),
        "stages": curation_page.stage_rows(result),
        "costs": curation_page.cost_rows(access.project, result),
        "asked": settings_rows(shown),
        "changed": curation_labels.changed(shown),
        "humans": shown.n - shown.machine,
        "gone": "",
    }
    try:
        rows = curation_page.class_rows(shown, classes_of(access.project))
    except NotFoundError as error:
        return context | {"gone": error.message}
    most = curation_page.MOST_CLASSES
    return context | {
        "classes": rows[:most],
        "more_classes": rows[most:],
        "counts": curation_page.counts(rows),
    }


# --- while the form is filled in, and while it runs ----------------------------------------------


@require_safe
@project_page(Right.STEER)
def estimate(request: HttpRequest, access: Access) -> HttpResponse:
    """Say about what the search in the form takes, or what is wrong with it."""
    form = CurateForm(request.GET)
    chosen = _chosen(form)
    wrong = [text for texts in form.errors.values() for text in texts]
    context = {"estimate": _estimate(access.project, chosen), "wrong": wrong}
    return render(request, "curate/_estimate.html", context)


def _estimate(project: Project, chosen: CurationSettings | None) -> dict[str, str] | None:
    """Return time and money in words; empty texts where nothing was measured, None unchecked."""
    if chosen is None or chosen.check():
        return None
    found = curations.estimate(project, chosen)
    return {
        "time": "" if found.seconds is None else duration(found.seconds),
        "money": "" if found.dollars is None else money(found.dollars, project.currency),
    }


@require_safe
@project_page(Right.BROWSE)
def status(request: HttpRequest, access: Access) -> HttpResponse:
    """Show how a search goes on; the page asks every second and loads anew at its end."""
    context = _status(access, curations.latest(access.project))
    response = render(request, "curate/_status.html", context)
    if context["live"] is None:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@project_page(Right.STEER)
def cancel(request: HttpRequest, access: Access, curation_id: int) -> HttpResponse:
    """End a search that is under way; what is done stays."""
    done = _("The search is being cancelled. What is done stays: it can go on from there.")
    with outcome_said(request, done, refused=AppError):
        service.cancel(access=access, curation_id=curation_id)
    return redirect("project_curate", access.project.public_id)


@require_POST
@project_page(Right.STEER)
def go_on(request: HttpRequest, access: Access, curation_id: int) -> HttpResponse:
    """Let a failed or cancelled search go on behind its last finished step."""
    with outcome_said(request, refused=AppError):
        service.go_on(access=access, curation_id=curation_id)
    return redirect("project_curate", access.project.public_id)


@require_POST
@project_page(Right.STEER)
def delete(request: HttpRequest, access: Access, curation_id: int) -> HttpResponse:
    """Remove a search with its files."""
    with outcome_said(request, _("The search is deleted."), refused=AppError):
        service.delete(access=access, curation_id=curation_id)
    return redirect("project_curate", access.project.public_id)


# --- its images ----------------------------------------------------------------------------------


@require_safe
@project_page(Right.BROWSE)
def pictures(request: HttpRequest, access: Access, curation_id: int) -> HttpResponse:
    """Show the images of one part of a search, of one class if asked, a page at a time."""
    project = access.project
    if project.status != Project.Status.FINISHED:
        return redirect("project_curate", project.public_id)
    curation = curations.one(project, curation_id)
    which = request.GET.get("part", "kept")
    raw = request.GET.get("class", "")
    index = _number(raw) if raw else None
    classes = classes_of(project)
    found = curation_images.shown(
        curation, which, index, max(1, _number(request.GET.get("page", "1"))), classes
    )
    link = f"?part={which}" + ("" if index is None else f"&class={index}")
    context = {
        "access": access,
        "active": "images",
        "curation": curation,
        "which": which,
        "about": PARTS_ABOUT[which],
        "parts": [
            (name, words, f"?part={name}{_class_of(index)}") for name, words in PARTS.items()
        ],
        "index": index,
        "classes": [one for one in classes.values() if not one.archived or one.index == index],
        "found": found,
        "stages": curation_images.stage_pages(curation)
        if which == "kept" and index is None
        else [],
        "before": f"{link}&page={found.page - 1}" if found.page > 1 else "",
        "after": f"{link}&page={found.page + 1}" if found.page < found.pages else "",
        "setup": _setup(access),
    }
    return render(request, "curate/images.html", context)


def _class_of(index: int | None) -> str:
    return "" if index is None else f"&class={index}"


def _setup(access: Access) -> dict[str, Any]:
    """Return what the panel's script must know."""
    pid = access.project.public_id
    classes = classes_of(access.project).values()
    return {
        "classes": [{"index": c.index, "name": c.name, "key": c.key} for c in classes],
        "urls": {"image": reverse("browse_image", args=[pid, 0])},
    }


def _number(text: str) -> int:
    """Return a number of an address. Raises InvalidInputError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise InvalidInputError(_("The request has a wrong value."), number="is not valid")
    return min(int(text), MAX_SEQ)


_PAGE = "p/<str:pid>/curate/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_curate"),
    path(f"{_PAGE}start/", start, name="curate_start"),
    path(f"{_PAGE}status/", status, name="curate_status"),
    path(f"{_PAGE}estimate/", estimate, name="curate_estimate"),
    path(f"{_PAGE}<int:curation_id>/images/", pictures, name="curate_images"),
    path(f"{_PAGE}<int:curation_id>/cancel/", cancel, name="curate_cancel"),
    path(f"{_PAGE}<int:curation_id>/continue/", go_on, name="curate_continue"),
    path(f"{_PAGE}<int:curation_id>/delete/", delete, name="curate_delete"),
]

"""What if: sliders that the planner answers from the stored curves."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labelapp.errors import AppError, InvalidInputError, RunMovedError
from labelapp.rights import Right
from labelapp.selectors import what_if
from labelapp.selectors.projects import Access
from labelapp.selectors.what_if import Known, Wanted
from labelapp.services import run_settings
from labelapp.web.base import project_page
from labelapp.web.what_if_form import WhatIfForm, as_terms, query_of, sliders

DRAWN = ("arch", "cost", "total", "b_opt", "grid_b", "grid_total", "human_only")


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the sliders, and the plan that they give beside the present one."""
    return _page(request, access, request.GET)


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def answer(request: HttpRequest, access: Access) -> JsonResponse:
    """Answer while a slider moves: the comparison as a fragment, and what its picture needs."""
    known = what_if.gather(access.project)
    wanted = _wanted(request.GET, access)
    context = _context(access, known, wanted)
    return JsonResponse(
        {
            "html": render_to_string("what_if/_answer.html", context, request),
            "chart": context["chart"],
            "query": context["query"],
            "version": known.version,
        }
    )


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def numbers(request: HttpRequest, access: Access) -> JsonResponse:
    """Return the comparison as numbers: to copy, to keep, or for other programs."""
    known = what_if.gather(access.project)
    found = what_if.compare(known, _wanted(request.GET, access))
    response = JsonResponse(
        {"project": access.project.public_id, "name": access.project.name, **found},
        json_dumps_params={"indent": 1},
    )
    if request.GET.get("download"):
        name = f"what-if-{access.project.public_id}-{known.version}.json"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
@project_page(Right.STEER)
def apply(request: HttpRequest, access: Access) -> HttpResponse:
    """Give the run the terms that were weighed, unless it has moved on since."""
    before = Wanted.of(access.project)
    wanted = _wanted(request.POST, access)
    here = _address(access, wanted)
    try:
        changed = run_settings.change_settings(
            access=access,
            terms=as_terms(wanted, access.project),
            overlap=run_settings.Overlap(wanted.overlap, wanted.overlap_share),
            version=_version(request.POST),
            said=_said(access, wanted),
        )
    except RunMovedError as error:
        messages.warning(request, error.message, extra_tags=error.code)
        return redirect(here)
    except AppError as error:
        text = " ".join([error.message, *map(str, error.fields.values())])
        messages.error(request, text, extra_tags=error.code)
        return redirect(here)
    if changed:
        messages.success(
            request, _("Applied: the engine's next plan uses it. Nothing bought is lost.")
        )
        return redirect(f"{_bare(access)}?{urlencode({'back': _query(access, before)})}")
    messages.info(request, _("These are the settings that the run has."))
    return redirect(_address(access, wanted))


def _said(access: Access, wanted: Wanted) -> dict[str, str] | None:
    """Return what the page says that the whole would cost, with these terms and with the present."""
    found = what_if.compare(what_if.gather(access.project), wanted)
    if not found["forecast"]:
        return None
    figures = {"total": found["asked"]["cost"], "instead": found["now"]["cost"]}
    return {name: f"{amount:.6f}" for name, amount in figures.items()}


def _version(data: QueryDict) -> int:
    try:
        return int(data.get("version", ""))
    except ValueError as error:
        raise InvalidInputError(_("The request has a wrong value."), version="") from error


def _wanted(data: QueryDict, access: Access) -> Wanted:
    """Read what is asked. Raises InvalidInputError naming the fields that make no sense."""
    form = WhatIfForm(data)
    valid = form.is_valid()
    wrong = {name: str(errors[0]) for name, errors in form.errors.items()}
    if valid:
        wanted = form.wanted(access.project)
        wrong = as_terms(wanted, access.project).check()
    if wrong:
        raise InvalidInputError(_("Some values cannot be used."), **wrong)
    return wanted


def _bare(access: Access) -> str:
    return reverse("project_what_if", args=[access.project.public_id])


def _query(access: Access, wanted: Wanted) -> str:
    return urlencode(query_of(access.project, wanted))


def _address(access: Access, wanted: Wanted) -> str:
    return f"{_bare(access)}?{_query(access, wanted)}"


def _way_back(request: HttpRequest, access: Access) -> str:
    """Return the settings of before a change, as the address says them; empty if there is none."""
    form = WhatIfForm(QueryDict(request.GET.get("back", "")))
    return _query(access, form.wanted(access.project)) if form.is_valid() else ""


def _page(request: HttpRequest, access: Access, data: QueryDict) -> HttpResponse:
    known = what_if.gather(access.project)
    wrong: dict[str, object] = {}
    try:
        wanted = _wanted(data, access)
    except InvalidInputError as error:
        wanted, wrong = Wanted.of(access.project), error.fields
    context = _context(access, known, wanted)
    found = context["found"]["asked"]
    plain, budget = sliders(
        access.project, wanted, human_only=found["human_only"], spent=found["spent"]
    )
    context |= {
        "active": "forecast",
        "sliders": plain,
        "budget": budget,
        "budget_on": wanted.budget is not None,
        "wrong": wrong,
        "back": _way_back(request, access),
    }
    return render(request, "what_if/page.html", context, status=400 if wrong else 200)


def _context(access: Access, known: Known, wanted: Wanted) -> dict[str, Any]:
    found = what_if.compare(known, wanted)
    return {
        "access": access,
        "found": found,
        "words": what_if.in_words(known, wanted, found, may=access.may(Right.STEER)),
        "query": _query(access, wanted),
        "fields": query_of(access.project, wanted),
        "chart": _chart(found),
    }


def _chart(found: dict[str, Any]) -> dict[str, Any]:
    """Return both costs over |B|, ready to draw; no grid while there is no forecast."""
    sides = {
        side: {name: found[side].get(name) for name in DRAWN if name != "arch"}
        for side in ("now", "asked")
    }
    return {"currency": found["currency"], "changed": bool(found["changed"]), **sides}


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/what-if/", page, name="project_what_if"),
    path("p/<str:pid>/what-if/answer.json", answer, name="project_what_if_answer"),
    path("p/<str:pid>/what-if/comparison.json", numbers, name="project_what_if_json"),
    path("p/<str:pid>/what-if/apply/", apply, name="project_what_if_apply"),
]

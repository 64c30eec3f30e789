"""Page: labelling guidelines, for reading (everyone) and for writing (who may steer)."""

from __future__ import annotations

import re

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from labelapp.errors import (
    AppError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from labelapp.models import Guideline, Image
from labelapp.rights import Right
from labelapp.selectors.guidelines import (
    ClassView,
    EntryView,
    classes_with_entries,
    current_guideline,
    history,
)
from labelapp.selectors.projects import Access, active_classes
from labelapp.services.guidelines import MAX_EXAMPLES, Entry, save_guidelines
from labelapp.web.base import project_page

PICKER = 60


@require_http_methods(["GET", "POST"])
@project_page(Right.LABEL)
def project_guidelines(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the guidelines (`?version=3` an old one, `?edit` the form); POST saves them."""
    if request.method == "POST":
        return _save(request, access)
    if "edit" in request.GET:
        return _form(request, access)
    current = current_guideline(access.project)
    shown = _version(access, request.GET.get("version", "")) or current
    context = {
        "access": access,
        "active": "guidelines",
        "guideline": shown,
        "old": shown is not None and shown != current,
        "classes": classes_with_entries(access.project, shown),
        "history": history(access.project),
    }
    return render(request, "guidelines/page.html", context)


def _version(access: Access, number: str) -> Guideline | None:
    if not number:
        return None
    if number.isdecimal() and len(number) < 10:
        found = history(access.project).filter(version=int(number)).first()
        if found is not None:
            return found
    raise NotFoundError(_("There is no such version of the guidelines."))


def _form(
    request: HttpRequest,
    access: Access,
    typed: tuple[str, list[ClassView], int] | None = None,
    error: AppError | None = None,
) -> HttpResponse:
    """Show the form, with what was typed if it could not be saved."""
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if typed is None:
        current = current_guideline(access.project)
        classes = classes_with_entries(access.project, current)
        typed = (current.text, classes, current.version) if current else ("", classes, 0)
    text, classes, version = typed
    wrong = error.fields if error else {}
    context = {
        "access": access,
        "active": "guidelines",
        "text": text,
        "text_error": wrong.get("text"),
        "classes": [(view, wrong.get(f"class_{view.label_class.index}")) for view in classes],
        "base_version": version,
        "error": error,
        "max_examples": MAX_EXAMPLES,
        "has_images": access.project.counter.images > 0,
    }
    return render(request, "guidelines/edit.html", context, status=error.status if error else 200)


def _save(request: HttpRequest, access: Access) -> HttpResponse:
    text = request.POST.get("text", "")
    base = request.POST.get("base_version", "")
    version = int(base) if base.isdecimal() and len(base) < 10 else 0
    views = [ClassView(c, _entry(request, c.index)) for c in active_classes(access.project)]
    entries = {v.label_class.index: Entry(v.entry.text, v.entry.examples) for v in views}
    try:
        new = save_guidelines(access=access, text=text, entries=entries, base_version=version)
    except (ConflictError, InvalidInputError) as error:
        return _form(request, access, (text, views, version), error)
    if new is None:
        messages.info(request, _("Nothing was different, so there is no new version."))
    else:
        messages.success(
            request,
            _("Version %(version)s is saved; annotators see it from now on.")
            % {"version": new.version},
        )
    return redirect("project_guidelines", pid=access.project.public_id)


def _entry(request: HttpRequest, index: int) -> EntryView:
    numbers = re.findall(r"\d{1,9}", request.POST.get(f"class_{index}_examples", ""))
    return EntryView(
        request.POST.get(f"class_{index}_text", ""), tuple(dict.fromkeys(map(int, numbers)))
    )


@require_GET
@project_page(Right.STEER)
def guideline_picker(request: HttpRequest, access: Access) -> HttpResponse:
    """Show thumbnails to pick from, 60 at a time, from the number `from` on."""
    start = request.GET.get("from", "0")
    first = int(start) if start.isdecimal() and len(start) < 10 else 0
    rows = Image.objects.filter(project=access.project, seq__gte=first).order_by("seq")
    images = list(rows.values("seq", "name")[: PICKER + 1])
    context = {
        "access": access,
        "images": images[:PICKER],
        "next": images[PICKER]["seq"] if len(images) > PICKER else None,
        "previous": max(first - PICKER, 0) if first else None,
    }
    return render(request, "guidelines/_picker.html", context)


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/guidelines/", project_guidelines, name="project_guidelines"),
    path("p/<str:pid>/guidelines/images/", guideline_picker, name="guideline_picker"),
]

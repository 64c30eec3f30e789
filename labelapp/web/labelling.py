"""The labelling page: one image, one key."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from labelapp.models import LabelClass
from labelapp.rights import Right
from labelapp.selectors.guidelines import classes_with_entries, current_guideline
from labelapp.selectors.labelling import image_address
from labelapp.selectors.projects import Access, active_classes
from labelapp.web.base import project_page

FILTER_FROM = 37  # more classes than keys: a field finds them


@require_safe
@ensure_csrf_cookie
@project_page(Right.LABEL)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the labelling page; its images come through the API."""
    classes = active_classes(access.project)
    context = {
        "access": access,
        "active": "label",
        "classes": classes,
        "with_filter": len(classes) >= FILTER_FROM,
        "guidelines_key": _guidelines_key(classes),
        "setup": _setup(access, classes),
    }
    return render(request, "labelling/page.html", context)


@require_safe
@project_page(Right.LABEL)
def guidelines(request: HttpRequest, access: Access) -> HttpResponse:
    """Return the current guidelines for the panel beside the image."""
    guideline = current_guideline(access.project)
    entries = [
        (view.label_class, view.entry.text, [image_address(access.project, seq) for seq in seqs])
        for view in classes_with_entries(access.project, guideline)
        if (seqs := view.entry.examples) or view.entry.text
    ]
    context = {"access": access, "guideline": guideline, "entries": entries}
    return render(request, "labelling/_guidelines.html", context)


def _setup(access: Access, classes: list[LabelClass]) -> dict[str, object]:
    """Return what the page's script must know."""
    pid = access.project.public_id
    guideline = current_guideline(access.project)
    return {
        "project": pid,
        "user": access.user.pk,
        "classes": [{"index": c.index, "name": c.name, "key": c.key} for c in classes],
        "guidelineVersion": guideline.version if guideline else 0,
        "urls": {
            "tasks": reverse("api_tasks", args=[pid]),
            "answers": reverse("api_answers", args=[pid]),
            "heartbeat": reverse("api_heartbeat", args=[pid]),
            "guidelines": reverse("label_guidelines", args=[pid]),
            "signIn": f"{reverse('account_login')}?next={reverse('project_label', args=[pid])}",
        },
    }


def _guidelines_key(classes: list[LabelClass]) -> str:
    """Return the key cap of the guidelines: G, or Shift G where a class has the G."""
    return "⇧G" if any(label_class.key == "g" for label_class in classes) else "G"


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/label/", page, name="project_label"),
    path("p/<str:pid>/label/guidelines/", guidelines, name="label_guidelines"),
]

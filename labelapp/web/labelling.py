"""The labelling page: one image, one key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from labelapp.errors import NotFoundError
from labelapp.models import LabelClass
from labelapp.rights import Right
from labelapp.selectors.guidelines import classes_with_entries, current_guideline
from labelapp.selectors.images import image_file
from labelapp.selectors.labelling import image_address, used_most
from labelapp.selectors.projects import Access, active_classes
from labelapp.services.image_files import media_path
from labelapp.web.base import person, project_page
from labelapp.web.downloads import file_response

MOST_KEYS = 36  # classes with keys of their own (static/js/label_keys.js)
SEARCH_FROM = 11  # so many classes are found by typing, and may show the machine's guesses
MAX_SEQ = 2**31

_SHOWN = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""First bytes of the kinds that every browser shows; WebP is looked at apart."""


@require_safe
@ensure_csrf_cookie
@project_page(Right.LABEL)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the labelling page; its images come through the API."""
    classes = active_classes(access.project)
    context = {
        "access": access,
        "active": "label",
        "classes": _in_reach(access, classes),
        "with_keys": len(classes) <= MOST_KEYS,
        "with_search": len(classes) >= SEARCH_FROM,
        "setup": page_setup(access, classes),
    }
    return render(request, "labelling/page.html", context)


def _in_reach(access: Access, classes: list[LabelClass]) -> list[LabelClass]:
    """Return the buttons' order: where not every class has a key, the person's most used first."""
    if len(classes) <= MOST_KEYS:
        return classes
    place = {index: n for n, index in enumerate(used_most(access.project, access.user))}
    return sorted(classes, key=lambda one: place.get(one.index, len(place)))


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


@require_safe
@login_required
def full_image(request: HttpRequest, pid: str, seq: int) -> HttpResponseBase:
    """Send the file as it was uploaded, to be shown: only kinds that are images for sure.

    The kind comes from the file's own bytes, never from its name; browsers may not guess another
    one. Raises NotFoundError for kinds that browsers do not show: the page shows its copy.
    """
    found = image_file(person(request), pid, min(seq, MAX_SEQ - 1), Right.LABEL)
    path = media_path(found.original_key)
    response = file_response(
        request, path, name=found.name.rsplit("/", 1)[-1], content_type=_kind(path)
    )
    response["Content-Disposition"] = "inline"
    response["Cache-Control"] = "private, max-age=86400"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _kind(path: Path) -> str:
    """Return the content type of an image file by its first bytes; raise NotFoundError."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise NotFoundError(_("The file of this image is missing.")) from error
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    for start, kind in _SHOWN.items():
        if head.startswith(start):
            return kind
    raise NotFoundError(_("Browsers do not show files of this kind."))


def page_setup(access: Access, classes: list[LabelClass]) -> dict[str, Any]:
    """Return what the scripts of the pages for labelling must know."""
    pid = access.project.public_id
    guideline = current_guideline(access.project)
    own = access.user.key_map
    return {
        "project": pid,
        "user": access.user.pk,
        "classes": [
            {"index": c.index, "name": c.name, "key": c.key, "aliases": c.aliases} for c in classes
        ],
        "keyMap": {scope: own[scope] for scope in ("*", pid) if scope in own},
        "guidelineVersion": guideline.version if guideline else 0,
        "urls": {
            "tasks": reverse("api_tasks", args=[pid]),
            "answers": reverse("api_answers", args=[pid]),
            "heartbeat": reverse("api_heartbeat", args=[pid]),
            "comments": reverse("api_comments", args=[pid]),
            "guidelines": reverse("label_guidelines", args=[pid]),
            "keys": reverse("me_keys"),
            "signIn": f"{reverse('account_login')}?next={reverse('project_label', args=[pid])}",
        },
    }


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/label/", page, name="project_label"),
    path("p/<str:pid>/label/guidelines/", guidelines, name="label_guidelines"),
    path("p/<str:pid>/images/<int:seq>/full/", full_image, name="image_full"),
]

"""Pages: many images at once, and images verified by exception."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from labelapp.rights import Right
from labelapp.selectors.projects import Access, active_classes
from labelapp.web.base import project_page
from labelapp.web.labelling import MOST_KEYS, SEARCH_FROM, page_setup


@require_safe
@ensure_csrf_cookie
@project_page(Right.LABEL)
def grid(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the grid; its images come through the API."""
    return render(request, "grid/page.html", _context(access, "project_grid"))


@require_safe
@ensure_csrf_cookie
@project_page(Right.LABEL)
def verify(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the page on which images of one predicted class are verified."""
    return render(request, "grid/verify.html", _context(access, "project_verify"))


def _context(access: Access, name: str) -> dict[str, Any]:
    classes = active_classes(access.project)
    pid = access.project.public_id
    setup = page_setup(access, classes)
    urls = {
        "similar": reverse("api_similar", args=[pid]),
        "verify": reverse("api_verify", args=[pid]),
        "signIn": f"{reverse('account_login')}?next={reverse(name, args=[pid])}",
    }
    return {
        "access": access,
        "active": "label",
        "classes": classes,
        "with_keys": len(classes) <= MOST_KEYS,
        "with_search": len(classes) >= SEARCH_FROM,
        "setup": {**setup, "urls": {**setup["urls"], **urls}},
    }


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/grid/", grid, name="project_grid"),
    path("p/<str:pid>/verify/", verify, name="project_verify"),
]

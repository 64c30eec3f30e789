"""The browser of all images: filters, saved views, one image with its past."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from labelapp.models import LabelClass, Project
from labelapp.rights import Right
from labelapp.selectors import browse, browse_page, browse_panel
from labelapp.selectors.browse import Page, Tile
from labelapp.selectors.browse_export import csv_chunks
from labelapp.selectors.browse_query import Query, browse_url, parse
from labelapp.selectors.browse_sql import classes_of
from labelapp.selectors.projects import Access
from labelapp.services import saved_views
from labelapp.services.exports import download_name
from labelapp.web import browse_bulk
from labelapp.web.base import project_page
from labelapp.web.downloads import stream_response

MOST_BUTTONS = 20  # classes with a button of their own in the panel


@require_safe
@ensure_csrf_cookie
@project_page(Right.BROWSE)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the first images that pass, and all that can be asked."""
    query = parse(request.GET.dict())
    project = access.project
    classes = classes_of(project)
    shown = browse.page(project, query, request.GET.get("cursor", ""))
    shares = {"low": query.low, "high": query.high}
    context = {
        "access": access,
        "active": "images",
        "query": query,
        "encoded": query.encoded(),
        "params": [("filter_name" if n == "name" else n, v) for n, v in query.params().items()],
        "shares": {n: "" if v is None else f"{v:g}" for n, v in shares.items()},
        "classes": [c for c in classes.values() if not c.archived],
        "chips": browse_page.chips(project, query, classes),
        "clear": browse_url(project.public_id, sort=query.sort),
        "views": browse_page.views(access, query),
        "people": browse_page.people(project),
        "places": browse_page.PLACES.items(),
        "sources": browse_page.SOURCES.items(),
        "sorts": browse_page.SORTS.items(),
        "total": browse_page.known_total(project, query),
        "running": project.status != Project.Status.FINISHED,
        "may_review": access.may(Right.REVIEW) and project.archived_at is None,
        **_tiles(access, query, shown),
        "setup": _setup(access, query, list(classes.values())),
    }
    return render(request, "browse/page.html", context)


@require_safe
@project_page(Right.BROWSE)
def tiles(request: HttpRequest, access: Access) -> JsonResponse:
    """Return the next images as a fragment, with the cursor of what follows them."""
    query = parse(request.GET.dict())
    shown = browse.page(access.project, query, request.GET.get("cursor", ""))
    context = _tiles(access, query, shown)
    html = render_to_string("browse/_tiles.html", {"access": access, **context}, request)
    reply = {"html": html, "cursor": shown.cursor, "looked": shown.looked}
    return JsonResponse({"ok": True, "count": len(shown.found), **reply})


@require_safe
@project_page(Right.BROWSE)
def panel(request: HttpRequest, access: Access, seq: int) -> HttpResponse:
    """Show one image large, with its votes and its past."""
    classes = classes_of(access.project)
    found = browse_panel.panel(access.project, min(seq, browse_bulk.MAX_SEQ), classes)
    shown = [c for c in classes.values() if not c.archived]
    context = {
        "access": access,
        "panel": found,
        "tile": dressed(found.tile, classes),
        "classes": shown,
        "with_buttons": len(shown) <= MOST_BUTTONS,
        "may_review": access.may(Right.REVIEW) and access.project.archived_at is None,
        "running": access.project.status != Project.Status.FINISHED,
    }
    return render(request, "browse/_panel.html", context)


@require_safe
@project_page(Right.BROWSE)
def alike(request: HttpRequest, access: Access, seq: int) -> HttpResponse:
    """Show the images that look most like one."""
    classes = classes_of(access.project)
    found = browse_panel.alike(access.project, min(seq, browse_bulk.MAX_SEQ))
    shown = [dressed(tile, classes) for tile in found.tiles]
    context = {"access": access, "tiles": shown, "alike": found}
    return render(request, "browse/_alike.html", context)


@require_safe
@project_page(Right.EXPORT)
def export(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Send the list of the images that pass, as it is now."""
    query = parse(request.GET.dict())
    name = download_name(access.project, "images.csv")
    chunks = csv_chunks(access.project, query)
    return stream_response(chunks, name=name, content_type="text/csv; charset=utf-8")


# --- saved views -------------------------------------------------------------------------------


@require_POST
@project_page(Right.BROWSE)
def view_save(request: HttpRequest, access: Access) -> HttpResponse:
    """Keep the filter under a name."""
    query = parse(request.POST.dict() | {"name": request.POST.get("filter_name", "")})
    name, shared = request.POST.get("view", ""), request.POST.get("shared") == "1"
    saved_views.save(access=access, name=name, query=query, shared=shared)
    return redirect(browse_url(access.project.public_id, **query.params()))


@require_POST
@project_page(Right.BROWSE)
def view_change(request: HttpRequest, access: Access, view_id: int) -> HttpResponse:
    """Rename or delete a view of one's own."""
    if request.POST.get("do") == "delete":
        saved_views.delete(access=access, view_id=view_id)
    else:
        saved_views.rename(access=access, view_id=view_id, name=request.POST.get("view", ""))
    return redirect("project_browse", access.project.public_id)


# --- what tiles and panels need ----------------------------------------------------------------


def dressed(tile: Tile, classes: dict[int, LabelClass]) -> dict[str, Any]:
    """Return a tile with its classes for the template."""
    return {
        "tile": tile,
        "label": None if tile.label is None else classes.get(tile.label),
        "guess": None if tile.guess is None else classes.get(tile.guess),
        "differs": tile.guess is not None and tile.label is not None and tile.guess != tile.label,
        "split": tile.agreement is not None and tile.agreement < 1,
    }


def _tiles(access: Access, query: Query, shown: Page) -> dict[str, Any]:
    classes = classes_of(access.project)
    found = browse.tiles(access.project, shown.found, clear=query.asks_model)
    return {"tiles": [dressed(tile, classes) for tile in found], "page": shown}


def _setup(access: Access, query: Query, classes: list[LabelClass]) -> dict[str, Any]:
    """Return what the page's script must know."""
    pid = access.project.public_id
    own = access.user.key_map
    return {
        "query": query.encoded(),
        "mayReview": access.may(Right.REVIEW) and access.project.archived_at is None,
        "classes": [{"index": c.index, "name": c.name, "key": c.key} for c in classes],
        "keyMap": {scope: own[scope] for scope in ("*", pid) if scope in own},
        "urls": {
            "tiles": reverse("browse_tiles", args=[pid]),
            "image": reverse("browse_image", args=[pid, 0]),
            "bulk": reverse("browse_bulk", args=[pid]),
            "review": f"{reverse('project_review', args=[pid])}?reason=doubt",
        },
    }


_PAGE = "p/<str:pid>/browse/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_browse"),
    path(f"{_PAGE}tiles/", tiles, name="browse_tiles"),
    path(f"{_PAGE}images.csv", export, name="browse_export"),
    path(f"{_PAGE}image/<int:seq>/", panel, name="browse_image"),
    path(f"{_PAGE}image/<int:seq>/alike/", alike, name="browse_alike"),
    path(f"{_PAGE}views/", view_save, name="browse_view_save"),
    path(f"{_PAGE}views/<int:view_id>/", view_change, name="browse_view"),
    *browse_bulk.urlpatterns,
]

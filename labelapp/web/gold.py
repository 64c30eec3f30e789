"""Page: gold, the images whose class is known."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.formats.csv_gold import MAX_BYTES
from labelapp.models import GoldItem
from labelapp.rights import Right
from labelapp.selectors.gold import (
    SOURCES,
    asked,
    count_confirmed,
    gold_page,
    problem_words,
)
from labelapp.selectors.labelling import image_address
from labelapp.selectors.projects import Access
from labelapp.services import gold_items
from labelapp.services.gold_items import Upload
from labelapp.web.base import project_page

MOST_SHOWN = 50  # wrong lines of a file; more are counted


@require_http_methods(["GET", "POST"])
@project_page(Right.STEER)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """List gold; POST brings in a CSV."""
    found = None
    if request.method == "POST":
        file = request.FILES.get("file")
        content = b"" if file is None else file.read(MAX_BYTES + 1)
        found = gold_items.upload(access=access, content=content)
        if not found.problems:
            messages.success(request, _stored(found))
            return redirect("project_gold", pid=access.project.public_id)
    return _page(request, access, found)


def _page(request: HttpRequest, access: Access, found: Upload | None) -> HttpResponse:
    project = access.project
    items = gold_page(project, request.GET.get("page", "1"))
    answered = asked(project, [item.image_id for item in items])
    problems = found.problems if found else []
    context = {
        "access": access,
        "active": "quality",
        "part": "gold",
        "items": items,
        "rows": [
            (
                item,
                image_address(project, item.image.seq),
                SOURCES[GoldItem.Source(item.source)],
                *answered.get(item.image_id, (0, 0)),
            )
            for item in items
        ],
        "active_count": GoldItem.objects.filter(project=project, active=True).count(),
        "confirmed": count_confirmed(project),
        "problems": [(p.line, problem_words(p)) for p in problems[:MOST_SHOWN]],
        "more_problems": max(0, len(problems) - MOST_SHOWN),
    }
    return render(request, "gold/page.html", context, status=400 if problems else 200)


def _stored(found: Upload) -> str:
    text = _("%(added)s new gold images, %(changed)s with another class, %(unchanged)s as before.")
    facts = {name: f"{getattr(found, name):,}" for name in ("added", "changed", "unchanged")}
    return text % facts


@require_POST
@project_page(Right.STEER)
def adopt(request: HttpRequest, access: Access) -> HttpResponse:
    """Take confirmed test images as gold."""
    count = gold_items.adopt(access=access)
    text = ngettext("%(n)s test image is gold now.", "%(n)s test images are gold now.", count)
    messages.success(request, text % {"n": f"{count:,}"})
    return redirect("project_gold", pid=access.project.public_id)


@require_POST
@project_page(Right.STEER)
def switch(request: HttpRequest, access: Access, item_id: int) -> HttpResponse:
    """Ask an item no more (`active=0`), or again (`active=1`)."""
    active = request.POST.get("active") == "1"
    gold_items.set_active(access=access, item_id=item_id, active=active)
    messages.success(request, _("It is asked again.") if active else _("It is asked no more."))
    return redirect("project_gold", pid=access.project.public_id)


@require_POST
@project_page(Right.STEER)
def remove(request: HttpRequest, access: Access, item_id: int) -> HttpResponse:
    """Make an image gold no more."""
    gold_items.remove(access=access, item_id=item_id)
    messages.success(request, _("Removed. What it has judged stays."))
    return redirect("project_gold", pid=access.project.public_id)


_PAGE = "p/<str:pid>/quality/gold/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_gold"),
    path(f"{_PAGE}adopt/", adopt, name="gold_adopt"),
    path(f"{_PAGE}<int:item_id>/switch/", switch, name="gold_switch"),
    path(f"{_PAGE}<int:item_id>/remove/", remove, name="gold_remove"),
]

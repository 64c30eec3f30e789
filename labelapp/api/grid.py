"""API of the grids: more like these, and pages that are verified by exception. docs/api.md."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import MAX_SMALL, Body, read_uuid, wrong
from labelapp.api.grid_schema import (
    PageReply,
    PageRequest,
    SimilarReply,
    SimilarRequest,
    SubmitReply,
    SubmitRequest,
)
from labelapp.models import User, VerifyPage
from labelapp.rights import Right
from labelapp.selectors.labelling import LeasedTask, describe_tasks, done_today, open_batches
from labelapp.selectors.projects import Access, access
from labelapp.selectors.verify import sizes_of
from labelapp.services import similar, verify
from labelapp.services.leases import LEASE_SECONDS, task_token

_MAX_MS = 24 * 3600 * 1000


class SimilarView(APIView):
    """More like these."""

    right = Right.LABEL

    @extend_schema(request=SimilarRequest, responses=SimilarReply)
    def post(self, request: Request, pid: str) -> Response:
        """Lease the open images that look most like the selected ones, the most alike first."""
        found = _access(request, pid)
        body = Body(request.data)
        result = similar.more_like(
            access=found,
            selected=body.ids("selected"),
            count=body.number("count", 20),
            holding=body.ids("holding"),
        )
        project, me = found.project, found.user.pk
        leased = [
            LeasedTask(
                held.task_id,
                held.image_id,
                held.batch_id,
                task_token(task_id=held.task_id, user_id=me, project_id=project.pk),
                held.state,
            )
            for held in result.held
        ]
        return Response(
            {
                "ok": True,
                "tasks": describe_tasks(project, leased, open_batches(project), LEASE_SECONDS),
                "lost": result.lost,
                "searched": result.searched,
                "left": result.left,
                "complete": result.complete,
            }
        )


class PagesView(APIView):
    """Pages of images of one predicted class."""

    right = Right.LABEL

    @extend_schema(request=PageRequest, responses=PageReply)
    def post(self, request: Request, pid: str) -> Response:
        """Open a page: of one class, or of the one with the most open images. Safe to repeat."""
        found = _access(request, pid)
        body = Body(request.data)
        opened = verify.open_page(
            access=found,
            page_id=read_uuid(body.data.get("id")),
            class_index=body.optional("class", most=MAX_SMALL),
            count=body.number("count", 40),
        )
        classes = [{"class": index, "count": n} for index, n in opened.classes.items()]
        page = None if opened.page is None else _page(found, opened.page)
        reply = {"ok": True, "page": page, "reason": opened.reason, "classes": classes}
        return Response({**reply, "progress": _progress(found)})


class PageView(APIView):
    """One such page."""

    right = Right.LABEL

    @extend_schema(request=SubmitRequest, responses=SubmitReply)
    def post(self, request: Request, pid: str, page: str) -> Response:
        """Take the page, or return it: too fast, or an image known to be wrong was passed over."""
        found = _access(request, pid)
        body = Body(request.data)
        outcome = verify.submit_page(
            access=found,
            page_id=read_uuid(page),
            shown_ms=max(0, min(body.number("shown_ms", 0), _MAX_MS)),
            wrong=_marked(body.data.get("wrong")),
            guideline_version=body.number("guideline_version", 0, most=MAX_SMALL),
        )
        answers = [
            {"task": task, "token": token, "class": index} for task, token, index in outcome.answers
        ]
        reply: dict[str, Any] = {
            "state": outcome.state,
            "reason": outcome.reason,
            "released": outcome.released,
        }
        reply |= {"results": outcome.results, "answers": answers, "progress": _progress(found)}
        return Response({"ok": True, **reply})


class KeepPageView(APIView):
    """The leases of a page that somebody looks at."""

    right = Right.LABEL

    @extend_schema(request=None, responses=None)
    def post(self, request: Request, pid: str, page: str) -> Response:
        """Renew the leases of the page's images."""
        verify.keep(access=_access(request, pid), page_id=read_uuid(page))
        return Response({"ok": True})


def _access(request: Request, pid: str) -> Access:
    return access(cast("User", request.user), pid, Right.LABEL)


def _page(found: Access, page: VerifyPage) -> dict[str, Any]:
    """Return a page as its reader sees it: planted images look like all others."""
    pid = found.project.public_id
    sizes = sizes_of(found.project, [tile["seq"] for tile in page.tiles])
    tiles = [
        {
            "tile": place,
            "seq": tile["seq"],
            "image": reverse("image_display", args=[pid, tile["seq"]]),
            "width": sizes[tile["seq"]][0],
            "height": sizes[tile["seq"]][1],
        }
        for place, tile in enumerate(page.tiles)
    ]
    return {"id": str(page.pk), "class": page.class_index, "state": page.state, "tiles": tiles}


def _progress(found: Access) -> dict[str, int]:
    """Return how far this person and the open batches are."""
    left = sum(batch.remaining for batch in open_batches(found.project).values())
    return {"done": done_today(found.project, found.user), "left_in_batch": left}


def _marked(value: object) -> dict[int, int | None]:
    """Read {"place": class or null} of the images marked as wrong; raise InvalidInputError."""
    if not isinstance(value, dict) or len(value) > verify.MOST_TILES:
        raise wrong("wrong")
    body, marked = Body(value), {}
    for place in value:
        if not (isinstance(place, str) and place.isascii() and place.isdecimal()):
            raise wrong("wrong")
        marked[int(place[:4])] = body.optional(place, most=MAX_SMALL)
    return marked


_VERIFY = "projects/<str:pid>/verify/"
urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/similar/", SimilarView.as_view(), name="api_similar"),
    path(_VERIFY, PagesView.as_view(), name="api_verify"),
    path(f"{_VERIFY}<str:page>/", PageView.as_view(), name="api_verify_page"),
    path(f"{_VERIFY}<str:page>/keep/", KeepPageView.as_view(), name="api_verify_keep"),
]

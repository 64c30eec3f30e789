"""API: get tasks, answer, keep leases alive. What each field means: docs/api.md."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import Body
from labelapp.api.labelling_schema import (
    AnswersReply,
    AnswersRequest,
    HeartbeatReply,
    HeartbeatRequest,
    TasksReply,
    TasksRequest,
)
from labelapp.models import User
from labelapp.rights import Right
from labelapp.selectors.labelling import (
    AT_WORK,
    LeasedTask,
    describe_tasks,
    open_batches,
    why_no_tasks,
)
from labelapp.selectors.projects import Access, access
from labelapp.services import labelling
from labelapp.services.leases import LEASE_SECONDS, task_token


class TasksView(APIView):
    """Lease the next images to the signed-in person."""

    right = Right.LABEL

    @extend_schema(request=TasksRequest, responses=TasksReply)
    def post(self, request: Request, pid: str) -> Response:
        """Return up to `count` tasks beside those in `holding`, or why there are none."""
        return Response(next_tasks(_access(request, pid), request.data))


class AnswersView(APIView):
    """Take answers and lease the next images, in one round trip."""

    right = Right.LABEL

    @extend_schema(request=AnswersRequest, responses=AnswersReply)
    def post(self, request: Request, pid: str) -> Response:
        """Store the answers, each with its own result; safe to repeat."""
        return Response(take_answers(_access(request, pid), request.data))


class HeartbeatView(APIView):
    """Keep the leases of an open page."""

    right = Right.LABEL

    @extend_schema(request=HeartbeatRequest, responses=HeartbeatReply)
    def post(self, request: Request, pid: str) -> Response:
        """Renew the leases on `holding`; `lost` are those that somebody else has by now."""
        return Response(keep_leases(_access(request, pid), request.data))


def _access(request: Request, pid: str) -> Access:
    return access(cast("User", request.user), pid, Right.LABEL)


def next_tasks(found: Access, data: object) -> dict[str, Any]:
    """Return the reply to `tasks/`: also for the fast lane, which leaves DRF out."""
    body = Body(data)
    holding = body.ids("holding")
    count = body.number("count", 1)
    work = labelling.next_tasks(
        access=found, count=count, holding=holding, on_screen=_on_screen(body, holding)
    )
    return _reply(found, work, idle=count > 0 and len(holding) == len(work.lost))


def take_answers(found: Access, data: object) -> dict[str, Any]:
    """Return the reply to `answers/`."""
    body = Body(data)
    holding, count = body.ids("holding"), body.number("count", 0)
    work = labelling.submit(
        access=found,
        answers=body.items("answers"),
        count=count,
        holding=holding,
        on_screen=_on_screen(body, holding),
        as_user=body.number("user", 0) or None,
    )
    idle = work.paused is not None or (count > 0 and len(holding) == len(work.lost))
    reply = _reply(work.paused or found, work, idle=idle)
    return {**reply, "results": work.results}


def keep_leases(found: Access, data: object) -> dict[str, Any]:
    """Return the reply to `heartbeat/`."""
    body = Body(data)
    holding = body.ids("holding")
    lost = labelling.heartbeat(access=found, holding=holding, on_screen=_on_screen(body, holding))
    return {"ok": True, "lost": lost}


def _reply(found: Access, work: labelling.Work, *, idle: bool) -> dict[str, Any]:
    """Return what every reply with tasks holds; `idle`: holds none, or gets no more."""
    project, user = found.project, found.user
    leased = [
        LeasedTask(
            held.task_id,
            held.image_id,
            held.batch_id,
            task_token(task_id=held.task_id, user_id=user.pk, project_id=project.pk),
            held.state,
        )
        for held in work.held
    ]
    batches = open_batches(project)
    left = sum(batch.remaining for batch in batches.values())
    return {
        "ok": True,
        "tasks": describe_tasks(project, leased, batches, LEASE_SECONDS),
        "lost": work.lost,
        "status": why_no_tasks(found, left) if idle and not leased else AT_WORK,
        "progress": {"done": work.done, "left_in_batch": left},
    }


def _on_screen(body: Body, holding: list[int]) -> int | None:
    """Return the task that the person sees: null for none, else the first one held."""
    if "on_screen" not in body.data:
        return holding[0] if holding else None
    return body.optional("on_screen")


urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/tasks/", TasksView.as_view(), name="api_tasks"),
    path("projects/<str:pid>/answers/", AnswersView.as_view(), name="api_answers"),
    path("projects/<str:pid>/heartbeat/", HeartbeatView.as_view(), name="api_heartbeat"),
]

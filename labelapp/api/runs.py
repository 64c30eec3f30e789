"""API: start, pause and resume a run."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import Body, wrong
from labelapp.models import Project, User
from labelapp.rights import Right
from labelapp.selectors.projects import access
from labelapp.services import runs

_ACTIONS = {"start": runs.start_run, "pause": runs.pause_run, "resume": runs.resume_run}


class RunRequest(serializers.Serializer[Any]):
    """What to do."""

    action = serializers.ChoiceField(choices=list(_ACTIONS))


class RunView(APIView):
    """`POST /api/v1/projects/<pid>/run/`."""

    right = Right.STEER

    @extend_schema(
        operation_id="run_steer",
        summary="Start, pause or resume the run",
        request=RunRequest,
        responses=inline_serializer(
            "RunReply", {"ok": serializers.BooleanField(), "status": serializers.CharField()}
        ),
    )
    def post(self, request: Request, pid: str) -> Response:
        """Do it, and return the project's status; `conflict` where it cannot be done now."""
        found = access(cast("User", request.user), pid, self.right)
        action = Body(request.data).text("action", 10)
        if action not in _ACTIONS:
            raise wrong("action")
        _ACTIONS[action](access=found)
        status = Project.objects.values_list("status", flat=True).get(pk=found.project.pk)
        return Response({"ok": True, "status": status})


urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/run/", RunView.as_view(), name="api_run"),
]

"""API: search for the best training set, follow a search, read what it found."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import Body
from labelapp.choices import ARCHITECTURES
from labelapp.models import Curation, Project, User
from labelapp.rights import Right
from labelapp.selectors import curations as found
from labelapp.selectors.curation_labels import SUMS
from labelapp.selectors.projects import access
from labelapp.services import curations
from labelapp.services.curation_settings import ACQUISITIONS, LABELS, SCHEMES, CurationSettings

MOST = 100  # searches in a list
USUAL = CurationSettings()


class CurationRequest(serializers.Serializer[Any]):
    """What to search for; every field may be left out."""

    share = serializers.FloatField(default=USUAL.share, help_text="kept, above 0 and below 1")
    scheme = serializers.ChoiceField(choices=list(SCHEMES), default=USUAL.scheme)
    acquisition = serializers.ChoiceField(choices=list(ACQUISITIONS), default=USUAL.acquisition)
    acquirer = serializers.CharField(
        default=USUAL.acquirer, help_text=f"a candidate: {', '.join(ARCHITECTURES)}, with its parts"
    )
    model = serializers.CharField(default=USUAL.model, help_text="a candidate")
    outliers = serializers.FloatField(default=USUAL.outliers)
    seeds = serializers.ListField(child=serializers.IntegerField(), default=list(USUAL.seeds))
    held_out = serializers.FloatField(default=USUAL.held_out)
    compare = serializers.BooleanField(default=USUAL.compare)
    labels = serializers.ChoiceField(choices=list(LABELS), default=USUAL.labels)


_CURATION: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "id": serializers.IntegerField(),
    "state": serializers.ChoiceField(choices=Curation.State.values),
    "stopping": serializers.BooleanField(help_text="it was asked to end, and has not ended yet"),
    "message": serializers.CharField(help_text="why it failed"),
    "settings": serializers.JSONField(),
    "images": serializers.IntegerField(help_text="that take part; 0 until they are counted"),
    "machine": serializers.IntegerField(help_text="of those, labelled by the machine"),
    "created": serializers.DateTimeField(),
    "finished": serializers.DateTimeField(allow_null=True),
    "progress": serializers.JSONField(help_text="training step of steps, null unless it runs"),
    "result": serializers.JSONField(
        help_text="accuracies, parts, cost; null before, and while the project is open"
    ),
}


def _reply(name: str) -> Any:
    return inline_serializer(name, {"ok": serializers.BooleanField(), **_CURATION})


class CurationsView(APIView):
    """`GET`, `POST /api/v1/projects/<pid>/curations/`."""

    right = Right.BROWSE

    @extend_schema(
        operation_id="curations_list",
        summary="The searches for the best training set",
        responses=inline_serializer(
            "Curations",
            {
                "ok": serializers.BooleanField(),
                "curations": inline_serializer("CurationRow", dict(_CURATION), many=True),
            },
        ),
    )
    def get(self, request: Request, pid: str) -> Response:
        """Return the project's searches, newest first, at most 100."""
        seen = access(cast("User", request.user), pid, self.right)
        rows = found.of_project(seen.project)[:MOST]
        return Response({"ok": True, "curations": [_shown(row) for row in rows]})

    @extend_schema(
        operation_id="curations_create",
        summary="Search for the best training set",
        request=CurationRequest,
        responses=_reply("CurationStarted"),
    )
    def post(self, request: Request, pid: str) -> Response:
        """Begin a search in the background; the project must be finished."""
        seen = access(cast("User", request.user), pid, Right.STEER)
        settings = CurationSettings.of(Body(request.data).data)
        record = curations.start(access=seen, settings=settings)
        return Response({"ok": True, **_shown(record)}, status=202)


class CurationView(APIView):
    """`GET /api/v1/projects/<pid>/curations/<id>/`."""

    right = Right.BROWSE

    @extend_schema(
        operation_id="curations_get",
        summary="How far a search is, and what it found",
        responses=_reply("Curation"),
    )
    def get(self, request: Request, pid: str, curation_id: int) -> Response:
        """Return a search; its images are exported by `curation` and `part`."""
        seen = access(cast("User", request.user), pid, self.right)
        return Response({"ok": True, **_shown(found.one(seen.project, curation_id))})


class CurationCancelView(APIView):
    """`POST /api/v1/projects/<pid>/curations/<id>/cancel/`."""

    right = Right.STEER

    @extend_schema(
        operation_id="curations_cancel",
        summary="End a search",
        request=None,
        responses=_reply("CurationCancelled"),
    )
    def post(self, request: Request, pid: str, curation_id: int) -> Response:
        """Ask a search to end; it is `stopping` until it has, and finished steps stay."""
        seen = access(cast("User", request.user), pid, self.right)
        curations.cancel(access=seen, curation_id=curation_id)
        return Response({"ok": True, **_shown(found.one(seen.project, curation_id))})


def _shown(record: Curation) -> dict[str, Any]:
    """Return a search in words; what it found only while the project is finished, as the page."""
    told = found.progress(record) if record.state == Curation.State.RUNNING else None
    over = record.project.status == Project.Status.FINISHED
    return {
        "id": record.pk,
        "state": record.state,
        "stopping": found.stopping(record),
        "message": record.message,
        "settings": record.settings,
        "images": record.n,
        "machine": record.machine,
        "created": record.created,
        "finished": record.finished,
        "progress": None if told is None else vars(told),
        "result": _result(record) if over else None,
    }


def _result(record: Curation) -> dict[str, Any] | None:
    """Return what it found, without the sums by which only the page tells changed labels."""
    if record.result is None:
        return None
    return {name: value for name, value in record.result.items() if name != SUMS}


_PAGE = "projects/<str:pid>/curations/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, CurationsView.as_view(), name="api_curations"),
    path(f"{_PAGE}<int:curation_id>/", CurationView.as_view(), name="api_curation"),
    path(
        f"{_PAGE}<int:curation_id>/cancel/",
        CurationCancelView.as_view(),
        name="api_curation_cancel",
    ),
]

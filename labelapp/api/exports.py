"""API: have a data set made, and ask how far it is; `web.api_files` sends it."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path, reverse
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import MAX_ID, Body
from labelapp.models import Export, User
from labelapp.rights import Right
from labelapp.selectors.export_parts import PARTS
from labelapp.selectors.exports import one_export
from labelapp.selectors.projects import Access, access
from labelapp.services import exports


class ExportRequest(serializers.Serializer[Any]):
    """What file to make."""

    format = serializers.ChoiceField(choices=["csv", "coco"])
    with_images = serializers.BooleanField(default=False, help_text="COCO only")
    curation = serializers.IntegerField(
        required=False, allow_null=True, help_text="a search for the best training set"
    )
    part = serializers.ChoiceField(
        choices=PARTS,
        required=False,
        allow_blank=True,
        help_text="with curation: what it kept, what it left out, or everything with its parts",
    )


_EXPORT: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "ok": serializers.BooleanField(),
    "id": serializers.IntegerField(),
    "format": serializers.CharField(),
    "curation": serializers.IntegerField(allow_null=True),
    "part": serializers.CharField(),
    "state": serializers.ChoiceField(choices=Export.State.values),
    "rows": serializers.IntegerField(),
    "size": serializers.IntegerField(help_text="bytes"),
    "message": serializers.CharField(help_text="why it failed"),
    "download": serializers.CharField(help_text="address of the file; empty until it is done"),
}


class ExportsView(APIView):
    """`POST /api/v1/projects/<pid>/exports/`."""

    right = Right.EXPORT

    @extend_schema(
        operation_id="exports_create",
        summary="Have a file made",
        request=ExportRequest,
        responses=inline_serializer("Export", dict(_EXPORT)),
    )
    def post(self, request: Request, pid: str) -> Response:
        """Have a file made in the background; one of the same kind under way is returned."""
        found = access(cast("User", request.user), pid, self.right)
        body = Body(request.data)
        record = exports.start_export(
            access=found,
            format=body.text("format", 10),
            with_images=body.data.get("with_images") is True,
            curation=body.optional("curation", most=MAX_ID),
            part=body.text("part", 10),
        )
        return Response(_shown(found, record), status=202)


class ExportView(APIView):
    """`GET /api/v1/projects/<pid>/exports/<id>/`."""

    right = Right.EXPORT

    @extend_schema(
        operation_id="exports_get",
        summary="How far a file is",
        responses=inline_serializer("ExportState", dict(_EXPORT)),
    )
    def get(self, request: Request, pid: str, export_id: int) -> Response:
        """Return the state of a file; ask again every second or two."""
        found = access(cast("User", request.user), pid, self.right)
        return Response(_shown(found, one_export(found.project, export_id)))


def _shown(found: Access, record: Export) -> dict[str, Any]:
    there = reverse("api_export_file", args=[found.project.public_id, record.pk])
    return {
        "ok": True,
        "id": record.pk,
        "format": record.format,
        "curation": record.curation_id,
        "part": record.part,
        "state": record.state,
        "rows": record.rows,
        "size": record.size,
        "message": record.message,
        "download": there if record.state == Export.State.DONE else "",
    }


urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/exports/", ExportsView.as_view(), name="api_exports"),
    path("projects/<str:pid>/exports/<int:export_id>/", ExportView.as_view(), name="api_export"),
]

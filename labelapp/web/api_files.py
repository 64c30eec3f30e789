"""API: what it answers with files instead of JSON; the way files are sent is the pages'."""

from __future__ import annotations

from typing import cast

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from labelapp.models import User
from labelapp.rights import Right
from labelapp.selectors.export_parts import PARTS, asked_id
from labelapp.selectors.exports import finished_export
from labelapp.selectors.projects import access
from labelapp.services import exports
from labelapp.services.image_files import media_path
from labelapp.web.downloads import file_response, stream_response


class ExportFileView(APIView):
    """`GET /api/v1/projects/<pid>/exports/<id>/file/`."""

    right = Right.EXPORT

    @extend_schema(
        operation_id="exports_download",
        summary="Download a file that is done",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pid: str, export_id: int) -> HttpResponseBase:
        """Send the file; Range is understood, so that a broken download goes on."""
        found = access(cast("User", request.user), pid, self.right)
        record = finished_export(found.project, export_id)
        return file_response(request, media_path(record.file_key), name=record.file_name)


class LabelsView(APIView):
    """`GET /api/v1/projects/<pid>/labels.csv`."""

    right = Right.EXPORT

    @extend_schema(
        operation_id="labels_csv",
        summary="All labels as they are now, as CSV, without waiting",
        parameters=[
            OpenApiParameter("curation", int, description="a search for the best training set"),
            OpenApiParameter(
                "part", str, enum=PARTS, description="with curation: which of its images"
            ),
        ],
        responses={(200, "text/csv"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pid: str) -> HttpResponseBase:
        """Stream the labels."""
        found = access(cast("User", request.user), pid, self.right)
        query = request.query_params
        curation, part = asked_id(query.get("curation", "")), query.get("part", "")
        stream = exports.csv_stream(found.project, curation, part)
        name = exports.csv_name(found.project, curation, part)
        return stream_response(stream, name=name, content_type="text/csv; charset=utf-8")


urlpatterns: list[URLPattern] = [
    path(
        "projects/<str:pid>/exports/<int:export_id>/file/",
        ExportFileView.as_view(),
        name="api_export_file",
    ),
    path("projects/<str:pid>/labels.csv", LabelsView.as_view(), name="api_labels_csv"),
]

"""API: bring images in: a zip in pieces, or a folder of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, cast

from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import MAX_ID, Body, wrong
from labelapp.errors import NotFoundError
from labelapp.models import Import, User
from labelapp.rights import Right
from labelapp.selectors.projects import Access, access
from labelapp.services import imports, uploads


class BytesParser(BaseParser):
    """Gives the body as it came; `web.body_limit` has bounded it."""

    media_type = "application/octet-stream"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the bytes."""
        return stream.read()


class ImportRequest(serializers.Serializer[Any]):
    """Where the images come from."""

    kind = serializers.ChoiceField(choices=["zip", "folder"])

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `source`, a name that the base class uses."""
        source = serializers.CharField(
            required=False, help_text="folder below MCAL_IMPORT_ROOT of the server"
        )
        return {**super().get_fields(), "source": source}


class FinishRequest(serializers.Serializer[Any]):
    """What was sent in all."""

    expected = serializers.IntegerField(help_text="bytes of the zip")


_IMPORT: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "ok": serializers.BooleanField(),
    "id": serializers.IntegerField(),
    "kind": serializers.CharField(),
    "state": serializers.ChoiceField(choices=Import.State.values),
    "total": serializers.IntegerField(help_text="files"),
    "done": serializers.IntegerField(),
    "added": serializers.IntegerField(),
    "duplicates": serializers.IntegerField(),
    "rejected": serializers.IntegerField(),
    "message": serializers.CharField(),
}


class ImportsView(APIView):
    """`POST /api/v1/projects/<pid>/imports/`."""

    right = Right.MANAGE_IMAGES

    @extend_schema(
        operation_id="imports_create",
        summary="Begin an import",
        request=ImportRequest,
        responses=inline_serializer("Import", dict(_IMPORT)),
    )
    def post(self, request: Request, pid: str) -> Response:
        """Open an upload for a zip, or start the import of a folder of the server."""
        found = access(cast("User", request.user), pid, self.right)
        body = Body(request.data)
        kind = body.text("kind", 10)
        if kind == Import.Kind.ZIP:
            record = imports.open_upload(access=found, kind=kind)
        elif kind == Import.Kind.FOLDER:
            record = imports.start_import(
                access=found, kind=kind, source=body.text("source", 1_000)
            )
        else:
            raise wrong("kind")
        return Response(_shown(record), status=202)


class ImportView(APIView):
    """`GET /api/v1/projects/<pid>/imports/<id>/`."""

    right = Right.MANAGE_IMAGES

    @extend_schema(
        operation_id="imports_get",
        summary="How far an import is",
        responses=inline_serializer("ImportState", dict(_IMPORT)),
    )
    def get(self, request: Request, pid: str, import_id: int) -> Response:
        """Return the state of an import; ask again every second or two."""
        return Response(_shown(_record(_open(request, pid, self.right), import_id)))


class ImportPieceView(APIView):
    """`POST /api/v1/projects/<pid>/imports/<id>/piece/?offset=`."""

    right = Right.MANAGE_IMAGES
    parser_classes = [BytesParser]

    @extend_schema(
        operation_id="imports_piece",
        summary="Send a piece of a zip, at most 10 MiB",
        parameters=[OpenApiParameter("offset", int, description="where it begins in the zip")],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=inline_serializer(
            "ImportPiece",
            {"ok": serializers.BooleanField(), "have": serializers.IntegerField()},
        ),
    )
    def post(self, request: Request, pid: str, import_id: int) -> Response:
        """Keep the piece; `have` is how many bytes of the zip are there now."""
        record = _record(_open(request, pid, self.right), import_id)
        offset = request.query_params.get("offset", "")
        if not (offset.isascii() and offset.isdecimal()) or len(offset) > 15:
            raise wrong("offset")
        sent = cast("object", request.data)  # an empty body is a form of no fields
        data = sent if isinstance(sent, bytes) else b""
        return Response(
            {"ok": True, "have": uploads.add_piece(record, offset=int(offset), data=data)}
        )


class ImportFinishView(APIView):
    """`POST /api/v1/projects/<pid>/imports/<id>/finish/`."""

    right = Right.MANAGE_IMAGES

    @extend_schema(
        operation_id="imports_finish",
        summary="Start the import of what was sent",
        request=FinishRequest,
        responses=inline_serializer("ImportStarted", dict(_IMPORT)),
    )
    def post(self, request: Request, pid: str, import_id: int) -> Response:
        """Check that all is there and start; repeating it is harmless."""
        found = _open(request, pid, self.right)
        _record(found, import_id)
        expected = Body(request.data).number("expected", -1, most=MAX_ID)
        record = imports.finish_upload(access=found, import_id=import_id, expected=expected)
        return Response(_shown(record), status=202)


def _open(request: Request, pid: str, right: Right) -> Access:
    return access(cast("User", request.user), pid, right)


def _record(found: Access, import_id: int) -> Import:
    if import_id > MAX_ID:
        raise NotFoundError("There is no such import.")
    return imports.visible_import(found, import_id)


def _shown(record: Import) -> dict[str, Any]:
    names = ("kind", "state", "total", "added", "duplicates", "rejected", "message")
    values = {name: getattr(record, name) for name in names}
    return {"ok": True, "id": record.pk, "done": record.cursor, **values}


_ONE = "projects/<str:pid>/imports/<int:import_id>/"
urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/imports/", ImportsView.as_view(), name="api_imports"),
    path(_ONE, ImportView.as_view(), name="api_import"),
    path(f"{_ONE}piece/", ImportPieceView.as_view(), name="api_import_piece"),
    path(f"{_ONE}finish/", ImportFinishView.as_view(), name="api_import_finish"),
]

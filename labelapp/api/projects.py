"""API: the projects that the signed-in person sees."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.models import Project, ProjectCounter, User
from labelapp.rights import Right
from labelapp.selectors.project_list import ProjectRow, project_rows
from labelapp.selectors.projects import Access, access, active_classes
from labelapp.selectors.second_factor import check_second_factor

_BRIEF: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "id": serializers.CharField(),
    "name": serializers.CharField(),
    "status": serializers.CharField(help_text="setup, running, paused, finished"),
    "role": serializers.CharField(help_text="owner, manager, annotator"),
    "images": serializers.IntegerField(),
}
_CLASS: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "index": serializers.IntegerField(),
    "name": serializers.CharField(),
    "key": serializers.CharField(allow_blank=True),
    "colour": serializers.CharField(),
}
_COUNTS = ("images", "train", "test", "ahead", "audit", "machine", "residual", "excluded")


class ProjectListView(APIView):
    """`GET /api/v1/projects/`."""

    @extend_schema(
        operation_id="projects_list",
        summary="My projects",
        responses={
            200: inline_serializer(
                "ProjectList",
                {
                    "ok": serializers.BooleanField(),
                    "projects": inline_serializer("ProjectBrief", dict(_BRIEF), many=True),
                },
            ),
            403: OpenApiResponse(description="a second factor is required here and missing"),
        },
    )
    def get(self, request: Request) -> Response:
        """Return the projects that this person is a member of, archived ones left out.

        Raises SecondFactorError where this installation wants one that the person lacks.
        """
        user = cast("User", request.user)
        check_second_factor(user)
        rows = project_rows(user)
        return Response({"ok": True, "projects": [_brief(row) for row in rows]})


def _brief(row: ProjectRow) -> dict[str, Any]:
    project = row.project
    return {
        "id": project.public_id,
        "name": project.name,
        "status": project.status,
        "role": row.role,
        "images": row.images,
    }


class ProjectView(APIView):
    """`GET /api/v1/projects/<pid>/`."""

    right = None  # every member

    @extend_schema(
        operation_id="projects_get",
        summary="One project with its classes",
        responses={
            200: inline_serializer(
                "ProjectDetail",
                {
                    "ok": serializers.BooleanField(),
                    **_BRIEF,
                    "archived": serializers.BooleanField(),
                    "epsilon": serializers.FloatField(),
                    "confidence": serializers.FloatField(),
                    "currency": serializers.CharField(),
                    "classes": inline_serializer("ProjectClass", dict(_CLASS), many=True),
                    "counters": serializers.DictField(
                        child=serializers.IntegerField(),
                        help_text="empty for annotators: counts of test marks are not for them",
                    ),
                },
            ),
            404: OpenApiResponse(description="no such project, or not a member"),
        },
    )
    def get(self, request: Request, pid: str) -> Response:
        """Return what a member may know of a project."""
        return Response(_detail(access(cast("User", request.user), pid)))


def _detail(found: Access) -> dict[str, Any]:
    project = found.project
    counter = ProjectCounter.objects.get(project=project)
    return {
        "ok": True,
        "id": project.public_id,
        "name": project.name,
        "status": project.status,
        "archived": project.archived_at is not None,
        "role": found.role,
        "images": counter.images,
        "epsilon": project.epsilon,
        "confidence": project.confidence,
        "currency": project.currency,
        "classes": _classes(project),
        "counters": _counters(found, counter),
    }


def _classes(project: Project) -> list[dict[str, Any]]:
    return [
        {"index": c.index, "name": c.name, "key": c.key, "colour": c.colour}
        for c in active_classes(project)
    ]


def _counters(found: Access, counter: ProjectCounter) -> dict[str, int]:
    if not found.may(Right.VIEW_DASHBOARD):
        return {}
    return {name: getattr(counter, name) for name in _COUNTS}


urlpatterns: list[URLPattern] = [
    path("projects/", ProjectListView.as_view(), name="api_projects"),
    path("projects/<str:pid>/", ProjectView.as_view(), name="api_project"),
]

"""API: what a run has cost and will cost, for programs: the overview, its trainings, the ledger."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import MAX_ID, wrong
from labelapp.models import User
from labelapp.rights import Right
from labelapp.selectors.dashboard import overview
from labelapp.selectors.ledger_lines import ledger_page
from labelapp.selectors.projects import access


class OverviewView(APIView):
    """`GET /api/v1/projects/<pid>/overview/`."""

    right = Right.VIEW_DASHBOARD

    @extend_schema(
        operation_id="overview_get",
        summary="Every number of the overview page",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, pid: str) -> Response:
        """Return what the page draws: figures, forecast, counts, ledger, trainings, charts."""
        found = access(cast("User", request.user), pid, self.right)
        return Response({"ok": True, **overview(found.project)})


class IterationsView(APIView):
    """`GET /api/v1/projects/<pid>/iterations/`."""

    right = Right.VIEW_DASHBOARD

    @extend_schema(
        operation_id="iterations_list",
        summary="One row per training: what was measured, what was forecast",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, pid: str) -> Response:
        """Return the trainings of the project's run in order, as the overview's table has them."""
        found = access(cast("User", request.user), pid, self.right)
        return Response({"ok": True, "iterations": overview(found.project)["rounds"]})


_LINE: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "id": serializers.IntegerField(),
    "at": serializers.DateTimeField(),
    "purpose": serializers.CharField(),
    "quantity": serializers.CharField(help_text="labels, or hours of computing"),
    "amount": serializers.CharField(help_text="in the project's currency"),
    "person": serializers.IntegerField(allow_null=True),
}


class LedgerView(APIView):
    """`GET /api/v1/projects/<pid>/ledger/`."""

    right = Right.VIEW_DASHBOARD

    @extend_schema(
        operation_id="ledger_list",
        summary="What was spent, entry by entry, oldest first",
        parameters=[OpenApiParameter("after", int, description="the last id that you have")],
        responses=inline_serializer(
            "Ledger",
            {
                "ok": serializers.BooleanField(),
                "currency": serializers.CharField(),
                "entries": inline_serializer("LedgerLine", dict(_LINE), many=True),
                "after": serializers.IntegerField(
                    allow_null=True, help_text="ask again with it; null: that was all"
                ),
            },
        ),
    )
    def get(self, request: Request, pid: str) -> Response:
        """Return up to 1,000 entries after the entry `after`."""
        found = access(cast("User", request.user), pid, self.right)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal()) or int(after) > MAX_ID:
            raise wrong("after")
        lines, more = ledger_page(found.project, int(after))
        currency = found.project.currency
        return Response({"ok": True, "currency": currency, "entries": lines, "after": more})


urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/overview/", OverviewView.as_view(), name="api_overview"),
    path("projects/<str:pid>/iterations/", IterationsView.as_view(), name="api_iterations"),
    path("projects/<str:pid>/ledger/", LedgerView.as_view(), name="api_ledger"),
]

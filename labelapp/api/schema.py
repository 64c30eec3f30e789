"""API: its description (OpenAPI) and pages to read it, under the strict content policy."""

from __future__ import annotations

from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own server; its start script is a request of its own."""

    permission_classes = [IsAuthenticated]
    template_name = "api/docs.html"
    title = "API"
    url_name = "api_schema"


class SchemaView(SpectacularAPIView):
    """The description as YAML, or as JSON with `?format=json`."""

    permission_classes = [IsAuthenticated]


urlpatterns: list[URLPattern] = [
    path("schema/", SchemaView.as_view(), name="api_schema"),
    path("docs/", DocsView.as_view(), name="api_docs"),
]

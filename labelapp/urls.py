"""Addresses. Each page and each API module names its own; this file only joins them."""

from __future__ import annotations

from django.urls import include, path

from labelapp.api import labelling as api_labelling
from labelapp.api import projects as api_projects
from labelapp.api import schema as api_schema
from labelapp.web import (
    accounts,
    dashboard,
    exports,
    guidelines,
    health,
    images,
    labelling,
    me,
    people,
    projects,
)

_WEB = (accounts, projects, dashboard, images, labelling, guidelines, people, exports, me, health)
_API = (api_projects, api_labelling, api_schema)

urlpatterns = [
    *(pattern for module in _WEB for pattern in module.urlpatterns),
    path("accounts/", include("allauth.account.urls")),
    path("api/v1/", include([pattern for module in _API for pattern in module.urlpatterns])),
]

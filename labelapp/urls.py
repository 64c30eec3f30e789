"""Addresses. Each page and each API module names its own; this file only joins them."""

from __future__ import annotations

from django.urls import include, path

from labelapp.api import comments as api_comments
from labelapp.api import curations as api_curations
from labelapp.api import exports as api_exports
from labelapp.api import grid as api_grid
from labelapp.api import imports as api_imports
from labelapp.api import labelling as api_labelling
from labelapp.api import overview as api_overview
from labelapp.api import projects as api_projects
from labelapp.api import reviews as api_reviews
from labelapp.api import runs as api_runs
from labelapp.api import schema as api_schema
from labelapp.web import (
    accounts,
    annotators,
    api_files,
    audit_log,
    browse,
    candidates,
    curate,
    dashboard,
    exports,
    forecast,
    gold,
    grid,
    guidelines,
    health,
    images,
    jobs,
    label_errors,
    labelling,
    languages,
    me,
    notifications,
    people,
    projects,
    quality,
    queue,
    reviews,
    single_sign_on,
    steering,
    tokens,
    training_curves,
    webhooks,
    what_if,
)

_WEB = (
    accounts,
    single_sign_on,
    projects,
    candidates,
    dashboard,
    forecast,
    what_if,
    steering,
    browse,
    label_errors,
    curate,
    images,
    labelling,
    grid,
    guidelines,
    people,
    reviews,
    quality,
    gold,
    queue,
    annotators,
    jobs,
    training_curves,
    audit_log,
    notifications,
    webhooks,
    tokens,
    exports,
    me,
    languages,
    health,
)
_API = (
    api_projects,
    api_overview,
    api_curations,
    api_exports,
    api_files,
    api_imports,
    api_runs,
    api_labelling,
    api_reviews,
    api_grid,
    api_comments,
    api_schema,
)

urlpatterns = [
    *(pattern for module in _WEB for pattern in module.urlpatterns),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include([pattern for module in _API for pattern in module.urlpatterns])),
]

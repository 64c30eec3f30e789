"""One JSON shape for every error of the API."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler

from labelapp.errors import AppError, TooLargeError


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn expected errors into {"ok": false, "code", "error", "fields"}."""
    if isinstance(error, RequestDataTooBig):
        error = TooLargeError(_("This request is too large: send it in smaller parts."))
    if isinstance(error, AppError):
        headers = {"WWW-Authenticate": 'Bearer realm="api"'} if error.status == 401 else None
        return Response(error.as_dict(), status=error.status, headers=headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    response = drf_handler(error, context)
    if response is not None and isinstance(error, exceptions.APIException):
        response.data = _shape(error)
    return response


def _shape(error: exceptions.APIException) -> dict[str, object]:
    if isinstance(error, exceptions.ValidationError):
        return {
            "ok": False,
            "code": "invalid_input",
            "error": _("The request has a wrong value."),
            "fields": error.get_full_details(),
        }
    return {"ok": False, "code": error.default_code, "error": str(error.detail), "fields": {}}

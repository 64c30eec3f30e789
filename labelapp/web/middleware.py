"""Shows AppErrors that pages raise, as a page, a fragment, or JSON."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from labelapp.errors import AppError


class AppErrorMiddleware:
    """Turns an AppError that a view raised into an answer with its status and code."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an AppError; leave everything else to Django."""
        if not isinstance(error, AppError):
            return None
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse(error.as_dict(), status=error.status)
        template = (
            "errors/_error.html" if request.headers.get("HX-Request") else "errors/error.html"
        )
        return render(request, template, {"error": error}, status=error.status)

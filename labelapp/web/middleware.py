"""Shows AppErrors as a page, a fragment, or JSON; turns away what no database can store."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from labelapp.errors import AppError, InvalidInputError, NotFoundError, TooLargeError
from labelapp.selectors.stored_words import stored_words


class AppErrorMiddleware:
    """Turns an AppError that a view raised into an answer with its status and code."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_rest: object) -> HttpResponse | None:
        """Refuse NUL in addresses and forms: SQLite would keep it, PostgreSQL breaks on it."""
        if "\x00" in request.path_info:
            return self.process_exception(request, NotFoundError(_("There is nothing here.")))
        if any("\x00" in value for _name, values in request.POST.lists() for value in values):
            problem = InvalidInputError(_("A text holds a character that cannot be stored (NUL)."))
            return self.process_exception(request, problem)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an AppError; leave everything else to Django."""
        if isinstance(error, RequestDataTooBig):
            error = TooLargeError(_("This request is too large: send it in smaller parts."))
        if not isinstance(error, AppError):
            return None
        error.message = stored_words(error.message)  # parsers are plain Python: they say English
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse(error.as_dict(), status=error.status)
        template = (
            "errors/_error.html" if request.headers.get("HX-Request") else "errors/error.html"
        )
        return render(request, template, {"error": error}, status=error.status)

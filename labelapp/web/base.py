"""What every page shares: sign-in and access to a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from labelapp.errors import AppError, ConflictError
from labelapp.models import User
from labelapp.rights import Right
from labelapp.selectors.projects import Access, access

P = ParamSpec("P")


def person(request: HttpRequest) -> User:
    """Return the signed-in person (views behind `login_required` or `project_page`)."""
    return cast("User", request.user)


def project_page(
    right: Right | None = None,
) -> Callable[
    [Callable[Concatenate[HttpRequest, Access, P], HttpResponseBase]],
    Callable[..., HttpResponseBase],
]:
    """Decorate a view of one project: signs in, finds the project, checks the right.

    The address has `<str:pid>`; the view gets `(request, access, ...)`. Outsiders get 404. The
    view says its right (`view.right`): a test walks every address with every role.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, Access, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def inner(request: HttpRequest, pid: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, access(person(request), pid, right), *args, **kwargs)

        inner.right = right  # type: ignore[attr-defined]
        inner.of_a_project = True  # type: ignore[attr-defined]
        return inner

    return decorate


@contextmanager
def outcome_said(
    request: HttpRequest, done: str = "", refused: type[AppError] = ConflictError
) -> Iterator[None]:
    """Say on the next page what became of the block: `done`, or why a service `refused` it."""
    try:
        yield
    except refused as error:
        messages.error(request, error.message, extra_tags=error.code)
    else:
        if done:
            messages.success(request, done)

"""The language of a page: a person's choice, else what the browser asks for.

The choice is kept in `User.language` and copied into a cookie, so that no request has to read the
database to know its language. "" means "as my browser wishes".
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog

from labelapp.models import User

COOKIE_AGE = 365 * 24 * 3600  # seconds
CATALOGUE_CACHE = "public, max-age=31536000, immutable"  # its address names its version


class LanguageMiddleware(LocaleMiddleware):
    """Django's, plus: the cookie follows the choice of the person who is signed in.

    Costs nothing where no view asked who the person is: then the cookie stays as it was.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:  # type: ignore[override]
        """Say the language, and bring the cookie up to date."""
        super().process_response(request, response)
        user = _known_person(request)
        if user is not None:
            _follow(request, response, user.language)
        return response


def _known_person(request: HttpRequest) -> User | None:
    """Return who is signed in, if that was read already; never read it."""
    user = request.__dict__.get("user")
    if type(user) is not User:  # Django's lazy stand-in: looking at it would read the database
        user = getattr(request, "_cached_user", None)
    return user if isinstance(user, User) else None


def _follow(request: HttpRequest, response: HttpResponse, chosen: str) -> None:
    name = settings.LANGUAGE_COOKIE_NAME
    if request.COOKIES.get(name, "") == chosen or name in response.cookies:
        return
    remember(response, chosen)


def remember(response: HttpResponse, language: str) -> None:
    """Keep the choice in the browser; "" forgets it."""
    name = settings.LANGUAGE_COOKIE_NAME
    if not language:
        response.delete_cookie(name, samesite="Lax")
        return
    response.set_cookie(
        name,
        language,
        max_age=COOKIE_AGE,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
    )


def catalogue_of(language: str) -> str:
    """Return the address of the script with this language's words; "" where none is needed."""
    if language == settings.LANGUAGE_CODE:
        return ""
    return reverse("words", args=[language, _version(language)])


@lru_cache(maxsize=8)
def _version(language: str) -> str:
    """Return a short hash of the catalogue, for addresses that may be kept for ever."""
    compiled = settings.LOCALE_PATHS[0] / language / "LC_MESSAGES" / "djangojs.mo"
    content = compiled.read_bytes() if compiled.exists() else b""
    return hashlib.sha256(content).hexdigest()[:12]


def page_language(request: HttpRequest) -> dict[str, str]:
    """Give every page its language and the address of its words (a context processor)."""
    del request
    language = translation.get_language() or settings.LANGUAGE_CODE
    return {"page_language": language, "catalogue_url": catalogue_of(language)}


@require_safe
def words(request: HttpRequest, language: str, version: str) -> HttpResponseBase:
    """Return the words of the scripts in one language, as a script. Open to everybody."""
    del version  # only there to make the address change with the content
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        response = JavaScriptCatalog.as_view()(request)
    response.headers["Cache-Control"] = CATALOGUE_CACHE
    return response


urlpatterns: list[URLPattern] = [
    path("words/<str:language>/<str:version>.js", words, name="words"),
]

"""Pages: my work and my settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labelapp.errors import InvalidInputError
from labelapp.models import User
from labelapp.selectors.dashboard_words import money
from labelapp.selectors.keys import own_keys
from labelapp.selectors.me import ProjectWork, Work, my_work, totals_by_currency
from labelapp.selectors.quality import my_quality
from labelapp.selectors.second_factor import has_second_factor, has_sign_on
from labelapp.services import accounts, key_maps
from labelapp.web.base import person
from labelapp.web.going_back import back
from labelapp.web.languages import remember

DAYS = 60  # shown per project; totals count everything


@dataclass(frozen=True)
class WorkWords:
    """An amount of work, ready to be shown."""

    images: int
    time: str
    pace: str
    earned: str
    day: date | None = None


def work_words(work: Work, currency: str, day: date | None = None) -> WorkWords:
    """Return the figures with their units."""
    pace = f"{work.seconds_per_image:.1f} s" if work.seconds_per_image is not None else ""
    return WorkWords(work.images, clock(work.active_ms), pace, money(work.earned, currency), day)


def clock(milliseconds: int) -> str:
    """Return a time at work as hours and minutes, or seconds below a minute."""
    seconds = round(milliseconds / 1000)
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


@login_required
@require_GET
def me(request: HttpRequest) -> HttpResponse:
    """Show one's own images, time and earnings."""
    rows = my_work(person(request))
    context = {
        "rows": [(row, *_shown(row), my_quality(row.project, person(request))) for row in rows],
        "images": sum(row.total.images for row in rows),
        "time": clock(sum(row.total.active_ms for row in rows)),
        "earned": [money(amount, c) for c, amount in totals_by_currency(rows).items()],
    }
    return render(request, "me/page.html", context)


def _shown(row: ProjectWork) -> tuple[WorkWords, list[WorkWords]]:
    currency = row.project.currency
    days = [work_words(work, currency, day) for day, work in list(row.days.items())[:DAYS]]
    return work_words(row.total, currency), days


@login_required
@require_http_methods(["GET", "POST"])
def me_settings(request: HttpRequest) -> HttpResponse:
    """Change one's own name, colours and language."""
    user, error = person(request), None
    values = {
        "display_name": user.display_name,
        "theme": user.theme,
        "language": user.language,
    }
    if request.method == "POST":
        values = {key: request.POST.get(key, "") for key in values}
        try:
            accounts.update_profile(user=user, **values)
        except InvalidInputError as problem:
            error = problem
        else:
            return _saved(request, values["language"])
    context = {
        "values": values,
        "error": error,
        "themes": [theme for theme, _name in User._meta.get_field("theme").choices or ()],
        "languages": settings.LANGUAGES,
        "own_keys": own_keys(user),
        "second_factor": has_second_factor(user),
        "connected": has_sign_on(user),
    }
    return render(request, "me/settings.html", context, status=400 if error else 200)


def _saved(request: HttpRequest, language: str) -> HttpResponse:
    """Go back to the page and say so in the language that was chosen just now."""
    with translation.override(language or translation.get_language()):
        messages.success(request, _("Saved."))
    response = redirect("me_settings")
    remember(response, language)
    return response


@login_required
@require_POST
def me_theme(request: HttpRequest) -> HttpResponse:
    """Choose the colours, then go back to the page that the switch was on."""
    accounts.set_theme(user=person(request), theme=request.POST.get("theme", ""))
    return back(request, "/")


@login_required
@require_POST
def me_keys(request: HttpRequest) -> HttpResponse:
    """Keep one's own keys of the labelling page: a JSON body {scope, keys} from its script."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidInputError(_("The body must be a JSON object."))
    key_maps.set_keys(user=person(request), scope=body.get("scope"), keys=body.get("keys"))
    return JsonResponse({"ok": True})


@login_required
@require_POST
def me_keys_reset(request: HttpRequest) -> HttpResponse:
    """Take one's own keys back: of all commands, or of one project."""
    key_maps.set_keys(user=person(request), scope=request.POST.get("scope"), keys={})
    messages.success(request, _("The keys are as they were at the beginning."))
    return redirect("me_settings")


urlpatterns: list[URLPattern] = [
    path("me/", me, name="me"),
    path("me/settings/", me_settings, name="me_settings"),
    path("me/theme/", me_theme, name="me_theme"),
    path("me/keys/", me_keys, name="me_keys"),
    path("me/keys/reset/", me_keys_reset, name="me_keys_reset"),
]

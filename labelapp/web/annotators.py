"""Pages: pace, time, cost and quality of each person, by day; as a table, a picture and a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from labelapp.errors import InvalidInputError
from labelapp.formats.csv_labels import escape
from labelapp.rights import Right
from labelapp.selectors.annotators import RANGES, Pace, Person, Work, day_list, pace
from labelapp.selectors.browse_query import browse_url
from labelapp.selectors.date_words import day_words
from labelapp.selectors.money_words import duration, mean_price, money, number
from labelapp.selectors.projects import Access
from labelapp.web.base import person as signed_in
from labelapp.web.base import project_page
from labelapp.web.downloads import stream_response

USUAL = "30"
_MAX_ID = 2**31 - 1
_WIDE, _HIGH = 1000, 100  # of the picture, in its own units

Key = Callable[[Person], Any]
COLUMNS: list[tuple[str, Any, Key]] = [
    ("person", gettext_lazy("Person"), lambda one: str(one.user).casefold()),
    ("answers", gettext_lazy("Answers"), lambda one: one.total.done.answers),
    ("pace", gettext_lazy("Images per hour"), lambda one: one.total.per_hour),
    ("time", gettext_lazy("Active time"), lambda one: one.total.seconds),
    ("cost", gettext_lazy("Cost"), lambda one: one.total.cost),
    ("skips", gettext_lazy("Skipped"), lambda one: one.total.done.skips),
    ("gold", gettext_lazy("Gold answered rightly"), lambda one: _value(one.total.gold)),
    ("agreement", gettext_lazy("Like the others"), lambda one: _value(one.total.agreement)),
]
CSV_COLUMNS = (
    *("day", "person", "email", "role", "answers", "skips", "active_seconds", "images_per_hour"),
    *("cost", "currency", "gold", "gold_right", "gold_low_95", "gold_high_95"),
    *("compared", "agreed", "agreed_low_95", "agreed_high_95"),
)


@dataclass(frozen=True)
class WorkWords:
    """An amount of work, ready to be shown; empty texts where there is nothing to say."""

    answers: str
    pace: str
    time: str
    cost: str
    each: str
    skips: str
    gold: str
    gold_n: int
    agreement: str
    compared: int


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what each person did, how fast, for how much, and how well."""
    choice, order, only = _asked(request)
    found = pace(access.project, choice, only=only)
    currency = access.project.currency
    context = {
        "access": access,
        "active": "people",
        "part": "pace",
        "choice": choice,
        "order": order,
        "only": next((one for one in found.people if one.user.pk == only), None),
        "rows": [_row(access, one, found, request) for one in _sorted(found.people, order)],
        "heads": [_head(request, key, words, order) for key, words, _of in COLUMNS],
        "ranges": _ranges(request, choice),
        "total": work_words(found.total, currency),
        "days": [(day, work_words(work, currency)) for day, work in reversed(found.days.items())],
        "bars": _bars(found),
        "missing": found.missing,
        "at": found.at,
        "csv": f"{reverse('pace_csv', args=[access.project.public_id])}?{_query(request)}",
        "back": f"?{_query(request, person=None)}",
        "here": signed_in(request).pk,
    }
    return render(request, "annotators/page.html", context)


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def table(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Send people's work by day as a CSV file."""
    choice, _order, only = _asked(request)
    found = pace(access.project, choice, only=only)
    name = f"pace-{access.project.public_id}.csv"
    rows = _csv(found, access.project.currency, mails=access.may(Right.MANAGE_PEOPLE))
    return stream_response(rows, name=name, content_type="text/csv; charset=utf-8")


def _asked(request: HttpRequest) -> tuple[str, str, int | None]:
    """Return range, order and person of the address; nonsense is the usual, but for the person."""
    choice = request.GET.get("days", USUAL)
    order = request.GET.get("sort", "answers")
    if order.removeprefix("-") not in {key for key, _words, _of in COLUMNS}:
        order = "answers"
    text = request.GET.get("person", "")
    if text and not (text.isdecimal() and len(text) < 11 and int(text) <= _MAX_ID):
        raise InvalidInputError(_("The request has a wrong value."), person=text[:20])
    return choice if choice in RANGES else USUAL, order, int(text) if text else None


# --- words ----------------------------------------------------------------------------------------


def work_words(work: Work, currency: str) -> WorkWords:
    """Return the figures with their units."""
    done = work.done
    return WorkWords(
        answers=number(done.answers),
        pace="" if work.per_hour is None else number(work.per_hour),
        time=duration(work.seconds) if done.active_ms else "",
        cost=money(work.cost, currency),
        each="" if work.each is None else mean_price(work.each, currency),
        skips=number(done.skips),
        gold=work.gold.words if work.gold else "",
        gold_n=done.gold,
        agreement=work.agreement.words if work.agreement else "",
        compared=done.compared,
    )


def _row(access: Access, one: Person, found: Pace, request: HttpRequest) -> dict[str, Any]:
    pid = access.project.public_id
    browse = access.may(Right.BROWSE) and one.total.done.answers
    return {
        "person": one,
        "words": work_words(one.total, access.project.currency),
        "url": f"?{_query(request, person=str(one.user.pk))}",
        "images": browse_url(pid, person=one.user.pk) if browse else "",
        "spark": _spark(one, found),
    }


def _value(share: Any) -> float | None:
    return share.value if share else None


def _sorted(people: list[Person], order: str) -> list[Person]:
    """Sort as asked: numbers the largest first, names from A; who has no value comes last."""
    name = order.removeprefix("-")
    key = next(of for one, _words, of in COLUMNS if one == name)
    falling = (name != "person") != order.startswith("-")
    by_name = sorted(people, key=lambda one: (str(one.user).casefold(), one.user.pk))
    there = [one for one in by_name if key(one) is not None]
    nothing = [one for one in by_name if key(one) is None]
    return [*sorted(there, key=key, reverse=falling), *nothing]


def _head(request: HttpRequest, key: str, words: Any, order: str) -> dict[str, Any]:
    name = order.removeprefix("-")
    falling = (key != "person") != order.startswith("-")
    state = ("descending" if falling else "ascending") if key == name else ""
    turned = f"-{key}" if order == key else key
    address = f"?{_query(request, sort=turned)}"
    return {"key": key, "words": words, "sort": state, "url": address}


def _ranges(request: HttpRequest, choice: str) -> list[tuple[str, str, bool]]:
    words = {"7": _("7 days"), "30": _("30 days"), "all": _("All days")}
    return [(f"?{_query(request, days=key)}", words[key], key == choice) for key in RANGES]


def _query(request: HttpRequest, **changes: str | None) -> str:
    kept = {key: request.GET[key] for key in ("days", "sort", "person") if key in request.GET}
    return urlencode({key: value for key, value in (kept | changes).items() if value})


# --- pictures -------------------------------------------------------------------------------------


def _bars(found: Pace) -> dict[str, Any]:
    """Return the answers of each day as bars of an SVG, with the words of each."""
    days = day_list(found)
    counts = [found.days[day].done.answers if day in found.days else 0 for day in days]
    most = max(counts, default=0)
    step = _WIDE / len(days)
    bars = [
        {
            "x": f"{at * step + step * 0.1:.2f}",
            "width": f"{step * 0.8:.2f}",
            "y": f"{_HIGH - _HIGH * count / most:.2f}",
            "height": f"{_HIGH * count / most:.2f}",
            "words": f"{day_words(day)}: {number(count)}",
        }
        for at, (day, count) in enumerate(zip(days, counts, strict=True))
        if count
    ]
    return {"bars": bars, "most": number(most), "first": days[0], "last": days[-1]}


def _spark(one: Person, found: Pace) -> str:
    """Return the answers of each day as the points of a line, 100 wide and 20 high."""
    days = day_list(found)
    counts = [one.days[day].done.answers if day in one.days else 0 for day in days]
    most = max(counts)
    if not most or len(days) < 2:
        return ""
    step = 100 / (len(days) - 1)
    return " ".join(f"{at * step:.1f},{20 - 20 * n / most:.1f}" for at, n in enumerate(counts))


# --- file -----------------------------------------------------------------------------------------


def _csv(found: Pace, currency: str, *, mails: bool) -> Iterator[bytes]:
    """Addresses are for those who manage people; to others the column is empty."""
    yield _line(CSV_COLUMNS)
    for one in found.people:
        for day, work in sorted(one.days.items()):
            yield _line(_cells(one, day, work, currency, mails=mails))


def _cells(one: Person, day: date, work: Work, currency: str, *, mails: bool) -> list[object]:
    done = work.done
    return [
        day.isoformat(),
        escape(str(one.user)),
        escape(one.user.email) if mails else "",
        one.role,
        done.answers,
        done.skips,
        f"{work.seconds:.1f}",
        "" if work.per_hour is None else f"{work.per_hour:.1f}",
        work.cost,
        currency,
        *(done.gold, done.gold_right, *_ends(work.gold)),
        *(done.compared, done.agreed, *_ends(work.agreement)),
    ]


def _ends(share: Any) -> tuple[str, str]:
    return (f"{share.low:.4f}", f"{share.high:.4f}") if share else ("", "")


def _line(cells: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


_PAGE = "p/<str:pid>/annotators/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_pace"),
    path(f"{_PAGE}days.csv", table, name="pace_csv"),
]

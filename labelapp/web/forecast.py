"""The forecast pages: error curves, costs, certified size, confidence, history, classes, ledger."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET

from labelapp import engine_forecast
from labelapp.formats.csv_labels import escape
from labelapp.models import Project, Run
from labelapp.rights import Right
from labelapp.selectors import forecast, forecast_ledger, forecast_words
from labelapp.selectors.forecast_facts import gather, version_of
from labelapp.selectors.projects import Access
from labelapp.services.exports import download_name
from labelapp.web.base import project_page
from labelapp.web.downloads import stream_response

ROWS_PER_PIECE = 1000

_PAGES: dict[str, Callable[[Project], dict[str, Any]]] = {
    "forecast": forecast.forecast_page,
    "machine": forecast.machine_page,
    "ledger": forecast.ledger_page,
}
_DATA = {
    "forecast": "forecast_data",
    "machine": "forecast_machine_data",
    "ledger": "forecast_ledger_data",
}
_FRAGMENTS = {"forecast": ("totals", "race"), "machine": ("classes",), "ledger": ("ledger",)}
"""Each is `templates/forecast/_<name>.html` inside an element with `data-live="<name>"`."""


def _show(request: HttpRequest, access: Access, name: str) -> HttpResponse:
    context = {
        "access": access,
        "active": "forecast",
        "part": name,
        "page": _PAGES[name](access.project),
        "data_url": reverse(_DATA[name], args=[access.project.public_id]),
    }
    return render(request, f"forecast/{name}.html", context)


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def project_forecast(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the error curves, the cost, and how the forecasts converged."""
    return _show(request, access, "forecast")


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_machine(request: HttpRequest, access: Access) -> HttpResponse:
    """Show whether the machine knows when it is right, and each class."""
    return _show(request, access, "machine")


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_ledger_page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the money by day, purpose, person and machine."""
    return _show(request, access, "ledger")


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_data(request: HttpRequest, access: Access, page: str) -> HttpResponse:
    """Return every number of a page; with `live`, the page's parts if that version is old."""
    shown = request.GET.get("live")
    if shown is not None and page != "machine" and shown == version_of(access.project):
        return HttpResponse(status=204)
    found = _PAGES[page](access.project)
    if shown is None:
        name = download_name(access.project, f"{page}.json")
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return JsonResponse(found, headers=disposition, json_dumps_params={"indent": 1})
    if shown == found["version"]:
        return HttpResponse(status=204)
    context = {"access": access, "page": found}
    html = {name: render_to_string(f"forecast/_{name}.html", context) for name in _FRAGMENTS[page]}
    known = {name: found[name] for name in ("version", "run", "charts", "said", "needs")}
    return JsonResponse(known | {"html": html})


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_epsilon(request: HttpRequest, access: Access) -> JsonResponse:
    """Return what today's model would label under other limits; the engine computes it."""
    del request
    project = access.project
    facts = gather(project, trainings=False)
    run: Run | None = facts.run
    points = (
        [] if run is None else engine_forecast.by_epsilon(run, project.public_id, project.epsilon)
    )
    return JsonResponse(
        {
            "points": points,
            "epsilon": project.epsilon,
            "n": facts.n,
            "currency": project.currency,
            "audited": project.certificate == Project.CertificateKind.AUDIT,
            "says": forecast_words.epsilon(facts, points),
        }
    )


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_mistakes(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the most frequent mistakes with a few images behind each."""
    context = {"access": access, "mistakes": forecast.mistakes_page(access.project)}
    return render(request, "forecast/_mistakes.html", context)


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_ledger_csv(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Send every entry of the ledger."""
    del request
    rows = forecast_ledger.entries_csv(access.project)
    return _csv(access.project, "ledger.csv", rows)


@require_GET
@project_page(Right.VIEW_DASHBOARD)
def forecast_classes_csv(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Send the table of classes."""
    del request
    page = forecast.machine_page(access.project)
    names = (
        *("index", "name", "images", "people", "machine", "tests", "guessed", "right", "wrong"),
        *("error", "low", "high", "recall", "precision"),
    )
    rows: list[tuple[object, ...]] = [tuple(row[name] for name in names) for row in page["classes"]]
    return _csv(access.project, "classes.csv", [names, *rows])


def _csv(project: Project, suffix: str, rows: Iterable[tuple[object, ...]]) -> HttpResponseBase:
    name = download_name(project, suffix)
    return stream_response(_pieces(rows), name=name, content_type="text/csv; charset=utf-8")


def _pieces(rows: Iterable[tuple[object, ...]]) -> Iterator[bytes]:
    """Yield a CSV file in pieces; cells that a spreadsheet would run are defused."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for number, row in enumerate(rows, start=1):
        cells = [escape(cell) if isinstance(cell, str) else cell for cell in row]
        writer.writerow(["" if cell is None else cell for cell in cells])
        if number % ROWS_PER_PIECE == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


_PAGE = "p/<str:pid>/forecast/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, project_forecast, name="project_forecast"),
    path(f"{_PAGE}machine/", forecast_machine, name="forecast_machine"),
    path(f"{_PAGE}machine/mistakes/", forecast_mistakes, name="forecast_mistakes"),
    path(f"{_PAGE}ledger/", forecast_ledger_page, name="forecast_ledger"),
    path(f"{_PAGE}ledger.csv", forecast_ledger_csv, name="forecast_ledger_csv"),
    path(f"{_PAGE}classes.csv", forecast_classes_csv, name="forecast_classes_csv"),
    path(f"{_PAGE}epsilon.json", forecast_epsilon, name="forecast_epsilon"),
    *(
        path(f"{_PAGE}{page}.json", forecast_data, {"page": page}, name=_DATA[page])
        for page in _PAGES
    ),
]

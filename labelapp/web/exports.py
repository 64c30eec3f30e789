"""The page of a project's exports: make files, download them."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from labelapp import queue
from labelapp.errors import AppError, NotFoundError
from labelapp.models import Export, Project
from labelapp.rights import Right
from labelapp.selectors.export_parts import asked_id, read_id
from labelapp.selectors.exports import (
    certificate,
    export_views,
    finished_export,
    part_choice,
    preview,
)
from labelapp.selectors.projects import Access
from labelapp.services import exports
from labelapp.services.image_files import media_path
from labelapp.web.base import outcome_said, project_page
from labelapp.web.downloads import file_response, stream_response


@require_http_methods(["GET", "POST"])
@project_page(Right.EXPORT)
def project_export(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what can be exported; POST has a file made."""
    if request.method == "POST":
        return _start(request, access)
    part = request.GET.get("part", "")
    context = {
        **_files_context(access),
        "active": "export",
        "finished": access.project.status == Project.Status.FINISHED,
        "preview": preview(access.project),
        "certificate": certificate(access.project),
        "choice": part_choice(access.project, read_id(request.GET.get("curation", "")), part),
    }
    return render(request, "exports/page.html", context)


def _start(request: HttpRequest, access: Access) -> HttpResponse:
    curation, part = request.POST.get("curation", ""), request.POST.get("part", "")
    with outcome_said(request, refused=AppError):
        exports.start_export(
            access=access,
            format=request.POST.get("format", ""),
            with_images=request.POST.get("with_images") == "1",
            curation=asked_id(curation),
            part=part,
        )
    query = f"?{urlencode({'curation': curation, 'part': part})}" if part else ""
    return redirect(reverse("project_export", args=[access.project.public_id]) + query)


@require_GET
@project_page(Right.EXPORT)
def export_files(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the files; the page asks each second while one is being made."""
    return render(request, "exports/_files.html", _files_context(access))


def _files_context(access: Access) -> dict[str, object]:
    views = export_views(access.project)
    live = any(view.live for view in views)
    return {
        "access": access,
        "exports": views,
        "live": live,
        "no_worker": live and not queue.worker_alive(),
    }


@require_safe
@project_page(Right.EXPORT)
def export_download(request: HttpRequest, access: Access, export_id: int) -> HttpResponseBase:
    """Send a finished file; Range is understood."""
    record: Export = finished_export(access.project, export_id)
    return file_response(request, media_path(record.file_key), name=record.file_name)


@require_GET
@project_page(Right.EXPORT)
def export_csv(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Send the labels as they are now, without a worker; of a part where one is asked for."""
    curation, part = asked_id(request.GET.get("curation", "")), request.GET.get("part", "")
    stream = exports.csv_stream(access.project, curation, part)
    name = exports.csv_name(access.project, curation, part)
    return stream_response(stream, name=name, content_type="text/csv; charset=utf-8")


@require_GET
@project_page(Right.EXPORT)
def export_certificate(request: HttpRequest, access: Access) -> HttpResponse:
    """Send the certificate of a finished run as JSON."""
    found = certificate(access.project)
    if found is None:
        raise NotFoundError(_("There is no certificate before the run has finished."))
    name = exports.download_name(access.project, "certificate.json")
    return HttpResponse(
        json.dumps(found, indent=2, ensure_ascii=False) + "\n",
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


_PAGE = "p/<str:pid>/export/"
urlpatterns = [
    path(_PAGE, project_export, name="project_export"),
    path(f"{_PAGE}files/", export_files, name="export_files"),
    path(f"{_PAGE}labels.csv", export_csv, name="export_csv"),
    path(f"{_PAGE}certificate.json", export_certificate, name="export_certificate"),
    path(f"{_PAGE}<int:export_id>/download/", export_download, name="export_download"),
]

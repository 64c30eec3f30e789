"""Where a browser sends images: one form without script, or many small requests with it.

The script opens an upload, sends files (at most about 50 a request) or pieces of a zip, each as
often as it likes, and finishes. Answers are JSON.
"""

from __future__ import annotations

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labelapp.errors import AppError, InvalidInputError
from labelapp.models import Import
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.stored_words import stored_words
from labelapp.services import imports, uploads
from labelapp.web.base import project_page


@require_POST
@project_page(Right.MANAGE_IMAGES)
def images_upload(request: HttpRequest, access: Access) -> HttpResponse:
    """Take a plain form: each zip is an import, all other files are one."""
    files = request.FILES.getlist("files")
    zips = [file for file in files if _is_zip(file)]
    others = [file for file in files if not _is_zip(file)]
    try:
        for file in zips:
            imports.start_import(access=access, kind=Import.Kind.ZIP, files=[file])
        if others or not zips:
            imports.start_import(access=access, kind=Import.Kind.FILES, files=others)
    except AppError as error:
        messages.error(request, stored_words(error.message), extra_tags=error.code)
    return redirect("project_images", access.project.public_id)


def _is_zip(file: UploadedFile[bytes]) -> bool:
    return (file.name or "").lower().endswith(".zip")


@require_POST
@project_page(Right.MANAGE_IMAGES)
def upload_open(request: HttpRequest, access: Access) -> HttpResponse:
    """Begin an upload of `kind` files or zip."""
    record = imports.open_upload(access=access, kind=request.POST.get("kind", ""))
    return JsonResponse({"ok": True, "id": record.pk})


@require_POST
@project_page(Right.MANAGE_IMAGES)
def upload_files(request: HttpRequest, access: Access, import_id: int) -> HttpResponse:
    """Take some files, with as many `positions` and `paths` as `files`."""
    record = imports.visible_import(access, import_id)
    files = request.FILES.getlist("files")
    positions = request.POST.getlist("positions")
    paths = request.POST.getlist("paths")
    if not files or not len(files) == len(positions) == len(paths):
        raise InvalidInputError(_("Each file needs its position and its path."), files=len(files))
    numbers = [_number(text) for text in positions]
    count = uploads.add_files(record, zip(numbers, paths, files, strict=True))
    return JsonResponse({"ok": True, "files": count})


@require_POST
@project_page(Right.MANAGE_IMAGES)
def upload_piece(request: HttpRequest, access: Access, import_id: int) -> HttpResponse:
    """Take a piece of a zip: the body, to be put at `offset`."""
    record = imports.visible_import(access, import_id)
    offset = _number(request.GET.get("offset", ""))
    have = uploads.add_piece(record, offset=offset, data=request.body)
    return JsonResponse({"ok": True, "have": have})


@require_POST
@project_page(Right.MANAGE_IMAGES)
def upload_finish(request: HttpRequest, access: Access, import_id: int) -> HttpResponse:
    """Check that `expected` files (or bytes of a zip) are there, and start the import."""
    expected = _number(request.POST.get("expected", ""))
    imports.finish_upload(access=access, import_id=import_id, expected=expected)
    return JsonResponse({"ok": True, "id": import_id})


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise InvalidInputError(_("This must be a whole number."), value=text[:40])
    return int(text)


_BASE = "p/<str:pid>/images/"
urlpatterns = [
    path(f"{_BASE}upload/", images_upload, name="images_upload"),
    path(f"{_BASE}uploads/", upload_open, name="upload_open"),
    path(f"{_BASE}uploads/<int:import_id>/files/", upload_files, name="upload_files"),
    path(f"{_BASE}uploads/<int:import_id>/piece/", upload_piece, name="upload_piece"),
    path(f"{_BASE}uploads/<int:import_id>/finish/", upload_finish, name="upload_finish"),
]

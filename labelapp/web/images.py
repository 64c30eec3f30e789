"""The page of a project's images, and the images themselves."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from labelapp import queue
from labelapp.errors import AppError, NotFoundError
from labelapp.models import Import, ProjectCounter, Run
from labelapp.rights import Right
from labelapp.selectors import steering, steering_words
from labelapp.selectors.images import gallery, image_file, import_views, problems
from labelapp.selectors.projects import Access
from labelapp.selectors.stored_words import stored_words
from labelapp.services import image_files, imports
from labelapp.web import uploads
from labelapp.web.base import person, project_page
from labelapp.web.downloads import file_response

PIECE_BYTES = 4 * 1024**2  # of a zip; under DATA_UPLOAD_MAX_MEMORY_SIZE
MAX_SEQ = 2**31
GALLERY_LIVE = 400  # so long the gallery follows a live import


@require_GET
@project_page(Right.MANAGE_IMAGES)
def project_images(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the ways in, the imports, and the first images."""
    context = {
        **_imports_context(access),
        **_gallery_context(access, 0),
        "active": "images",
        **_joining(access),
        "import_root": settings.IMPORT_ROOT,
        "piece_bytes": PIECE_BYTES,
        "max_bytes": settings.MAX_UPLOAD_BYTES,
    }
    return render(request, "images/page.html", context)


def _joining(access: Access) -> dict[str, object]:
    """Return what new images mean for a run that has begun, and why none are taken, if so."""
    if not Run.objects.filter(project=access.project).exists():
        return {"started": False, "joining": None}
    card = steering_words.images_card(steering.gather(access.project))
    return {"started": True, "joining": card}


@require_GET
@project_page(Right.MANAGE_IMAGES)
def images_imports(request: HttpRequest, access: Access) -> HttpResponse:
    """Show how the imports go on; the page asks each second while one is live."""
    context = _imports_context(access)
    response = render(request, "images/_imports.html", context)
    if not context["live"] or _count(access) <= GALLERY_LIVE:
        response["HX-Trigger"] = "images-changed"
    return response


@require_GET
@project_page(Right.MANAGE_IMAGES)
def images_gallery(request: HttpRequest, access: Access) -> HttpResponse:
    """Show sixty images from a number on."""
    start = request.GET.get("from", "0")
    number = int(start) if start.isdecimal() and len(start) < 10 else 0
    return render(request, "images/_gallery.html", _gallery_context(access, number))


def _imports_context(access: Access) -> dict[str, object]:
    views = import_views(access.project)
    live = any(view.live for view in views)
    return {
        "access": access,
        "imports": views,
        "live": live,
        "no_worker": live and not queue.worker_alive(),
        "image_count": _count(access),
    }


def _gallery_context(access: Access, start: int) -> dict[str, object]:
    rows = list(gallery(access.project, start))
    following = rows[-1].seq + 1 if rows else 0
    return {
        "access": access,
        "images": rows,
        "start": start,
        "following": following if 0 < following < _count(access) else None,
        "previous": max(0, start - len(rows)) if start else None,
    }


def _count(access: Access) -> int:
    counter = ProjectCounter.objects.filter(project=access.project)
    return counter.values_list("images", flat=True).get()


@require_POST
@project_page(Right.MANAGE_IMAGES)
def images_folder(request: HttpRequest, access: Access) -> HttpResponse:
    """Import a folder of the server."""
    source = request.POST.get("folder", "").strip()
    try:
        imports.start_import(access=access, kind=Import.Kind.FOLDER, source=source)
    except AppError as error:
        messages.error(request, stored_words(error.message), extra_tags=error.code)
    return redirect("project_images", access.project.public_id)


@require_POST
@project_page(Right.MANAGE_IMAGES)
def import_cancel(request: HttpRequest, access: Access, import_id: int) -> HttpResponse:
    """Stop an import, or drop a failed one."""
    imports.cancel_import(access=access, import_id=import_id)
    return redirect("project_images", access.project.public_id)


@require_POST
@project_page(Right.MANAGE_IMAGES)
def import_continue(request: HttpRequest, access: Access, import_id: int) -> HttpResponse:
    """Go on with a failed import."""
    imports.continue_import(access=access, import_id=import_id)
    return redirect("project_images", access.project.public_id)


@require_GET
@project_page(Right.MANAGE_IMAGES)
def import_problems(request: HttpRequest, access: Access, import_id: int) -> HttpResponse:
    """List the files of an import that did not become new images, with the reasons."""
    record, page = problems(access.project, import_id, request.GET.get("page", "1"))
    context = {"access": access, "active": "images", "record": record, "problems": page}
    return render(request, "images/problems.html", context)


@require_safe
@login_required
def image_display(request: HttpRequest, pid: str, seq: int) -> HttpResponse:
    """Send the copy that people see. Its address never shows anything else: cached for a year."""
    found = image_file(person(request), pid, _checked(seq), Right.LABEL, Right.BROWSE)
    return _picture(
        request,
        f'"{found.sha256[:32]}"',
        lambda: (image_files.media_path(found.display_key).read_bytes(), found.display_key),
    )


@require_safe
@login_required
def image_thumb(request: HttpRequest, pid: str, seq: int) -> HttpResponse:
    """Send the small copy that grids show; cached as the display copy is."""
    found = image_file(person(request), pid, _checked(seq), Right.LABEL, Right.BROWSE)
    long_side = max(found.width, found.height)
    return _picture(
        request,
        f'"{found.sha256[:32]}-s"',
        lambda: image_files.thumb(pid, found.sha256, found.display_key, long_side=long_side),
    )


def _picture(
    request: HttpRequest, etag: str, read: Callable[[], tuple[bytes, str]]
) -> HttpResponse:
    """Send the bytes that `read` returns with the key that they lie under, or "not modified"."""
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "ETag": etag}
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers=headers)
    try:
        data, key = read()
    except OSError as error:
        raise NotFoundError(_("The file of this image is missing.")) from error
    return HttpResponse(data, content_type=image_files.content_type(key), headers=headers)


@require_safe
@login_required
def image_original(request: HttpRequest, pid: str, seq: int) -> HttpResponseBase:
    """Send the file as it was uploaded; never shown by the browser itself."""
    found = image_file(person(request), pid, _checked(seq), Right.VIEW_DASHBOARD)
    name = found.name.rsplit("/", 1)[-1]
    return file_response(request, image_files.media_path(found.original_key), name=name)


def _checked(seq: int) -> int:
    if seq >= MAX_SEQ:
        raise NotFoundError(_("There is no such image."))
    return seq


_PAGE = "p/<str:pid>/images/"
urlpatterns = [
    path(_PAGE, project_images, name="project_images"),
    path(f"{_PAGE}imports/", images_imports, name="images_imports"),
    path(f"{_PAGE}gallery/", images_gallery, name="images_gallery"),
    path(f"{_PAGE}folder/", images_folder, name="images_folder"),
    path(f"{_PAGE}imports/<int:import_id>/cancel/", import_cancel, name="import_cancel"),
    path(f"{_PAGE}imports/<int:import_id>/continue/", import_continue, name="import_continue"),
    path(f"{_PAGE}imports/<int:import_id>/problems/", import_problems, name="import_problems"),
    path(f"{_PAGE}<int:seq>/display/", image_display, name="image_display"),
    path(f"{_PAGE}<int:seq>/thumb/", image_thumb, name="image_thumb"),
    path(f"{_PAGE}<int:seq>/original/", image_original, name="image_original"),
    *uploads.urlpatterns,
]

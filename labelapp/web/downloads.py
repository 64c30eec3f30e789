"""Send files of any size: in pieces, with Range, so that a broken download goes on.

Django under ASGI collects synchronous streams in memory; these are asynchronous.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from labelapp.errors import NotFoundError

PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def file_response(
    request: HttpRequest, path: Path, *, name: str, content_type: str = "application/octet-stream"
) -> HttpResponseBase:
    """Return a download of a file, or of the part that the Range header asks for.

    Raises NotFoundError when the file is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise NotFoundError(_("The file is not there any more.")) from error
    etag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
    span = _span(request, status.st_size, etag)
    if span is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{status.st_size}"})
    start, end = span
    part = end - start < status.st_size
    response = StreamingHttpResponse(
        _pieces(path, start, end), status=206 if part else 200, content_type=content_type
    )
    _describe(response, name)
    response["Content-Length"] = str(end - start)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    if part:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{status.st_size}"
    return response


def stream_response(chunks: Iterator[bytes], *, name: str, content_type: str) -> HttpResponseBase:
    """Return a download that is made while it is sent."""
    response = StreamingHttpResponse(_asynchronous(chunks), content_type=content_type)
    _describe(response, name)
    return response


def _describe(response: StreamingHttpResponse, name: str) -> None:
    response["Content-Disposition"] = str(content_disposition_header(True, name))
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"


def _span(request: HttpRequest, size: int, etag: str) -> tuple[int, int] | None:
    """Return (start, end) of what to send; None for a range outside the file."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or not any(match.groups()) or request.headers.get("If-Range", etag) != etag:
        return 0, size
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None


async def _pieces(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    handle = await sync_to_async(lambda: path.open("rb"), thread_sensitive=False)()
    try:
        handle.seek(start)
        while start < end:
            size = min(PIECE, end - start)
            piece = await sync_to_async(handle.read, thread_sensitive=False)(size)
            if not piece:
                return  # cut off meanwhile: the length tells the browser
            start += len(piece)
            yield piece
    finally:
        handle.close()


async def _asynchronous(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pull from an iterator that reads the database, in the request's own thread."""
    step = sync_to_async(lambda: next(chunks, None))
    while (chunk := await step()) is not None:
        yield chunk

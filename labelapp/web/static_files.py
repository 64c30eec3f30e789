"""Static files: copies made when the process starts, served at an address of their version.

WhiteNoise lists the files and their sizes once, and reads a file when it is asked for. Read where
they lie, files that a `git pull` changes below a running server would break off (a size of then, a
content of now). So a process serves copies: DATA_DIR/static/VERSION, where VERSION is a hash of
all files. The address names the version, so browsers keep a file for ever, and modules that import
each other are always of one version. Copies of the versions before stay for pages that are open.

While debugging, files are read where they lie and looked for anew with each request.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

logger = logging.getLogger(__name__)

LENGTH = 12  # characters of a version
KEPT = 3  # versions: this one and those before it
HALF = ".half-"  # folders that are being filled begin so
FORGOTTEN_AFTER = 3600.0  # seconds: a half folder this old belongs to a process that died


class VersionedStorage(StaticFilesStorage):
    """Addresses with the version in them: /static/VERSION/css/app.css."""

    @cached_property
    def base_url(self) -> str:
        """Return the address below which this process's version lies."""
        return f"{settings.STATIC_URL}{version()}/" if version() else str(settings.STATIC_URL)


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # untyped package
    """WhiteNoise over the copies; its answers hold the file's bytes.

    WhiteNoise answers with a file that Django would stream; under ASGI Django cannot stream a
    synchronous iterator, warns for each one, and reads it whole anyway. Ours are small.
    """

    files: dict[str, StaticFile]  # by address
    _listed: ClassVar[dict[str, dict[str, StaticFile]]] = {}  # by version, then by address

    def add_files_from_finders(self) -> None:
        """List all versions at their addresses, and this process's also without a version."""
        if not version():
            super().add_files_from_finders()
            return
        if version() not in self._listed:  # the copies never change: listed once per process
            for folder in _versions(settings.STATIC_COPIES):
                self.add_files(folder, prefix=f"{self.static_prefix}{folder.name}/")
            self.add_files(settings.STATIC_COPIES / version(), prefix=self.static_prefix)
            self._listed[version()] = self.files
        self.files = self._listed[version()]

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Tell whether the address names a version: then its content never changes."""
        del path
        return _is_version(url.removeprefix(self.static_prefix).partition("/")[0])

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """Answer with the file as WhiteNoise chose it (headers, 304, ranges, encodings)."""
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file:
                body = found.file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["content-type"]
        for key, value in found.headers:
            response[key] = value
        return response


@lru_cache(maxsize=1)
def version() -> str:
    """Return the version that this process serves; the first call makes its copies.

    "" while debugging, and where nothing can be written: then files are served where they lie.
    """
    if settings.WHITENOISE_AUTOREFRESH:
        return ""
    try:
        return publish(settings.STATIC_COPIES)
    except OSError as error:
        logger.warning("Static files cannot be copied, do not change them: %s", error)
        return ""


def publish(root: Path) -> str:
    """Copy all static files below `root`/VERSION unless they are there; return the version."""
    root.mkdir(parents=True, exist_ok=True)
    sources = _sources()
    made = _hash(sources)
    if not (root / made).is_dir():
        made = _copy(sources, root)
    os.utime(root / made)  # started last
    _forget_old(root, made)
    return made


def _sources() -> dict[str, Path]:
    """Return where each file lies, by its name below /static/."""
    found: dict[str, Path] = {}
    for finder in finders.get_finders():
        for name, storage in finder.list(None):
            prefix = getattr(storage, "prefix", None)
            found.setdefault(f"{prefix}/{name}" if prefix else name, Path(storage.path(name)))
    return found


def _hash(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:LENGTH]


def _copy(sources: dict[str, Path], root: Path) -> str:
    """Copy all files; return the version of what was copied.

    The folder gets its name when it is whole: a process that starts at the same moment, or after
    this one was killed, never finds a part of it.
    """
    half = Path(tempfile.mkdtemp(prefix=HALF, dir=root))
    try:
        copies = {name: half / name for name in sources}
        for name, copy in copies.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sources[name], copy)
        made = _hash(copies)  # of the copies: the files may be changing at this moment
        _name(half, root / made)
        return made
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _name(half: Path, whole: Path) -> None:
    try:
        half.rename(whole)
    except OSError:
        if not whole.is_dir():  # else another process was first
            raise


def _versions(root: Path) -> list[Path]:
    """Return the folders of versions, the one that was started last first."""
    folders = [folder for folder in root.iterdir() if _is_version(folder.name)]
    return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)


def _is_version(name: str) -> bool:
    return len(name) == LENGTH and not set(name) - set("0123456789abcdef")


def _forget_old(root: Path, mine: str) -> None:
    """Delete the copies of versions before the last few, and what killed processes have left."""
    old = [folder for folder in _versions(root) if folder.name != mine][KEPT - 1 :]
    dead = time.time() - FORGOTTEN_AFTER
    halves = [half for half in root.glob(f"{HALF}*") if half.stat().st_mtime < dead]
    for folder in (*old, *halves):
        shutil.rmtree(folder, ignore_errors=True)

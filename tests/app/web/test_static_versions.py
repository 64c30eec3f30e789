"""Upgrades: static files that change below a running server, and what is kept of old versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.test import AsyncClient

from labelapp.web import static_files
from tests.app.web.labelling_site import ROOT, environment, free_port, wait_for

STYLE = "css/app.css"


class Server:
    """A web process over a folder of static files of its own."""

    def __init__(self, folder: Path) -> None:
        self.data, self.static = folder / "data", folder / "static"
        self.static.mkdir(parents=True)
        shutil.copytree(ROOT / "static" / "css", self.static / "css")
        self.address = f"http://127.0.0.1:{free_port()}"

    def start(self) -> None:
        mine = environment(self.data)
        mine["DJANGO_SETTINGS_MODULE"] = "tests.app.web.static_settings"
        mine["STATIC_OF_THE_TEST"] = str(self.static)
        program = [sys.executable, "-m", "uvicorn", "labelapp.asgi:application"]
        port = self.address.rpartition(":")[2]
        self.process = subprocess.Popen(
            [*program, "--port", port, "--log-level", "error"], cwd=ROOT, env=mine
        )
        wait_for(f"{self.address}/static/{STYLE}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.address + path, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    def version(self) -> str:
        """Return the version that was started last."""
        folders = [folder for folder in (self.data / "static").iterdir() if folder.is_dir()]
        return max(folders, key=lambda folder: folder.stat().st_mtime).name


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path)
    running.start()
    yield running
    running.stop()


def test_files_that_change_below_a_running_server_stay_as_they_were(server):
    """Each came broken: "Response content longer than Content-Length", until a restart."""
    before = (server.static / STYLE).read_bytes()
    old = f"/static/{server.version()}/{STYLE}"
    (server.static / STYLE).write_bytes(before + b"/* the next version is longer */")
    (server.static / "css/new.css").write_bytes(b"/* new */")
    (server.static / "css/label_one.css").unlink()
    for _ in range(3):
        assert server.get(f"/static/{STYLE}") == (200, before)
        assert server.get(old) == (200, before)
    assert server.get("/static/css/label_one.css")[0] == 200
    assert server.get("/static/css/new.css")[0] == 404

    server.stop()
    server.start()
    after = (server.static / STYLE).read_bytes()
    new = f"/static/{server.version()}/{STYLE}"
    assert new != old
    assert server.get(new) == (200, after)
    assert server.get(f"/static/{STYLE}") == (200, after)
    assert server.get(f"/static/{server.version()}/css/label_one.css")[0] == 404
    assert server.get(old) == (200, before), "a page of the old version is still open"


@pytest.fixture
def files(tmp_path, settings) -> Path:
    """A folder with one static file of the project's."""
    folder = tmp_path / "files"
    (folder / "css").mkdir(parents=True)
    (folder / STYLE).write_bytes(b"a {}")
    settings.STATICFILES_DIRS = [folder]
    return folder


def test_a_start_without_changes_copies_nothing(files, tmp_path):
    first = static_files.publish(tmp_path / "copies")
    copy = tmp_path / "copies" / first / STYLE
    made = copy.stat()
    assert static_files.publish(tmp_path / "copies") == first
    assert copy.stat().st_ino == made.st_ino
    assert copy.stat().st_mtime_ns == made.st_mtime_ns


def test_the_versions_before_stay_and_older_ones_go(files, tmp_path):
    root, made = tmp_path / "copies", []
    for number in range(5):
        (files / STYLE).write_bytes(b"a {}" * number)
        made.append(static_files.publish(root))
        os.utime(root / made[-1], (number, number))  # the clock may be coarse
    assert len(set(made)) == 5
    assert {folder.name for folder in root.iterdir()} == set(made[-static_files.KEPT :])


def test_an_older_version_that_starts_again_counts_as_new(files, tmp_path):
    root = tmp_path / "copies"
    (files / STYLE).write_bytes(b"first")
    first = static_files.publish(root)
    for number in range(static_files.KEPT + 1):
        (files / STYLE).write_bytes(b"a {}" * number)
        last = static_files.publish(root)
        (files / STYLE).write_bytes(b"first")
        assert static_files.publish(root) == first
    assert {first, last} <= {folder.name for folder in root.iterdir()}


def test_processes_that_start_together_agree(files, tmp_path):
    root = tmp_path / "copies"
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: static_files.publish(root), range(8)))
    assert len(set(made)) == 1
    assert [folder.name for folder in root.iterdir()] == made[:1]


def test_a_copy_that_was_cut_off_is_not_served_and_goes_later(files, tmp_path):
    root = tmp_path / "copies"
    fresh, dead = root / ".half-fresh", root / ".half-dead"
    for half in (fresh, dead):
        (half / "css").mkdir(parents=True)
        (half / STYLE).write_bytes(b"a")
    os.utime(dead, (0, 0))
    made = static_files.publish(root)
    assert {folder.name for folder in root.iterdir()} == {made, fresh.name}
    assert static_files._versions(root) == [root / made]


async def test_where_nothing_can_be_written_files_are_served_where_they_lie(
    tmp_path, settings, caplog
):
    (tmp_path / "no folder").write_text("")
    settings.STATIC_COPIES = tmp_path / "no folder" / "copies"
    static_files.version.cache_clear()
    try:
        with caplog.at_level("WARNING"):
            answer = await AsyncClient().get(f"/static/{STYLE}")
    finally:
        static_files.version.cache_clear()
    assert answer.status_code == 200
    assert "Static files cannot be copied" in caplog.text


async def test_while_debugging_a_change_shows_at_once(files, settings):
    settings.WHITENOISE_AUTOREFRESH = True
    static_files.version.cache_clear()
    try:
        asked = AsyncClient()
        for content in (b"one", b"another"):
            (files / STYLE).write_bytes(content)
            assert (await asked.get(f"/static/{STYLE}")).content == content
    finally:
        static_files.version.cache_clear()

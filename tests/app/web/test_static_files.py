"""Static files are served whole, with their type, and without a warning under ASGI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.test import AsyncClient

TEMPLATES = Path(project_settings.BASE_DIR) / "templates"
NAMED = re.compile(r"""{%\s*static\s+["']([^"']+)["']""")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("css/app.css", "text/css"), ("js/shell.js", "text/javascript")],
)
async def test_a_file_comes_whole_under_asgi(path, content_type, settings):
    response = await AsyncClient().get(f"/static/{path}")
    assert response.status_code == 200
    assert response["content-type"].startswith(content_type)
    assert not response.streaming
    assert response.content == (settings.BASE_DIR / "static" / path).read_bytes()


async def test_an_unchanged_file_is_not_sent_again():
    first = await AsyncClient().get("/static/css/app.css")
    again = await AsyncClient().get(
        "/static/css/app.css", headers={"if-modified-since": first["last-modified"]}
    )
    assert again.status_code == 304
    assert again.content == b""


async def test_nobody_walks_out_of_the_folder():
    response = await AsyncClient().get("/static/../manage.py")
    assert response.status_code == 404


async def test_an_address_names_its_version_and_is_kept_for_ever():
    address = static("css/app.css")
    assert re.fullmatch(r"/static/[0-9a-f]{12}/css/app\.css", address)
    response = await AsyncClient().get(address)
    assert response.status_code == 200
    assert "immutable" in response["cache-control"]


async def test_an_address_without_a_version_is_kept_for_a_minute():
    response = await AsyncClient().get("/static/css/app.css")
    assert response["cache-control"] == "max-age=60, public"


async def test_what_a_module_imports_is_of_its_own_version():
    """Imports are relative: `./x.js` of /static/VERSION/js/y.js."""
    asked = AsyncClient()
    for name in ("js/label_page.js", "js/shell.js"):
        address = static(name)
        script = (await asked.get(address)).content.decode()
        for other in re.findall(r'from "(\./[^"]+)"', script):
            beside = f"{address.rpartition('/')[0]}/{other.removeprefix('./')}"
            assert (await asked.get(beside)).status_code == 200, (name, other)


def test_every_file_that_a_template_names_is_there():
    named = {
        (path.name, name)
        for path in TEMPLATES.rglob("*.html")
        for name in NAMED.findall(path.read_text())
    }
    assert named
    assert {pair for pair in named if finders.find(pair[1]) is None} == set()

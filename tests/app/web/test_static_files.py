"""Static files are served whole, with their type, and without a warning under ASGI."""

from __future__ import annotations

import pytest
from django.test import AsyncClient


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

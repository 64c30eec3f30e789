"""Every address asks for sign-in, and every project address is closed to outsiders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

OPEN = {"invitation", "password_link", "unsubscribe", "healthz", "words"}
"""What people without a session may see: links that carry a secret, the health check, and the
words of the scripts in each language."""


def ours(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if route.startswith("accounts/"):
            continue
        if isinstance(entry, URLPattern):
            yield route, entry
        else:
            yield from ours(entry, route)


def named(*, of_a_project: bool) -> list[str]:
    return sorted(
        pattern.name
        for route, pattern in ours()
        if pattern.name and ("<str:pid>" in route) == of_a_project
    )


def address(name: str, pid: str) -> str:
    pattern = next(p for _, p in ours() if p.name == name)
    values = dict.fromkeys(pattern.pattern.converters, 1)
    return reverse(name, kwargs={**values, **({"pid": pid} if "pid" in values else {})})


def both(client: Client, url: str) -> list:
    return [client.get(url), client.post(url, "{}", content_type="application/json")]


def test_every_address_has_a_name():
    assert [route for route, pattern in ours() if not pattern.name] == []


def test_without_a_session_there_is_only_the_sign_in(project):
    client = Client()
    for name in named(of_a_project=False) + named(of_a_project=True):
        for answer in both(client, address(name, project.public_id)):
            asks = answer.status_code == 302 and answer.url.startswith("/accounts/login/")
            assert name in OPEN or asks or answer.status_code in {401, 403, 405}, name


def test_a_deleted_project_is_not_there_for_its_owner(cast, project, sign_in):
    type(project).objects.filter(pk=project.pk).update(status="deleting")
    client = sign_in(cast.owner)
    for name in named(of_a_project=True):
        codes = [a.status_code for a in both(client, address(name, project.public_id))]
        assert set(codes) <= {404, 405}, name


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/v1/docs/", "/invite/x/", "/nope"])
def test_every_page_carries_the_strict_policy(cast, sign_in, path):
    policy = sign_in(cast.owner).get(path).headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_forms_need_the_csrf_token(cast, project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.owner, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(f"/p/{project.public_id}/delete/", {"typed_name": "Shapes"})
    assert answer.status_code == 403
    assert "too old to send" in answer.text

"""Every address of a project, found in the URL map itself, is closed to outsiders.

A new route is covered the moment it exists: nobody has to remember to list it.
"""

from __future__ import annotations

import pytest
from django.urls import URLPattern, get_resolver, reverse
from django.urls.resolvers import URLResolver

from labelapp.models import Membership

ARGUMENTS = {"seq": 0, "token": "x" * 43, "uidb36": "1", "key": "x", "path": "x"}


def patterns(resolver: URLResolver) -> list[URLPattern]:
    found = []
    for pattern in resolver.url_patterns:
        found += patterns(pattern) if isinstance(pattern, URLResolver) else [pattern]
    return found


def project_routes() -> list[str]:
    return sorted(
        {p.name for p in patterns(get_resolver()) if "pid" in p.pattern.converters and p.name}
    )


def address(name: str, pid: str) -> str:
    pattern = next(p for p in patterns(get_resolver()) if p.name == name)
    arguments = {key: ARGUMENTS.get(key, 1) for key in pattern.pattern.converters}
    return reverse(name, kwargs={**arguments, "pid": pid})


def ask(client, method: str, url: str) -> int:
    body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
    return getattr(client, method)(url, **body).status_code


def test_every_route_of_a_project_has_a_name():
    nameless = [
        str(p.pattern)
        for p in patterns(get_resolver())
        if "pid" in p.pattern.converters and not p.name
    ]
    assert nameless == []
    assert len(project_routes()) >= 15


@pytest.mark.parametrize("name", project_routes())
def test_an_outsider_sees_nothing(name, project, cast, sign_in):
    client = sign_in(cast.outsider)
    seen = {ask(client, method, address(name, project.public_id)) for method in ("get", "post")}
    assert 404 in seen
    assert seen <= {404, 405}


@pytest.mark.parametrize("name", project_routes())
def test_an_outsider_cannot_tell_a_hidden_project_from_none(name, project, cast, sign_in):
    client = sign_in(cast.outsider)
    for method in ("get", "post"):
        real = ask(client, method, address(name, project.public_id))
        assert real == ask(client, method, address(name, "nosuchproject"))


@pytest.mark.parametrize("name", project_routes())
def test_nobody_signed_out_gets_in(name, project, client):
    for method in ("get", "post"):
        assert ask(client, method, address(name, project.public_id)) in {302, 401, 403, 405}


@pytest.mark.parametrize("name", project_routes())
def test_a_removed_member_is_an_outsider(name, project, cast, sign_in):
    client = sign_in(cast.annotator)
    Membership.objects.filter(user=cast.annotator).delete()
    seen = {ask(client, method, address(name, project.public_id)) for method in ("get", "post")}
    assert seen <= {404, 405}


def test_pages_outside_projects_ask_for_sign_in(client, db):
    for name in ("projects", "project_new", "me", "me_settings", "accounts"):
        assert client.get(reverse(name)).status_code == 302, name

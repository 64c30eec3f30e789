"""Every address of a project, found in the URL map itself, is closed to outsiders.

A new route is covered the moment it exists: nobody has to remember to list it.
"""

from __future__ import annotations

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


def test_an_outsider_cannot_tell_a_hidden_project_from_none(project, cast, sign_in):
    client = sign_in(cast.outsider)
    for name in project_routes():
        for method in ("get", "post"):
            real = ask(client, method, address(name, project.public_id))
            assert real == ask(client, method, address(name, "nosuchproject")), name
            assert real in {404, 405}, name


def test_a_removed_member_is_an_outsider(project, cast, sign_in):
    client = sign_in(cast.annotator)
    Membership.objects.filter(user=cast.annotator).delete()
    for name in project_routes():
        seen = {ask(client, method, address(name, project.public_id)) for method in ("get", "post")}
        assert seen <= {404, 405}, name


def test_pages_outside_projects_ask_for_sign_in(client, db):
    for name in (
        "projects",
        "project_new",
        "me",
        "me_settings",
        "my_tokens",
        "accounts",
        "audit_log",
    ):
        assert client.get(reverse(name)).status_code == 302, name

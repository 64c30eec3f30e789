"""Every address of a project, with every role, answers as the one table of rights says.

Nothing here is a list of addresses: they come from the URL map, their rights from the views
themselves (`view.right`, put there by `project_page`; the API's classes say it).
"""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from labelapp.models import Membership, User
from labelapp.rights import RIGHTS, Right, Role
from tests.app.conftest import make_cast, make_project

VALUES = {"seq": 0, "token": "x" * 43, "key": "x", "path": "x"}
ANY_RIGHT = object()
BY_IMAGE = {"image_display", "image_thumb", "image_original", "image_full"}
"""What a member may see of these depends on the image; there is none here: 404 for everybody."""
EXTRA: dict[tuple[str, str], Right] = {}
"""(name, method) that need more than the page does: POST of a page that all may read."""


def patterns(resolver: URLResolver) -> list[URLPattern]:
    found = []
    for pattern in resolver.url_patterns:
        found += patterns(pattern) if isinstance(pattern, URLResolver) else [pattern]
    return found


def routes() -> dict[str, URLPattern]:
    found = patterns(get_resolver())
    return {p.name: p for p in found if p.name and "pid" in p.pattern.converters}


def right_of(pattern: URLPattern) -> Right | object | None:
    view = pattern.callback
    for candidate in (view, getattr(view, "view_class", None), getattr(view, "cls", None)):
        if candidate is not None and hasattr(candidate, "right"):
            return candidate.right
    return ANY_RIGHT


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """One project with a person of each role; nothing in it, so that nothing can happen."""
    with django_db_blocker.unblock():
        people = make_cast()
        project = make_project(people)
        made = {"outsider": people.outsider, Role.OWNER: people.owner}
        for role in (Role.MANAGER, Role.REVIEWER, Role.VIEWER, Role.ANNOTATOR):
            user = User.objects.create_user(f"{role}@rights.example", None, display_name=role)
            Membership.objects.create(project=project, user=user, role=role)
            made[role] = user
        yield project, made
        project.delete()
        User.objects.all().delete()


def test_every_view_of_a_project_says_its_right():
    silent = {name for name, p in routes().items() if right_of(p) is ANY_RIGHT}
    assert silent <= BY_IMAGE


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["outsider", *Role])
def test_each_address_answers_as_the_table_says(world, role, settings):
    project, people = world
    client = Client(raise_request_exception=False)
    client.force_login(people[role], backend="django.contrib.auth.backends.ModelBackend")
    wrong = []
    for name, pattern in routes().items():
        if name in BY_IMAGE:
            continue
        values = {k: VALUES.get(k, 1) for k in pattern.pattern.converters}
        url = reverse(name, kwargs={**values, "pid": project.public_id})
        right = right_of(pattern)
        for method in ("get", "post"):
            needed = EXTRA.get((name, method), right)
            body = {"data": "{}", "content_type": "application/json"} if method == "post" else {}
            with transaction.atomic():  # whatever it did is undone: somebody may have left
                code = getattr(client, method)(url, **body).status_code
                transaction.set_rollback(True)
            if not fits(role, needed, code):
                wrong.append((name, method, code))
    assert wrong == []


def fits(role: str, needed: Right | None, code: int) -> bool:
    """Tell whether this answer is what the table says; 405: the address knows no such method."""
    if code == 405:
        return True
    if role == "outsider":
        return code == 404
    if needed is None or needed in RIGHTS[Role(role)]:
        return code < 500
    return code == 403

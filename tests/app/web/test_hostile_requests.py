"""Requests that no page of ours sends: each gets an answer with a reason, none breaks."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.urls.resolvers import URLResolver

from labelapp.models import Invitation, Project
from tests.app.conftest import PASSWORD

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def _no_tries_of_other_tests():
    cache.clear()  # counts failed sign-ins
    yield
    cache.clear()


def routes(resolver: URLResolver | None = None) -> list[URLPattern]:
    found = []
    for entry in (resolver or get_resolver()).url_patterns:
        found += routes(entry) if isinstance(entry, URLResolver) else [entry]
    return [p for p in found if p.name and p.name != "account_reset_password_from_key"]


def names(*, with_argument: str = "") -> list[str]:
    return sorted({p.name for p in routes() if with_argument in {"", *p.pattern.converters}})


def address(name: str, pid: str, number: int = 1) -> str:
    pattern = next(p for p in routes() if p.name == name)
    values = {
        key: number if type(converter).__name__ == "IntConverter" else "x"
        for key, converter in pattern.pattern.converters.items()
    }
    return reverse(name, kwargs={**values, **({"pid": pid} if "pid" in values else {})})


def numbered() -> list[str]:
    return [
        name
        for name in names()
        if any(
            type(c).__name__ == "IntConverter"
            for p in routes()
            if p.name == name
            for c in p.pattern.converters.values()
        )
    ]


@pytest.fixture
def owner(cast, project) -> Client:
    cast.owner.is_superuser = True
    cast.owner.save()
    client = Client(raise_request_exception=False)
    client.force_login(cast.owner, backend=BACKEND)
    return client


def test_no_address_changes_anything_without_the_csrf_token(cast, project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.owner, backend=BACKEND)
    for name in names():
        for method in (client.post, client.put, client.patch, client.delete):
            code = method(address(name, project.public_id)).status_code
            assert code in {403, 404, 405}, name


def test_a_number_beyond_all_databases_is_not_found(owner, project):
    form = {"role": "annotator", "expected": "1"}
    for name in numbered():
        url = address(name, project.public_id, 10**30)
        codes = {owner.get(url).status_code, owner.post(url, form).status_code}
        assert codes <= {302, 400, 404, 405}, name  # 302: the next page says it


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("project_settings", {"name": "a\x00b"}),
        ("project_people", {"role": "annotator", "days": "3", "note": "a\x00b"}),
        ("project_guidelines", {"text": "a\x00b", "base_version": "0"}),
        ("me_settings", {"display_name": "a\x00b", "theme": "dark"}),
    ],
)
def test_nul_in_a_form_is_refused_and_nothing_is_saved(owner, cast, project, name, form):
    assert owner.post(address(name, project.public_id), form).status_code == 400
    project.refresh_from_db()
    cast.owner.refresh_from_db()
    assert (project.name, cast.owner.display_name) == ("Shapes", "Owner")
    assert not Invitation.objects.exists()
    assert not project.guidelines.exists()


@pytest.mark.parametrize(
    "path", ["/p/%00/", "/invite/a%00b/", "/reset/%00/", "/api/v1/projects/%00/"]
)
def test_nul_in_an_address_is_not_found(owner, path):
    assert owner.get(path).status_code == 404


@pytest.mark.parametrize("there", ["project", "https://evil.example/", "//evil.example", "/\\evil"])
def test_the_theme_switch_leads_nowhere_by_name_or_to_another_host(owner, there):
    answer = owner.post("/me/theme/", {"theme": "dark", "next": there})
    assert answer.status_code == 302
    assert answer.url in {"/", "project"}  # "project" is a path beside the switch, no view's name


def test_signing_in_leads_to_no_other_host(cast, project):
    form = {"login": cast.annotator.email, "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/accounts/login/?next=//evil.example", form).url == "/"


def test_signing_in_changes_the_session(cast):
    client = Client()
    planted = client.session  # makes one, as somebody who plants it in another's browser would
    planted["planted"] = "yes"
    planted.save()
    before = client.cookies["sessionid"].value
    client.post("/accounts/login/", {"login": cast.annotator.email, "password": PASSWORD})
    assert client.session.session_key != before


@pytest.mark.parametrize("known", [True, False])
def test_a_failed_sign_in_does_not_tell_who_has_an_account(cast, known):
    email = cast.annotator.email if known else "nobody@example.org"
    page = Client().post("/accounts/login/", {"login": email, "password": "wrong"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "not correct" in text


def test_guessing_a_password_is_stopped(cast):
    form = {"login": cast.annotator.email, "password": "wrong"}
    client = Client()
    codes = [client.post("/accounts/login/", form).status_code for _ in range(7)]
    pages = client.post("/accounts/login/", {**form, "password": PASSWORD})
    assert codes[0] == 200
    assert "_auth_user_id" not in client.session
    assert pages.status_code in {200, 429}


def test_an_unknown_host_is_refused(cast, project):
    assert Client().get("/accounts/login/", headers={"host": "evil.example"}).status_code == 400


def test_cookies_are_closed_to_scripts_and_other_sites(cast):
    client = Client()
    client.post("/accounts/login/", {"login": cast.annotator.email, "password": PASSWORD})
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_too_many_fields_are_answered_with_a_page(owner, project):
    form = {f"f{number}": "1" for number in range(5_100)}
    answer = owner.post(address("project_settings", project.public_id), form)
    assert answer.status_code == 400
    assert "too many" in answer.content.decode()
    assert Project.objects.get().name == "Shapes"

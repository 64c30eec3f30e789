from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labelapp.models import AuditLog, User
from labelapp.rights import Right
from labelapp.selectors import audit_log
from labelapp.selectors.sessions import access_by_session
from tests.app.conftest import PASSWORD


@pytest.fixture(autouse=True)
def _fresh_limits():
    cache.clear()


def code(secret: str, later: int = 0) -> str:
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2] + later))


def enter(email: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    return client


def set_up(email: str) -> tuple[str, list[str]]:
    """Set the second factor up as a person does; return its secret and the recovery codes."""
    client = enter(email)
    asked = client.get("/accounts/2fa/totp/activate/").url  # a session alone is not enough
    client.post(asked, {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").text
    assert "data:image/svg+xml;base64," in page
    secret = re.search(r'<code class="mfa-secret break">(\w+)<', page)[1]
    done = client.post("/accounts/2fa/totp/activate/", {"code": code(secret)})
    assert done.url == "/accounts/2fa/recovery-codes/"
    codes = re.findall(r"<li><code>([\w-]+)</code>", client.get(done.url).text)
    assert len(codes) == 10
    return secret, codes


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_signing_in_takes_the_password_and_a_code(cast, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        secret, codes = set_up(cast.owner.email)
    told = AuditLog.objects.order_by("pk").values_list("action", flat=True)
    assert list(told) == ["sign_in.done", "second_factor.on"]
    assert secret not in str(Authenticator.objects.values_list("data"))
    client = enter(cast.owner.email)
    assert not signed_in(client)
    page = client.get("/accounts/2fa/authenticate/")
    assert "authenticator app" in page.text
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not signed_in(client)
    client.post("/accounts/2fa/authenticate/", {"code": code(secret, 1)})
    assert signed_in(client)
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        client.post("/accounts/2fa/recovery-codes/generate/")
    made = AuditLog.objects.filter(action="recovery_codes.made")
    assert made.get().user == cast.owner
    page = client.get("/accounts/2fa/recovery-codes/").text
    codes, old = re.findall(r"<li><code>([\w-]+)</code>", page), codes
    assert not set(old) & set(codes)
    for tries in (True, False):  # a recovery code works once
        client = enter(cast.owner.email)
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert signed_in(client) is tries


def test_guessing_codes_is_stopped(cast):
    secret, _codes = set_up(cast.owner.email)
    client = enter(cast.owner.email)
    for _ in range(6):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    client.post("/accounts/2fa/authenticate/", {"code": code(secret, 1)})
    assert not signed_in(client)


def test_it_is_switched_off_only_by_somebody_who_confirmed_who_they_are(cast, sign_in):
    set_up(cast.owner.email)
    stolen = sign_in(cast.owner)  # a session alone
    assert "reauthenticate" in stolen.post("/accounts/2fa/totp/deactivate/").url
    assert Authenticator.objects.exists()
    stolen.post("/accounts/reauthenticate/", {"password": PASSWORD})
    stolen.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()
    assert AuditLog.objects.filter(action="second_factor.off").exists()


def test_whoever_lost_the_phone_is_helped_by_the_owner_of_the_installation(cast, sign_in):
    set_up(cast.annotator.email)
    boss = User.objects.create_superuser("boss@example.org", "x")
    url = reverse("account_second_factor", args=[cast.annotator.pk])
    assert sign_in(cast.owner).post(url).status_code == 403
    assert "Remove the second factor" in sign_in(boss).get("/people/").text
    sign_in(boss).post(url)
    assert signed_in(enter(cast.annotator.email))


def test_where_everybody_needs_one_nothing_opens_before(cast, project, settings, batch):
    settings.REQUIRE_SECOND_FACTOR = True
    client = enter(cast.annotator.email)
    for path in ("/", "/me/", f"/p/{project.public_id}/label/"):
        assert client.get(path).url == "/accounts/2fa/totp/activate/"
    tasks = f"/api/v1/projects/{project.public_id}/tasks/"
    answer = client.post(tasks, "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor")
    key = client.session.session_key
    assert access_by_session(key, project.public_id, Right.LABEL) is None
    set_up(cast.annotator.email)
    assert client.get("/me/").status_code == 200
    assert access_by_session(key, project.public_id, Right.LABEL) is not None


def test_the_log_tells_who_signed_in_and_what_was_refused(cast, django_capture_on_commit_callbacks):
    secret, _codes = set_up(cast.owner.email)
    Client().post("/accounts/login/", {"login": cast.owner.email, "password": "wrong"})
    Client().post("/accounts/login/", {"login": "nobody@x.org", "password": "my password"})
    client = enter(cast.owner.email)
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not signed_in(client)
    told = AuditLog.objects.filter(action__startswith="sign_in.").order_by("pk")
    first = told.count() - 3
    rows = [(row.action, row.user, row.target, row.after["by"]) for row in told[first:]]
    assert rows == [
        ("sign_in.refused", None, cast.owner.email, "password"),
        ("sign_in.refused", None, "", "password"),  # no address that is nobody's
        ("sign_in.refused", None, cast.owner.email, "code"),
    ]
    client.post("/accounts/2fa/authenticate/", {"code": code(secret, 1)})
    assert signed_in(client)
    last = told.last()
    assert (last.action, last.user, last.project) == ("sign_in.done", cast.owner, None)
    assert last.after["by"] == ["password", "code"]
    assert audit_log.line(last).words == "signed in"


def test_the_log_tells_of_a_new_password(cast, sign_in):
    client = sign_in(cast.owner)
    new = "another horse battery"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post("/accounts/password/change/", form)
    row = AuditLog.objects.get(action="password.changed")
    assert (row.user, row.target, row.project) == (cast.owner, cast.owner.email, None)

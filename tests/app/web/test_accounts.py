from __future__ import annotations

import re

import pytest
from allauth.account import urls as allauth_urls
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labelapp.models import PasswordResetLink, User
from tests.app.conftest import PASSWORD

FREE = {
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_email",
    "account_email_verification_sent",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key_done",
    "account_confirm_login_code",
}
ARGUMENTS = {
    "account_confirm_email": {"key": "abc"},
    "account_reset_password_from_key": {"uidb36": "1", "key": "abc-def"},
}


@pytest.fixture(autouse=True)
def _fresh_rate_limits():
    cache.clear()


@pytest.fixture
def boss(db) -> User:
    return User.objects.create_superuser("boss@example.org", PASSWORD, display_name="Boss")


def allauth_addresses() -> list[str]:
    return [reverse(p.name, kwargs=ARGUMENTS.get(p.name, {})) for p in allauth_urls.urlpatterns]


def sign_in_form(client: Client, email: str, password: str = PASSWORD):
    return client.post("/accounts/login/", {"login": email, "password": password})


def test_people_sign_in_with_their_address_in_any_case(cast):
    client = Client()
    assert sign_in_form(client, "OWNER@example.org").url == "/"
    assert client.get("/").status_code == 200


def test_an_address_is_called_e_mail_here_too(db):
    assert ">E-mail</label>" in Client().get("/accounts/login/").text


def test_a_wrong_password_is_refused_and_said(cast):
    answer = sign_in_form(Client(), "owner@example.org", "wrong")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


def test_guessing_passwords_is_slowed_down(cast):
    client = Client()
    answers = [sign_in_form(client, "owner@example.org", f"wrong {n}") for n in range(12)]
    last = sign_in_form(client, "owner@example.org")
    assert any("Too many" in answer.text for answer in [*answers, last])
    assert "_auth_user_id" not in client.session


def test_signing_in_leads_to_the_page_that_was_asked_for(cast):
    client = Client()
    asked = client.get("/me/").url
    answer = client.post(asked, {"login": "ann@example.org", "password": PASSWORD, "next": "/me/"})
    assert answer.url == "/me/"


def test_signing_in_leads_to_no_other_site(cast):
    form = {"login": "ann@example.org", "password": PASSWORD, "next": "https://evil.example/"}
    assert "evil" not in Client().post("/accounts/login/", form).url


def test_signing_out_needs_a_post(cast, sign_in):
    client = sign_in(cast.owner)
    assert "Sign out?" in client.get("/accounts/logout/").text
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_nobody_registers(db):
    page = Client().get("/accounts/signup/")
    assert "By invitation only" in page.text
    form = {"email": "x@example.org", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", form)
    assert not User.objects.filter(email="x@example.org").exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_of_allauth_breaks_or_sends_mail(cast, sign_in, method):
    for address in allauth_addresses():
        for client in (Client(), sign_in(cast.owner)):
            status = getattr(client, method)(address).status_code
            assert status in {200, 302, 403, 404, 405}, address
    assert mail.outbox == []


def test_forgetting_a_password_says_whom_to_ask(db):
    assert "Ask the owner" in Client().get("/accounts/password/reset/").text


def test_a_password_is_changed_and_other_sessions_end(cast):
    here, there = Client(), Client()
    sign_in_form(here, "ann@example.org")
    sign_in_form(there, "ann@example.org")
    form = {"oldpassword": PASSWORD, "password1": "a new long one", "password2": "a new long one"}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert here.get("/me/").status_code == 200
    assert there.get("/me/").status_code == 302


def test_a_weak_new_password_is_refused(cast, sign_in):
    form = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    answer = sign_in(cast.annotator).post("/accounts/password/change/", form)
    assert "at least 10 characters" in answer.text


def test_the_deactivated_are_signed_out_at_once_and_stay_out(cast, boss, sign_in):
    client = sign_in(cast.annotator)
    assert client.get("/me/").status_code == 200
    sign_in(boss).post(reverse("account_deactivate", args=[cast.annotator.pk]))
    assert client.get("/me/").status_code == 302
    assert client.get("/api/v1/projects/").status_code == 403
    fresh = Client()
    sign_in_form(fresh, "ann@example.org")
    assert "_auth_user_id" not in fresh.session


def test_a_person_is_brought_back(cast, boss, sign_in):
    client = sign_in(boss)
    client.post(reverse("account_deactivate", args=[cast.annotator.pk]))
    client.post(reverse("account_reactivate", args=[cast.annotator.pk]))
    assert sign_in_form(Client(), "ann@example.org").url == "/"


def test_the_only_owner_of_a_project_stays(cast, project, boss, sign_in):
    client = sign_in(boss)
    client.post(reverse("account_deactivate", args=[cast.owner.pk]))
    assert "only owner of: Shapes" in client.get("/people/").text
    assert User.objects.get(pk=cast.owner.pk).is_active


def test_a_reset_link_is_shown_once_and_works_once(cast, boss, sign_in):
    answer = sign_in(boss).post(reverse("account_reset_link", args=[cast.annotator.pk]))
    link = re.search(r"http://testserver(/reset/[\w-]+/)", answer.text)[1]
    assert "no-store" in answer.headers["Cache-Control"]
    assert "/reset/" not in sign_in(boss).get("/people/").text
    assert "New password for Ann" in Client().get(link).text
    assert Client().post(link, {"password": "a new long one"}).url == "/accounts/login/"
    assert Client().get(link).status_code == 410
    assert sign_in_form(Client(), "ann@example.org", "a new long one").url == "/"


def test_a_weak_password_keeps_the_reset_page(cast, boss, sign_in):
    answer = sign_in(boss).post(reverse("account_reset_link", args=[cast.annotator.pk]))
    link = re.search(r"(/reset/[\w-]+/)", answer.text)[1]
    again = Client().post(link, {"password": "short"})
    assert again.status_code == 400
    assert "at least 10 characters" in again.text


def test_a_reset_ends_the_sessions_of_whoever_had_the_password(cast, boss, sign_in):
    thief = Client()
    sign_in_form(thief, "ann@example.org")
    answer = sign_in(boss).post(reverse("account_reset_link", args=[cast.annotator.pk]))
    link = re.search(r"(/reset/[\w-]+/)", answer.text)[1]
    Client().post(link, {"password": "a new long one"})
    assert thief.get("/me/").status_code == 302


def test_a_made_up_reset_link_is_not_found(db):
    assert Client().get("/reset/made-up/").status_code == 404


@pytest.mark.parametrize("name", ["deactivate", "reactivate", "reset_link"])
def test_accounts_are_for_the_installations_owner(cast, project, sign_in, name):
    client = sign_in(cast.owner)
    assert client.get("/people/").status_code == 403
    url = reverse(f"account_{name}", args=[cast.annotator.pk])
    assert client.post(url).status_code == 403
    assert not PasswordResetLink.objects.exists()
    assert User.objects.get(pk=cast.annotator.pk).is_active


def test_the_owner_does_not_lock_himself_out(boss, sign_in):
    client = sign_in(boss)
    client.post(reverse("account_deactivate", args=[boss.pk]))
    assert "cannot deactivate yourself" in client.get("/people/").text

from __future__ import annotations

import re
import time
from html import unescape

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labelapp.models import AuditLog, Membership, User
from labelapp.selectors.projects import access
from labelapp.services import people, tokens
from tests.app.conftest import PASSWORD
from tests.app.web.fake_provider import KEY, OTHER_KEY, running_provider

LOGIN = "/accounts/sso/sso/login/"


@pytest.fixture(scope="module")
def running():
    with running_provider() as server:
        yield server


@pytest.fixture
def provider(running, settings, db):
    cache.clear()
    running.claims, running.header, running.key, running.userinfo = {}, {}, KEY, {}
    settings.OIDC_ON, settings.OIDC_NAME, settings.OIDC_DOMAINS = True, "Corp", ["corp.example"]
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "sso",
                    "name": "Corp",
                    "client_id": "labels",
                    "secret": "s",
                    "settings": {"server_url": running.issuer, "fetch_userinfo": False},
                }
            ],
        }
    }
    return running


def begin(client: Client, provider, **form: str) -> str:
    """Press the button; return the address to which the provider sends the browser back."""
    page = client.post(LOGIN, form)
    assert page.status_code == 200, page
    return provider.authorize(unescape(re.search(r"url=([^\"]+)", page.text)[1]))


def sign_in(provider, client: Client | None = None, **form: str):
    client = client or Client()
    answer = client.get(begin(client, provider, **form))
    return client, answer


def who(client: Client) -> str | None:
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).email if key else None


def test_a_person_of_a_named_domain_gets_an_account(provider):
    _client, answer = sign_in(provider, next="/me/")
    assert (answer.status_code, answer.url) == (302, "/me/")
    user = User.objects.get()
    assert (user.email, user.display_name) == ("new@corp.example", "New Person")
    assert not user.has_usable_password()
    assert {"code_challenge", "nonce", "state"} <= set(provider.asked)
    assert provider.asked["code_challenge_method"] == "S256"
    told = AuditLog.objects.order_by("pk")
    assert [row.action for row in told] == ["person.joined", "sign_in.done"]
    assert told[1].after["by"] == ["single sign-on"]
    again, _answer = sign_in(provider)
    assert who(again) == user.email
    assert SocialAccount.objects.count() == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody-else"},
        {"aud": ["labels", "x"], "azp": "x"},
        {"iss": "https://evil.example"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
    ],
)
def test_a_token_that_is_not_of_this_sign_in_is_refused(provider, claims):
    provider.claims = claims
    client, answer = sign_in(provider)
    assert who(client) is None
    assert "did not work" in answer.text
    assert not User.objects.exists()


def test_a_wrong_signature_and_an_unknown_key_are_refused(provider):
    provider.key = OTHER_KEY
    assert who(sign_in(provider)[0]) is None
    provider.key, provider.header = KEY, {"kid": "two"}
    assert who(sign_in(provider)[0]) is None


def test_an_answer_that_nobody_asked_for_is_refused(provider):
    mine, theirs = Client(), Client()
    back = begin(theirs, provider)
    assert "did not work" in mine.get(back).text  # the state is of another browser
    assert "did not work" in mine.get(reverse("openid_connect_callback", args=["sso"])).text
    assert who(mine) is None


@pytest.mark.parametrize("verified", [False, None, "false"])
def test_an_address_that_the_provider_has_not_verified_opens_nothing(provider, cast, verified):
    provider.claims = {"email": cast.owner.email, "email_verified": verified}
    client, answer = sign_in(provider)
    assert (who(client), answer.status_code) == (None, 403)
    assert "not verified" in answer.text
    assert User.objects.get(pk=cast.owner.pk).has_usable_password()


def test_whoever_proves_an_address_takes_the_account_over(provider, cast, project):
    squatter = Client()
    squatter.post("/accounts/login/", {"login": cast.annotator.email, "password": PASSWORD})
    tokens.create(user=cast.annotator, name="x", scopes=["read"])
    provider.claims = {"email": cast.annotator.email.upper()}
    client, _answer = sign_in(provider)
    assert who(client) == cast.annotator.email
    assert Membership.objects.get(user=cast.annotator).role == "annotator"
    assert squatter.get("/me/").status_code == 302  # its session, password and tokens are gone
    assert not User.objects.get(pk=cast.annotator.pk).has_usable_password()
    assert cast.annotator.access_tokens.get().revoked_at


def test_an_address_that_was_proven_before_keeps_its_password(provider, cast):
    EmailAddress.objects.create(user=cast.annotator, email=cast.annotator.email, verified=True)
    provider.claims = {"email": cast.annotator.email}
    assert who(sign_in(provider)[0]) == cast.annotator.email
    assert User.objects.get(pk=cast.annotator.pk).has_usable_password()


def test_others_need_an_invitation(provider, cast, project):
    provider.claims = {"email": "far@other.example"}
    client, answer = sign_in(provider)
    assert "Ask a manager" in answer.text
    owner = access(cast.owner, project.public_id)
    token = people.create_invitation(access=owner, role="viewer", email="far@other.example")[1]
    link = reverse("invitation", args=[token])
    assert f'value="{link}"' in Client().get(link).text
    client, answer = sign_in(provider, next=link)
    assert answer.url == link
    client.post(link)
    assert Membership.objects.get(user__email="far@other.example").role == "viewer"


def test_the_deactivated_stay_out(provider, cast):
    User.objects.filter(pk=cast.annotator.pk).update(is_active=False)
    provider.claims = {"email": cast.annotator.email}
    assert who(sign_in(provider)[0]) is None


def test_an_address_that_only_userinfo_knows(provider):
    provider.claims = {"email": None, "email_verified": None}
    provider.userinfo = {"sub": "42", "email": "new@corp.example", "email_verified": True}
    assert who(sign_in(provider)[0]) == "new@corp.example"
    provider.userinfo["sub"] = "43"
    provider.claims |= {"sub": "44"}
    assert who(sign_in(provider)[0]) is None


def test_where_only_single_sign_on_is_wanted_no_password_opens(provider, cast, settings):
    settings.OIDC_ONLY = True
    page = Client().get("/accounts/login/").text
    assert "Sign in with Corp" in page
    assert 'type="password"' not in page
    client = Client()
    client.post("/accounts/login/", {"login": cast.owner.email, "password": PASSWORD})
    assert who(client) is None


def test_without_configuration_there_is_nothing(db):
    assert Client().post(LOGIN).status_code == 404
    assert Client().get("/accounts/sso/sso/callback/").status_code == 404
    assert "sso" not in Client().get("/accounts/login/").text


def test_a_provider_that_is_not_there_is_a_page_with_words(provider, settings):
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]
    app["settings"] = {"server_url": "http://127.0.0.1:9"}
    answer = Client().post(LOGIN)
    assert answer.status_code in {200, 401, 403, 503}
    assert "did not work" in answer.text

"""Single sign-on with OpenID Connect, through allauth; off unless the environment names an issuer.

allauth does the code flow with PKCE and state. Stricter here: a nonce ties the identity token to
the sign-in, its signature is checked, the issuer must be the one that was configured, and an
address counts only where the provider says that it has verified it.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any, NoReturn

import jwt
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from requests import RequestException

from labelapp.errors import ForbiddenError
from labelapp.models import User
from labelapp.services import sign_on

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures by a key that only the provider has; never "none", never a shared secret."""
CLOCKS = 60  # seconds that two clocks may differ


class CheckedAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth is untyped
    """allauth's, with every claim of the identity token checked."""

    state: dict[str, Any]

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's own description, if it is of the issuer that was configured."""
        found: dict[str, Any] = super().openid_config
        wanted = self.get_provider().app.settings["server_url"]
        if str(found.get("issuer", "")).rstrip("/") != wanted.split("/.well-known/")[0]:
            raise OAuth2Error(f"the provider calls itself {found.get('issuer')!r}, not {wanted!r}")
        return found

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: object, **kwargs: Any
    ) -> SocialLogin:
        """Return who signs in. Raises OAuth2Error, which becomes a page that says it failed."""
        id_token = kwargs["response"].get("id_token")
        if not id_token:
            raise OAuth2Error("no id_token")
        claims = self._claims(app, id_token)
        if not claims.get("email") and self.openid_config.get("userinfo_endpoint"):
            more = self._fetch_user_info(kwargs["response"]["access_token"])
            if more.get("sub") != claims["sub"]:
                raise OAuth2Error("userinfo is about somebody else")
            claims = {**more, **claims}
        claims["email_verified"] = claims.get("email_verified") in {True, "true"}
        kept = {k: claims[k] for k in ("sub", "email", "email_verified", "name") if k in claims}
        return self.get_provider().sociallogin_from_response(request, {"id_token": kept})

    def _claims(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key=self._key(jwt.get_unverified_header(id_token)),
                algorithms=ALGORITHMS,
                audience=app.client_id,
                issuer=self.openid_config["issuer"],
                leeway=CLOCKS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error(f"bad id_token: {error}") from error
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("bad id_token: made for somebody else")
        if not constant_time_compare(str(claims.get("nonce", "")), self.state.get("nonce", "-")):
            raise OAuth2Error("bad id_token: not of this sign-in")
        return claims

    def _key(self, header: dict[str, Any]) -> jwt.PyJWK:
        """Return the provider's key that the token names."""
        with get_adapter().get_requests_session() as session:
            reply = session.get(self.openid_config["jwks_uri"])
            reply.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(reply.json()).keys
        named = [key for key in keys if key.key_id == header.get("kid")]
        if not named and len(keys) == 1 and "kid" not in header:
            named = keys
        if not named:
            raise OAuth2Error("bad id_token: signed with an unknown key")
        return named[0]


class CallbackView(OAuth2CallbackView):  # type: ignore[misc]  # allauth is untyped
    """allauth's, but the adapter knows what was stored when the sign-in began."""

    def _get_state(self, request: HttpRequest, provider: object) -> tuple[Any, Any]:
        state, response = super()._get_state(request, provider)
        self.adapter.state = state or {}
        return state, response


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who may come in by single sign-on: people with an account, then those of named domains."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the provider of the environment; the database is never asked for others."""
        from allauth.socialaccount.adapter import _build_apps_from_settings  # noqa: PLC0415

        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the account of a verified address, or refuse with the reason."""
        if sociallogin.state.get("process") == AuthProcess.CONNECT or sociallogin.is_existing:
            return
        address = next((e.email.lower() for e in sociallogin.email_addresses if e.verified), "")
        if not address:
            _refuse(request, "unverified", str(sociallogin.account.extra_data.get("email", "")))
        user = User.objects.filter(email=address).first()
        if user is not None:
            sign_on.take_over(user=user)
            user.refresh_from_db()
            sociallogin.connect(request, user)
        elif not sign_on.may_join(email=address, next_path=sociallogin.state.get("next") or ""):
            _refuse(request, "unknown", address)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Whoever got past `pre_social_login` may have an account."""
        return True

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        """Fill in name and address of a new person."""
        user: User = sociallogin.user
        user.email = str(data.get("email") or "").strip().lower()
        name = " ".join(str(data.get("name") or "").split()) or user.email.partition("@")[0]
        user.display_name = name[:80]
        return user

    def save_user(
        self, request: HttpRequest, sociallogin: SocialLogin, form: object = None
    ) -> User:
        """Keep the new person, and say so in the audit log."""
        user: User = super().save_user(request, sociallogin, form)
        sign_on.joined(user=user)
        return user

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: object) -> str:
        """Go back to one's settings."""
        return reverse("me_settings")

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: object,
        error: object = None,
        exception: Exception | None = None,
        extra_context: object = None,
    ) -> None:
        """Write the reason down for whoever set this up; the page keeps it to itself."""
        logger.warning("single sign-on failed: %s", exception or error)

    def send_notification_mail(self, template_prefix: str, user: User, **_rest: Any) -> None:
        """Write into the audit log what allauth would mail."""
        sign_on.note(user=user, what=template_prefix)


def _refuse(request: HttpRequest, why: str, email: str) -> NoReturn:
    context = {"why": why, "email": email}
    raise ImmediateHttpResponse(
        render(request, "socialaccount/refused.html", context, status=ForbiddenError.status)
    )


@never_cache
@require_http_methods(["POST"])
def sso_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Begin a sign-in (or, signed in, the connecting of one's account) at the provider.

    A page that leads on, not a redirect: the content policy lets forms lead to our own pages only.
    """
    connecting = request.user.is_authenticated
    there = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(there, allowed_hosts={request.get_host()}):
        there = ""
    adapter = CheckedAdapter(request, provider_id)
    try:
        provider = adapter.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    nonce = secrets.token_urlsafe(24)
    try:
        _ = adapter.openid_config  # also checks that it is the issuer's own
        response = provider.redirect(
            request,
            process=AuthProcess.CONNECT if connecting else AuthProcess.LOGIN,
            next_url=there or None,
            auth_params={"nonce": nonce},
            nonce=nonce,
        )
    except (OAuth2Error, RequestException, KeyError, ValueError) as error:
        return _failed(request, provider, error)
    if response.status_code != 302:
        return response  # type: ignore[no-any-return]
    context = {"address": response["Location"], "name": provider.name}
    return render(request, "socialaccount/leading_on.html", context)


def _failed(request: HttpRequest, provider: object, error: Exception) -> HttpResponse:
    return render_authentication_error(request, provider, exception=error)  # type: ignore[no-any-return]


@never_cache
@require_GET
def sso_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Finish a sign-in: the provider sent the browser back."""
    adapter = CheckedAdapter(request, provider_id)
    try:
        provider = adapter.get_provider()
        return CallbackView.adapter_view(adapter)(request)  # type: ignore[no-any-return]
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    except (KeyError, ValueError) as error:  # a provider that does not keep to its own protocol
        return _failed(request, provider, error)


def sso_cancelled(request: HttpRequest) -> HttpResponse:
    """Go back to the sign-in: the person thought otherwise."""
    return redirect("account_login")


urlpatterns: list[URLPattern] = [
    path("accounts/sso/cancelled/", sso_cancelled, name="socialaccount_login_cancelled"),
    path("accounts/sso/<str:provider_id>/login/", sso_login, name="openid_connect_login"),
    path("accounts/sso/<str:provider_id>/callback/", sso_callback, name="openid_connect_callback"),
]

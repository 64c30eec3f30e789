"""Sign-in and the installation's people. Registration is closed: people come by invitation.

Mail may not be there, so every page of allauth that would send some says whom to ask instead.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import User
from labelapp.selectors.people import all_people, reset_link_for
from labelapp.services import accounts, sign_on
from labelapp.web.base import person


class InvitationOnlyAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Closes allauth's registration, passwords where only single sign-on is wanted, and mails."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody registers without an invitation."""
        del request
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse passwords where nobody signs in with one; else count the tries, as allauth does."""
        if settings.OIDC_ONLY:
            raise ValidationError(_("Nobody signs in with a password here: use single sign-on."))
        super().pre_authenticate(request, **credentials)

    def post_login(self, request: HttpRequest, user: User, **named: Any) -> HttpResponse:
        """Write into the audit log who has signed in, and how: all steps of it are done."""
        response: HttpResponse = super().post_login(request, user, **named)
        steps = get_authentication_records(request, user)
        sign_on.signed_in(user=user, steps=[str(one.get("method", "")) for one in steps])
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Write into the audit log that a password was refused."""
        super().authentication_failed(request, **credentials)
        known = request.user if request.user.is_authenticated else None
        sign_on.refused(user=known, email=str(credentials.get("email") or ""), what="password")

    def send_notification_mail(self, template_prefix: str, user: User, **_rest: Any) -> None:
        """Write into the audit log what allauth would mail: who changed their own sign-in."""
        sign_on.note(user=user, what=template_prefix)


@login_required
@never_cache
@require_GET
def accounts_page(request: HttpRequest) -> HttpResponse:
    """Show everyone with an account here, to the owner of the installation."""
    return _accounts(request)


def _accounts(request: HttpRequest, **extra: object) -> HttpResponse:
    if not person(request).is_superuser:
        raise ForbiddenError(_("Only the owner of this installation sees this page."))
    return render(request, "people/accounts.html", {"people": all_people(), **extra})


@login_required
@require_POST
def account_deactivate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Sign a person out for good."""
    try:
        who = accounts.deactivate(actor=person(request), user_id=user_id)
    except ConflictError as error:
        messages.error(request, error.message, extra_tags=error.code)
        return redirect("accounts")
    messages.success(
        request,
        _("%(who)s is deactivated and signed out. Answers and earnings stay.") % {"who": who},
    )
    return redirect("accounts")


@login_required
@require_POST
def account_reactivate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Let a deactivated person sign in again."""
    who = accounts.reactivate(actor=person(request), user_id=user_id)
    messages.success(request, _("%(who)s can sign in again.") % {"who": who})
    return redirect("accounts")


@login_required
@require_POST
def account_second_factor(request: HttpRequest, user_id: int) -> HttpResponse:
    """Remove the second factor of somebody who lost it."""
    who = accounts.remove_second_factor(actor=person(request), user_id=user_id)
    messages.success(
        request, _("%(who)s signs in with the password alone, on every device anew.") % {"who": who}
    )
    return redirect("accounts")


@login_required
@never_cache
@require_POST
def account_reset_link(request: HttpRequest, user_id: int) -> HttpResponse:
    """Make a reset link and show it, this once."""
    try:
        who, token = accounts.create_reset_link(actor=person(request), user_id=user_id)
    except ConflictError as error:
        messages.error(request, error.message, extra_tags=error.code)
        return redirect("accounts")
    link = request.build_absolute_uri(reverse("password_link", args=[token]))
    return _accounts(request, link=link, link_for=who, hours=accounts.RESET_HOURS)


@never_cache
@require_http_methods(["GET", "POST"])
def password_link(request: HttpRequest, token: str) -> HttpResponse:
    """Set a new password with a reset link."""
    link = reset_link_for(token)
    error = None
    if request.method == "POST":
        try:
            accounts.set_password_by_link(token=token, password=request.POST.get("password", ""))
        except InvalidInputError as problem:
            error = problem
        else:
            messages.success(request, _("The new password is set. Sign in with it."))
            return redirect("account_login")
    context = {"who": link.user, "error": error}
    return render(request, "account/password_link.html", context, status=400 if error else 200)


def no_mail(request: HttpRequest, **_rest: object) -> HttpResponse:
    """Say whom to ask, where allauth would send a mail."""
    return render(request, "account/no_mail.html")


urlpatterns: list[URLPattern] = [
    path("people/", accounts_page, name="accounts"),
    path("people/<int:user_id>/deactivate/", account_deactivate, name="account_deactivate"),
    path("people/<int:user_id>/reactivate/", account_reactivate, name="account_reactivate"),
    path("people/<int:user_id>/reset-link/", account_reset_link, name="account_reset_link"),
    path(
        "people/<int:user_id>/second-factor/", account_second_factor, name="account_second_factor"
    ),
    path("reset/<str:token>/", password_link, name="password_link"),
    # In front of allauth's pages of the same addresses, which need a mail server.
    path("accounts/email/", no_mail, name="account_email"),
    path("accounts/confirm-email/", no_mail, name="account_email_verification_sent"),
    path("accounts/confirm-email/<str:key>/", no_mail, name="account_confirm_email"),
    path("accounts/password/reset/", no_mail, name="account_reset_password"),
    path("accounts/password/reset/done/", no_mail, name="account_reset_password_done"),
    path("accounts/password/reset/key/done/", no_mail),
    path("accounts/password/reset/key/<str:key>/", no_mail),
    path("accounts/login/code/confirm/", no_mail, name="account_confirm_login_code"),
]

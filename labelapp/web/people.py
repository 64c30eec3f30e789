"""Pages: a project's people and invitations, and the page behind an invitation's link."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.errors import AppError, ConflictError, InvalidInputError
from labelapp.models import Invitation
from labelapp.rights import Right, Role
from labelapp.selectors.people import (
    ROLE_HELP,
    assignable_roles,
    invitation_for,
    members,
    open_invitations,
)
from labelapp.selectors.projects import Access
from labelapp.selectors.role_table import ROLES, role_table
from labelapp.selectors.tokens import project_tokens
from labelapp.services import accounts, invitation_mails, pauses, people, tokens
from labelapp.services.people import Joined
from labelapp.web.base import outcome_said, person, project_page

BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(Right.MANAGE_PEOPLE)
def project_people(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the people; POST invites: by mail, or with a link that is shown this once."""
    shown: dict[str, object] = {}
    status = 200
    if request.method == "POST":
        try:
            shown = _invite(request, access)
        except InvalidInputError as problem:
            shown, status = {"error": problem.message, "values": request.POST}, problem.status
    return render(request, "people/page.html", _context(access) | shown, status=status)


def _invite(request: HttpRequest, access: Access) -> dict[str, object]:
    days = request.POST.get("days", "")
    role = request.POST.get("role", "")
    lasts = int(days) if days.isdecimal() and len(days) < 6 else 0
    emails = invitation_mails.addresses_in(request.POST.get("emails", ""))
    if emails:
        sent = invitation_mails.invite_by_mail(
            access=access, role=role, emails=emails, days=lasts, link_of=_link_of(request)
        )
        return {"sent": sent}
    note = request.POST.get("note", "")
    _made, token = people.create_invitation(access=access, role=role, note=note, days=lasts)
    return {"link": _link_of(request)(token)}


def _link_of(request: HttpRequest) -> Callable[[str], str]:
    """Return what makes an invitation's address of its token."""

    def link(token: str) -> str:
        there = reverse("invitation", args=[token])
        return settings.BASE_URL + there if settings.BASE_URL else request.build_absolute_uri(there)

    return link


def _context(access: Access) -> dict[str, object]:
    roles = assignable_roles(access)
    rows = [(m, m.role in roles and m.user_id != access.user.pk) for m in members(access)]
    return {
        "access": access,
        "active": "people",
        "rows": rows,
        "roles": [(role, ROLE_HELP[role]) for role in roles],
        "chosen": roles[0] if roles else "",
        "invitations": open_invitations(access),
        "tokens": project_tokens(access),
        "table_roles": ROLES,
        "table": role_table(),
        "mail_on": settings.MAIL_ON,
        "days": people.INVITATION_DAYS,
        "max_days": people.MAX_INVITATION_DAYS,
    }


@never_cache
@require_POST
@project_page(Right.MANAGE_PEOPLE)
def invitation_again(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """Mail an invitation once more; where that fails, show its new link."""
    try:
        sent = invitation_mails.send_again(
            access=access, invitation_id=invitation_id, link_of=_link_of(request)
        )
    except ConflictError as error:
        messages.error(request, error.message, extra_tags=error.code)
        return redirect("project_people", pid=access.project.public_id)
    return render(request, "people/page.html", _context(access) | {"sent": [sent]})


@require_POST
@project_page(Right.MANAGE_PEOPLE)
def project_token_revoke(request: HttpRequest, access: Access, token_id: int) -> HttpResponse:
    """End an access token that is bound to this project."""
    tokens.revoke_in_project(access=access, token_id=token_id)
    messages.success(request, _("The access token no longer works."))
    return redirect("project_people", pid=access.project.public_id)


@require_POST
@project_page(Right.MANAGE_PEOPLE)
def member_role(request: HttpRequest, access: Access, user_id: int) -> HttpResponse:
    """Give a member another role."""
    with outcome_said(request, _("The role is changed.")):
        people.change_role(access=access, user_id=user_id, role=request.POST.get("role", ""))
    return redirect("project_people", pid=access.project.public_id)


@require_POST
@project_page(Right.MANAGE_PEOPLE)
def member_remove(request: HttpRequest, access: Access, user_id: int) -> HttpResponse:
    """Take a member out of the project."""
    with outcome_said(request, _("Removed. Answers and earnings stay; open tasks are free again.")):
        people.remove_member(access=access, user_id=user_id)
    if user_id == access.user.pk:
        return redirect("projects")
    return redirect("project_people", pid=access.project.public_id)


@require_POST
@project_page(Right.MANAGE_PEOPLE)
def member_pause(request: HttpRequest, access: Access, user_id: int) -> HttpResponse:
    """Give a member no more images."""
    with outcome_said(request, _("Paused. Nothing that they answered is lost.")):
        pauses.pause(access=access, user_id=user_id, reason=request.POST.get("reason", ""))
    return redirect("project_people", pid=access.project.public_id)


@require_POST
@project_page(Right.MANAGE_PEOPLE)
def member_resume(request: HttpRequest, access: Access, user_id: int) -> HttpResponse:
    """Give a paused member images again."""
    with outcome_said(request, _("They get images again; earlier gold no longer counts.")):
        pauses.resume(access=access, user_id=user_id)
    return redirect("project_people", pid=access.project.public_id)


@require_POST
@project_page(Right.MANAGE_PEOPLE)
def invitation_revoke(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """Make an invitation's link stop working."""
    people.revoke_invitation(access=access, invitation_id=invitation_id)
    messages.success(request, _("The link no longer works."))
    return redirect("project_people", pid=access.project.public_id)


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation; POST joins, with the signed-in account or a new one."""
    found = invitation_for(token)
    if request.method == "GET":
        return _invitation_page(request, found, token)
    if request.user.is_authenticated:
        return _welcome(request, people.accept_invitation(user=person(request), token=token))
    try:
        user, joined = accounts.join_with_new_account(
            token=token,
            email=request.POST.get("email", ""),
            display_name=request.POST.get("display_name", ""),
            password=request.POST.get("password", ""),
        )
    except InvalidInputError as error:
        return _invitation_page(request, found, token, error)
    login(request, user, backend=BACKEND)
    return _welcome(request, joined)


def _invitation_page(
    request: HttpRequest, found: Invitation, token: str, error: AppError | None = None
) -> HttpResponse:
    elsewhere = request.user.is_authenticated and found.email not in {"", person(request).email}
    context = {
        "invitation": found,
        "elsewhere": elsewhere,
        "help": ROLE_HELP[Role(found.role)],
        "token": token,
        "error": error,
        "values": request.POST,
    }
    return render(request, "people/invitation.html", context, status=error.status if error else 200)


def _welcome(request: HttpRequest, joined: Joined) -> HttpResponse:
    name = joined.project.name
    if joined.changed:
        messages.success(request, _WELCOME[Role(joined.role)] % {"name": name})
    else:
        messages.info(request, _ALREADY[Role(joined.role)] % {"name": name})
    return redirect("project", pid=joined.project.public_id)


_WELCOME = {
    Role.OWNER: gettext_lazy("Welcome to %(name)s. You are an owner here."),
    Role.MANAGER: gettext_lazy("Welcome to %(name)s. You are a manager here."),
    Role.REVIEWER: gettext_lazy("Welcome to %(name)s. You are a reviewer here."),
    Role.ANNOTATOR: gettext_lazy("Welcome to %(name)s. You are an annotator here."),
    Role.VIEWER: gettext_lazy("Welcome to %(name)s. You are a viewer here."),
}
_ALREADY = {
    Role.OWNER: gettext_lazy(
        "You are already an owner in %(name)s: nothing has changed, and the link still works for "
        "somebody else."
    ),
    Role.MANAGER: gettext_lazy(
        "You are already a manager in %(name)s: nothing has changed, and the link still works for "
        "somebody else."
    ),
    Role.REVIEWER: gettext_lazy(
        "You are already a reviewer in %(name)s: nothing has changed, and the link still works for "
        "somebody else."
    ),
    Role.ANNOTATOR: gettext_lazy(
        "You are already an annotator in %(name)s: nothing has changed, and the link still works "
        "for somebody else."
    ),
    Role.VIEWER: gettext_lazy(
        "You are already a viewer in %(name)s: nothing has changed, and the link still works for "
        "somebody else. Whoever manages the people can give you another role."
    ),
}


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/people/", project_people, name="project_people"),
    path("p/<str:pid>/people/<int:user_id>/role/", member_role, name="member_role"),
    path("p/<str:pid>/people/<int:user_id>/remove/", member_remove, name="member_remove"),
    path("p/<str:pid>/people/<int:user_id>/pause/", member_pause, name="member_pause"),
    path("p/<str:pid>/people/<int:user_id>/resume/", member_resume, name="member_resume"),
    path(
        "p/<str:pid>/invitations/<int:invitation_id>/revoke/",
        invitation_revoke,
        name="invitation_revoke",
    ),
    path(
        "p/<str:pid>/invitations/<int:invitation_id>/again/",
        invitation_again,
        name="invitation_again",
    ),
    path(
        "p/<str:pid>/tokens/<int:token_id>/revoke/",
        project_token_revoke,
        name="project_token_revoke",
    ),
    path("invite/<str:token>/", invitation, name="invitation"),
]

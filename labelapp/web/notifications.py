"""What a person is told, and where: the bell, the list, the choices, and the end of mails."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.errors import InvalidInputError, NotFoundError
from labelapp.rights import Right
from labelapp.selectors import notifications as selectors
from labelapp.selectors.dashboard_words import number
from labelapp.selectors.projects import Access, visible_projects
from labelapp.services import notify_mail, notify_settings
from labelapp.web.base import person, project_page
from labelapp.web.going_back import back

_LARGEST = 2**62


@never_cache
@login_required
@require_safe
def my_notifications(request: HttpRequest) -> HttpResponse:
    """Show what one was told, the newest first."""
    user, chosen = person(request), request.GET.get("project", "")
    only_unread = request.GET.get("unread") == "1"
    before = _number(request.GET.get("before", ""))
    rows, more = selectors.page(user, before=before, project=chosen, unread=only_unread)
    context = {
        "rows": rows,
        "more": more,
        "chosen": chosen,
        "only_unread": only_unread,
        "unread": selectors.unread_count(user),
        "projects": list(visible_projects(user).only("public_id", "name", "created")[:200]),
        "mail_on": settings.MAIL_ON,
    }
    whole = not request.headers.get("HX-Request")
    template = "notifications/page.html" if whole else "notifications/_more.html"
    return render(request, template, context)


def _number(text: str) -> int:
    found = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    return min(found, _LARGEST)


@never_cache
@login_required
@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """Return the newest news as the body of the bell's menu."""
    context = {"rows": selectors.newest(person(request))}
    return render(request, "notifications/_bell.html", context)


@never_cache
@login_required
@require_safe
def count(request: HttpRequest) -> JsonResponse:
    """Say how many are unread: "99+" beyond that many."""
    unread = selectors.unread_count(person(request))
    most = selectors.MOST_UNREAD
    words = ngettext("%(n)s unread notification", "%(n)s unread notifications", unread)
    text = f"{most}+" if unread > most else number(unread)
    return JsonResponse({"unread": unread, "text": text, "words": words % {"n": text}})


@login_required
@require_POST
def mark(request: HttpRequest, notification_id: int) -> HttpResponse:
    """Mark one as read, or as unread (`read=0`)."""
    read = request.POST.get("read") != "0"
    user = person(request)
    row = notify_settings.mark(user=user, notification_id=notification_id, read=read)
    if request.headers.get("HX-Request"):
        return render(request, "notifications/_notice.html", {"row": selectors.notice(row)})
    return _back(request)


@login_required
@require_POST
def mark_all(request: HttpRequest) -> HttpResponse:
    """Mark all as read: of one project if it is named, else of all."""
    user, pid = person(request), request.POST.get("project", "")
    project = visible_projects(user).filter(public_id=pid).first() if pid else None
    if pid and project is None:
        raise NotFoundError(_("There is no such project, or you are not a member of it."))
    notify_settings.mark_all(user=user, project_id=project.pk if project else None)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    return back(request, reverse("my_notifications"))


@never_cache
@require_http_methods(["GET", "POST"])
@project_page()
def project_notifications(request: HttpRequest, access: Access) -> HttpResponse:
    """Choose what one is told of this project; whoever may steer also sets the thresholds."""
    error, status = None, 200
    project = access.project
    shown = {
        "move": f"{project.notify_move * 100:g}",
        "budget": f"{project.notify_budget * 100:g}",
    }
    if request.method == "POST":
        shown = {name: request.POST.get(name, value) for name, value in shown.items()}
        try:
            _keep(request, access)
        except InvalidInputError as problem:
            error, status = problem, problem.status
        else:
            messages.success(request, _("Saved."))
            return redirect("project_notifications", pid=project.public_id)
    context = {
        "access": access,
        "active": "settings" if access.may(Right.STEER) else "",
        "part": "notifications",
        "choices": selectors.choices(access),
        "values": shown,
        "error": error,
        "mail_on": settings.MAIL_ON,
        "steers": access.may(Right.STEER),
    }
    return render(request, "notifications/choices.html", context, status=status)


def _keep(request: HttpRequest, access: Access) -> None:
    if access.may(Right.STEER) and "move" in request.POST:
        notify_settings.set_thresholds(
            access=access,
            move=_percent(request.POST.get("move", "")),
            budget=_percent(request.POST.get("budget", "")),
        )
    ways = {
        name.removeprefix("ways-"): values
        for name, values in request.POST.lists()
        if name.startswith("ways-")
    }
    notify_settings.choose(access=access, ways=ways)


def _percent(text: str) -> float:
    """Read a percentage as people write it: 5, 7.5 or 7,5. Nonsense is out of every range."""
    try:
        return float(text.strip().replace(",", ".")) / 100
    except ValueError:
        return float("nan")


@never_cache
@csrf_exempt  # a mail program posts here by itself (RFC 8058); the link is signed
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether mails about some projects shall end; POST ends them."""
    if request.method == "POST":
        names = notify_settings.unsubscribe(token)
    else:
        members = notify_mail.memberships_of(token)
        if members is None:
            raise NotFoundError(_("This link is incomplete or was changed."))
        names = [member.project.name for member in members]
    context = {"names": names, "done": request.method == "POST", "token": token}
    return render(request, "notifications/unsubscribe.html", context)


urlpatterns: list[URLPattern] = [
    path("me/notifications/", my_notifications, name="my_notifications"),
    path("me/notifications/bell/", bell, name="my_notifications_bell"),
    path("me/notifications/count/", count, name="my_notifications_count"),
    path("me/notifications/read/", mark_all, name="my_notifications_read"),
    path("me/notifications/<int:notification_id>/", mark, name="my_notification"),
    path("p/<str:pid>/notifications/", project_notifications, name="project_notifications"),
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
]

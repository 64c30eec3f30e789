"""Where a project's events are sent, and how that went."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.errors import AppError, ConflictError, InvalidInputError
from labelapp.rights import Right
from labelapp.selectors import notifications as selectors
from labelapp.selectors.jobs import worker_alive
from labelapp.selectors.notices import HOOK_KINDS
from labelapp.selectors.projects import Access
from labelapp.services import webhooks
from labelapp.web.base import outcome_said, project_page
from labelapp.web.second_factor import can_confirm

_LARGEST = 2**62


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(Right.WEBHOOKS)
def project_webhooks(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the webhooks; POST makes one."""
    error, url, kinds = None, "", [kind for kind in HOOK_KINDS if kind != "batch_ready"]
    if request.method == "POST":
        url, kinds = request.POST.get("url", ""), request.POST.getlist("kinds")
        try:
            made = webhooks.create(access=access, url=url, kinds=kinds)
        except (InvalidInputError, ConflictError) as problem:
            error = problem
        else:
            messages.success(request, _("Made. Copy its secret, then send a test."))
            return redirect("webhook", pid=access.project.public_id, hook_id=made.pk)
    context = _context(access) | {
        "hooks": selectors.hooks(access.project),
        "url": url,
        "choices": selectors.hook_choices(kinds, webhooks.HOOK_EVENTS),
        "error": error,
    }
    return render(request, "webhooks/page.html", context, status=error.status if error else 200)


def _context(access: Access) -> dict[str, object]:
    return {
        "access": access,
        "active": "settings",
        "part": "webhooks",
        "worker": worker_alive(),
    }


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(Right.WEBHOOKS)
def webhook(request: HttpRequest, access: Access, hook_id: int) -> HttpResponse:
    """Show one webhook and its log; POST changes it."""
    if request.method == "POST":
        try:
            webhooks.change(
                access=access,
                hook_id=hook_id,
                url=request.POST.get("url", ""),
                kinds=request.POST.getlist("kinds"),
                active=request.POST.get("active") == "1",
            )
        except InvalidInputError as problem:
            return _page(request, access, hook_id, error=problem)
        messages.success(request, _("Saved."))
        return _to(access, hook_id)
    return _page(request, access, hook_id)


def _page(
    request: HttpRequest,
    access: Access,
    hook_id: int,
    *,
    error: AppError | None = None,
    secret: str = "",
) -> HttpResponse:
    hook = webhooks.find(access, hook_id)
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    rows, more = selectors.deliveries(hook, before=min(before, _LARGEST))
    kinds = request.POST.getlist("kinds") if error else hook.kinds
    context = _context(access) | {
        "hook": hook,
        "row": next(row for row in selectors.hooks(access.project) if row.hook.pk == hook.pk),
        "url": request.POST.get("url", "") if error else hook.url,
        "choices": selectors.hook_choices(kinds, webhooks.HOOK_EVENTS),
        "deliveries": rows,
        "more": more,
        "error": error,
        "secret": secret,
    }
    return render(request, "webhooks/hook.html", context, status=error.status if error else 200)


def _to(access: Access, hook_id: int) -> HttpResponse:
    return redirect("webhook", pid=access.project.public_id, hook_id=hook_id)


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(Right.WEBHOOKS)
@reauthentication_required(allow_get=True, enabled=can_confirm)  # type: ignore[untyped-decorator]
def webhook_secret(request: HttpRequest, access: Access, hook_id: int) -> HttpResponse:
    """Show the signing key, or make a new one (`new=1`), to somebody who has just confirmed it."""
    if request.method == "GET":  # the page of the confirmation, loaded again
        return _to(access, hook_id)
    if request.POST.get("new") == "1":
        key = webhooks.new_secret(access=access, hook_id=hook_id)
        messages.success(request, _("The old secret signs nothing any more."))
    else:
        key = webhooks.show_secret(access=access, hook_id=hook_id)
    return _page(request, access, hook_id, secret=key)


@require_POST
@project_page(Right.WEBHOOKS)
def webhook_test(request: HttpRequest, access: Access, hook_id: int) -> HttpResponse:
    """Have a test sent by the worker."""
    with outcome_said(request, _("A test is on its way: it shows in the log within seconds.")):
        webhooks.send_test(access=access, hook_id=hook_id)
    return _to(access, hook_id)


@require_POST
@project_page(Right.WEBHOOKS)
def webhook_again(
    request: HttpRequest, access: Access, hook_id: int, delivery_id: int
) -> HttpResponse:
    """Have a message sent once more."""
    with outcome_said(request, _("It is sent again, with the same id.")):
        webhooks.send_again(access=access, hook_id=hook_id, delivery_id=delivery_id)
    return _to(access, hook_id)


@require_POST
@project_page(Right.WEBHOOKS)
def webhook_delete(request: HttpRequest, access: Access, hook_id: int) -> HttpResponse:
    """Delete a webhook and its log."""
    webhooks.delete(access=access, hook_id=hook_id)
    messages.success(request, _("The webhook is deleted; nothing more is sent there."))
    return redirect("project_webhooks", pid=access.project.public_id)


_HOOK = "p/<str:pid>/webhooks/<int:hook_id>/"

urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/webhooks/", project_webhooks, name="project_webhooks"),
    path(_HOOK, webhook, name="webhook"),
    path(f"{_HOOK}secret/", webhook_secret, name="webhook_secret"),
    path(f"{_HOOK}test/", webhook_test, name="webhook_test"),
    path(f"{_HOOK}delete/", webhook_delete, name="webhook_delete"),
    path(f"{_HOOK}again/<int:delivery_id>/", webhook_again, name="webhook_again"),
]

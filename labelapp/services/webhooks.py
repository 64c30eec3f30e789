"""A project's webhooks: made, changed, tried out, and what did not arrive sent again."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.events import EVENT_TYPES
from labelapp.models import Delivery, Project, Webhook
from labelapp.models.control import new_nonce
from labelapp.rights import Right
from labelapp.selectors.notices import HOOK_KINDS, QUIET_EVENTS
from labelapp.selectors.projects import Access
from labelapp.services import audit, webhook_http, webhook_sending
from labelapp.services.notify_tell import body

MOST_HOOKS = 20  # of one project
HOOK_EVENTS: tuple[str, ...] = tuple(code for code in EVENT_TYPES if code not in QUIET_EVENTS)
"""Every event that is more than progress."""
_KNOWN = (*HOOK_KINDS, *HOOK_EVENTS)


def create(*, access: Access, url: str, kinds: Iterable[str]) -> Webhook:
    """Make a webhook. Nothing is sent now: looking the address up is the worker's.

    Raises ForbiddenError, InvalidInputError, ConflictError when there are too many.
    """
    _check(access)
    values = {"url": _url(url), "kinds": _kinds(kinds)}
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=access.project.pk)
        if Webhook.objects.filter(project=access.project).count() >= MOST_HOOKS:
            raise ConflictError(
                _("A project has at most %(n)s webhooks. Delete one first.") % {"n": MOST_HOOKS}
            )
        hook = Webhook.objects.create(project=access.project, created_by=access.user, **values)
        _note(access, hook, "webhook.created", after=_facts(hook))
    return hook


def change(
    *, access: Access, hook_id: int, url: str, kinds: Iterable[str], active: bool
) -> Webhook:
    """Change a webhook; switched on again it starts with no failures behind it."""
    hook = find(access, hook_id)
    before = _facts(hook)
    with transaction.atomic():
        hook.url, hook.kinds = _url(url), _kinds(kinds)
        if active and not hook.active:
            hook.trouble = ""
            _forget_failures(hook)
        hook.active = active
        hook.save(update_fields=["url", "kinds", "active", "trouble"])
        if _facts(hook) != before:
            _note(access, hook, "webhook.changed", before=before, after=_facts(hook))
    return hook


def _forget_failures(hook: Webhook) -> None:
    """Give up what still waits and let failures count from now on."""
    rows = Delivery.objects.filter(webhook=hook).exclude(state=Delivery.State.SENT)
    rows.filter(state=Delivery.State.WAITING).update(state=Delivery.State.FAILED)
    rows.update(attempts=0)


def delete(*, access: Access, hook_id: int) -> None:
    """Delete a webhook and its log."""
    hook = find(access, hook_id)
    with transaction.atomic():
        _note(access, hook, "webhook.deleted", before=_facts(hook))
        hook.delete()


def show_secret(*, access: Access, hook_id: int) -> str:
    """Return the signing key; who looked at it is written down."""
    hook = find(access, hook_id)
    _note(access, hook, "webhook.secret_shown")
    return webhook_sending.secret(hook)


def new_secret(*, access: Access, hook_id: int) -> str:
    """Make another signing key; the old one signs nothing any more."""
    hook = find(access, hook_id)
    with transaction.atomic():
        hook.nonce = new_nonce()
        hook.save(update_fields=["nonce"])
        _note(access, hook, "webhook.secret_changed")
    return webhook_sending.secret(hook)


def send_test(*, access: Access, hook_id: int) -> Delivery:
    """Put a message without meaning into the webhook's queue."""
    hook = find(access, hook_id)
    _check_active(hook)
    key = f"{access.project.public_id}:test:{secrets.token_hex(8)}"
    text = body(access.project, "test", key, {})
    return Delivery.objects.create(webhook=hook, key=key, kind="test", body=text)


def send_again(*, access: Access, hook_id: int, delivery_id: int) -> None:
    """Send a message once more, with the same id and body. Raises ConflictError while it waits."""
    hook = find(access, hook_id)
    _check_active(hook)
    rows = Delivery.objects.filter(webhook=hook, pk=delivery_id)
    if not rows.exists():
        raise NotFoundError(_("There is no such message."))
    ended = rows.exclude(state=Delivery.State.WAITING)
    now = timezone.now()
    again = ended.update(
        state=Delivery.State.WAITING, attempts=0, next_try=now, created=now, error="", status=None
    )
    if not again:
        raise ConflictError(_("This message is waiting to be sent already."))


def _check(access: Access) -> None:
    if not access.may(Right.WEBHOOKS):
        raise ForbiddenError(_("Your role in this project does not allow this."))


def _check_active(hook: Webhook) -> None:
    if not hook.active:
        raise ConflictError(_("This webhook is switched off. Switch it on first."))


def find(access: Access, hook_id: int) -> Webhook:
    """Return this webhook of the project. Raises ForbiddenError, NotFoundError."""
    _check(access)
    hook = Webhook.objects.filter(project=access.project, pk=hook_id).first()
    if hook is None:
        raise NotFoundError(_("There is no such webhook."))
    return hook


def _url(url: str) -> str:
    url = url.strip()
    try:
        parts, _port = webhook_http.parse(url)
    except webhook_http.SendError:
        parts = None
    if parts is None or len(url) > 500:
        message = _("The address must look like https://example.org/hook, at most 500 characters.")
        raise InvalidInputError(message, url=message)
    if webhook_http.surely_forbidden(str(parts.hostname)):
        message = _(
            "This address is inside this network. The installation's owner can allow it with "
            "MCAL_WEBHOOK_ALLOW."
        )
        raise InvalidInputError(message, url=message)
    return url


def _kinds(kinds: Iterable[str]) -> list[str]:
    chosen = set(kinds)
    if not chosen:
        raise InvalidInputError(_("Choose at least one kind of news."))
    if not chosen.issubset(_KNOWN):
        raise InvalidInputError(_("There is no such kind of news."))
    return [kind for kind in _KNOWN if kind in chosen]


def _facts(hook: Webhook) -> dict[str, Any]:
    """Describe a webhook for the log; of its address the host only: paths may hold secrets."""
    host = webhook_http.parse(hook.url)[0].hostname
    return {"host": host, "kinds": hook.kinds, "active": hook.active}


def _note(access: Access, hook: Webhook, action: str, **facts: dict[str, Any]) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=str(webhook_http.parse(hook.url)[0].hostname),
        **facts,
    )

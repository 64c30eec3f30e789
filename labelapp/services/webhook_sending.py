"""Send what waits for webhooks: claimed, signed, tried again for a day, then given up.

At least once: a worker that dies between sending and noting it sends again; the event's id tells
the receiver. One message of a webhook is under way at a time, so a slow receiver holds nobody up.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, QuerySet, Sum
from django.utils import timezone
from django.utils.crypto import salted_hmac

from labelapp.models import Delivery, Webhook
from labelapp.services import webhook_http
from labelapp.services.notify_tell import News, tell

LEASE = timedelta(seconds=60)  # a claim whose worker died is free again after this
FIRST_WAIT = 10.0  # seconds; doubles with each attempt
LONGEST_WAIT = 3_600.0
TRY_FOR = timedelta(days=1)
MOST_FAILURES = 50  # in a row; then the webhook is switched off
TIMEOUT = 10.0
AT_ONCE = 20  # messages of one webhook before others get their turn
DOWN_WAIT = 60.0  # seconds in which nothing else is sent to a receiver that does not answer
_DOWN = {"timeout", "connect", "tls", "name", "broken"}


def secret(hook: Webhook) -> str:
    """Return the webhook's signing key: made of SECRET_KEY and its nonce, stored nowhere."""
    return "whsec_" + salted_hmac("labelapp.webhook", hook.nonce, algorithm="sha256").hexdigest()


def signature(key: str, moment: int, body: bytes) -> str:
    """Return the signature's header: t=<seconds>,v1=<HMAC-SHA256 of "t.body" in hex>."""
    signed = hmac.new(key.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def due_hooks(busy: set[int], most: int) -> list[int]:
    """Return webhooks that messages wait for, the longest waiting first."""
    rows = Delivery.objects.filter(
        state=Delivery.State.WAITING, next_try__lte=timezone.now(), webhook__active=True
    ).exclude(webhook_id__in=busy)
    found: dict[int, None] = {}
    for hook in rows.order_by("next_try").values_list("webhook_id", flat=True)[:200]:
        found[hook] = None
    return list(found)[:most]


def send_due(hook_id: int) -> int:
    """Send what waits for this webhook, until one fails; return how many were tried."""
    for tried in range(AT_ONCE):
        delivery = _claim(hook_id)
        if delivery is None:
            return tried
        if not _send(delivery):
            return tried + 1
    return AT_ONCE


def _claim(hook_id: int) -> Delivery | None:
    """Take the message that waits longest, by conditional update."""
    waiting = Delivery.objects.filter(
        webhook_id=hook_id,
        webhook__active=True,
        state=Delivery.State.WAITING,
        next_try__lte=timezone.now(),
    )
    delivery = waiting.select_related("webhook__project").order_by("next_try", "pk").first()
    if delivery is None:
        return None
    mine = Delivery.objects.filter(
        pk=delivery.pk, state=Delivery.State.WAITING, next_try=delivery.next_try
    )
    lease = timezone.now() + LEASE
    if not mine.update(next_try=lease, attempts=F("attempts") + 1):
        return None
    delivery.attempts += 1
    delivery.next_try = lease
    return delivery


def _send(delivery: Delivery) -> bool:
    """Post one message and note how it went; True if it arrived."""
    body, moment = delivery.body.encode(), int(time.time())
    headers = {
        "X-MCAL-Signature": signature(secret(delivery.webhook), moment, body),
        "X-MCAL-Event": delivery.kind,
        "X-MCAL-Delivery": delivery.key,
    }
    started = time.monotonic()
    try:
        reply = webhook_http.post(delivery.webhook.url, body, headers, seconds=TIMEOUT)
    except webhook_http.SendError as error:
        _failed(delivery, error, None, time.monotonic() - started)
        return False
    seconds = time.monotonic() - started
    if 200 <= reply.status < 300:
        _rows(delivery).update(
            state=Delivery.State.SENT,
            status=reply.status,
            seconds=seconds,
            error="",
            sent_at=timezone.now(),
        )
        return True
    _failed(delivery, _refusal(reply), reply.status, seconds)
    return False


def _refusal(reply: webhook_http.Reply) -> webhook_http.SendError:
    if reply.status == 410:
        return webhook_http.SendError("gone", hopeless=True)
    if 300 <= reply.status < 400:
        return webhook_http.SendError("redirect")
    said = " ".join(reply.text.split())[:240]
    return webhook_http.SendError("status", f"{reply.status} {said}".strip())


def _rows(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the row while the claim holds."""
    return Delivery.objects.filter(pk=delivery.pk, next_try=delivery.next_try)


def _failed(
    delivery: Delivery, error: webhook_http.SendError, status: int | None, seconds: float
) -> None:
    wait = next_wait(delivery.attempts)
    over = error.hopeless or timezone.now() + wait > delivery.created + TRY_FOR
    with transaction.atomic():
        noted = _rows(delivery).update(
            state=Delivery.State.FAILED if over else Delivery.State.WAITING,
            status=status,
            seconds=seconds,
            error=str(error),
            next_try=timezone.now() + wait,
        )
        if not noted:
            return
        if error.code in _DOWN or (status or 0) >= 500:
            _let_rest(delivery.webhook, min(wait, timedelta(seconds=DOWN_WAIT)))
        if error.code == "gone":
            switch_off(delivery.webhook, "gone|")
        elif failures_in_a_row(delivery.webhook) >= MOST_FAILURES:
            switch_off(delivery.webhook, f"often|{MOST_FAILURES}")


def next_wait(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: doubling, by chance up to a third more."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (max(attempts, 1) - 1))
    return timedelta(seconds=wait * random.uniform(1.0, 1.33))


def _let_rest(hook: Webhook, wait: timedelta) -> None:
    """Let other messages wait while the receiver does not answer: one at a time asks for all."""
    later = timezone.now() + wait
    rows = Delivery.objects.filter(webhook=hook, state=Delivery.State.WAITING, next_try__lt=later)
    rows.filter(attempts=0).update(next_try=later)


def failures_in_a_row(hook: Webhook) -> int:
    """Return how often sending failed since it last worked."""
    rows = Delivery.objects.filter(webhook=hook)
    last: datetime | None = rows.aggregate(last=Max("sent_at"))["last"]
    failed = rows.exclude(state=Delivery.State.SENT)
    if last is not None:
        failed = failed.filter(created__gt=last)
    return int(failed.aggregate(n=Sum("attempts"))["n"] or 0)


def switch_off(hook: Webhook, trouble: str) -> None:
    """Send nothing more there, and tell the managers why. Call it inside a transaction."""
    if not Webhook.objects.filter(pk=hook.pk, active=True).update(active=False, trouble=trouble):
        return
    host = webhook_http.parse(hook.url)[0].hostname or ""
    now = timezone.now().isoformat()
    key = f"{hook.project.public_id}:webhook:{hook.pk}:{now}"
    tell(hook.project, News("webhook_off", key, {"host": host, "trouble": trouble}))

"""Webhooks against a server of our own: signed, tried again, and never to where they must not go."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from django.db import transaction
from django.utils import timezone

from labelapp import events
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import AuditLog, Delivery, Notification, Webhook
from labelapp.services import (
    notify_events,
    notify_sending,
    notify_sweeps,
    webhook_http,
    webhook_sending,
    webhooks,
)
from tests.app.services.labelling_help import entry


class Receiver(BaseHTTPRequestHandler):
    """Answers with the next planned status; keeps what came."""

    plan: ClassVar[list] = []
    seen: ClassVar[list] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((self.path, dict(self.headers), body))
        status = self.plan.pop(0) if self.plan else 200
        if status == "slow":
            self.drip()
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"thanks" * 10_000)

    def drip(self):
        """One byte at a time: each resets a careless timeout."""
        for byte in b"HTTP/1.1 200 OK and much more":
            try:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
            except OSError:
                return

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def hear(server):
    Receiver.plan, Receiver.seen = [], []
    return Receiver


@pytest.fixture(autouse=True)
def _here(settings, monkeypatch):
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    settings.MAIL_ON = False
    monkeypatch.setattr(notify_events, "_seen", {})


@pytest.fixture
def boss(project, cast):
    return entry(project, cast.manager)


@pytest.fixture
def hook(boss, server, hear) -> Webhook:
    url = f"http://127.0.0.1:{server.server_port}/hook?from=mcal"
    return webhooks.create(access=boss, url=url, kinds=["run_finished", "batch.closed"])


def happen(project, type_="run.finished"):
    with transaction.atomic():
        events.record(project.pk, type_, {"reason": "all labelled"})
    notify_events.make_news()


def due(hook):
    """Let what waits be due now."""
    Delivery.objects.filter(webhook=hook, state="waiting").update(next_try=timezone.now())


def one(hook) -> Delivery:
    return Delivery.objects.get(webhook=hook)


def test_a_message_arrives_signed_and_the_signature_verifies(project, hook, hear):
    happen(project)
    happen(project, "batch.opened")  # nobody asked for that
    assert webhook_sending.send_due(hook.pk) == 1
    ((path, headers, body),) = hear.seen
    assert path == "/hook?from=mcal"
    parts = dict(part.split("=", 1) for part in headers["X-MCAL-Signature"].split(","))
    key = webhook_sending.secret(hook)
    mine = hmac.new(key.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(mine, parts["v1"])
    message = json.loads(body)
    assert message["kind"] == headers["X-MCAL-Event"] == "run_finished"
    assert message["id"] == headers["X-MCAL-Delivery"]
    assert message["project"] == {"id": project.public_id, "name": "Shapes"}
    assert (one(hook).state, one(hook).status) == ("sent", 200)


def test_another_secret_signs_otherwise(boss, hook):
    first = webhooks.show_secret(access=boss, hook_id=hook.pk)
    second = webhooks.new_secret(access=boss, hook_id=hook.pk)
    assert first != second == webhooks.show_secret(access=boss, hook_id=hook.pk)
    assert first not in str(list(AuditLog.objects.values()))


def test_single_events_can_be_heard(project, hook, hear):
    happen(project, "batch.closed")
    webhook_sending.send_due(hook.pk)
    assert json.loads(hear.seen[0][2])["kind"] == "batch.closed"


def test_what_fails_is_tried_again_later_and_then_arrives(project, hook, hear):
    hear.plan = [500, 302, 200]
    happen(project)
    assert webhook_sending.send_due(hook.pk) == 1
    assert webhook_sending.send_due(hook.pk) == 0  # not yet
    assert one(hook).error.startswith("status|500 thanks")
    assert len(one(hook).error) <= 300
    due(hook)
    webhook_sending.send_due(hook.pk)
    assert one(hook).error == "redirect|"  # and nobody asked /elsewhere
    due(hook)
    webhook_sending.send_due(hook.pk)
    assert (one(hook).state, one(hook).attempts) == ("sent", 3)
    assert {path for path, *_ in hear.seen} == {"/hook?from=mcal"}


def test_after_a_day_a_message_is_given_up_and_can_be_sent_again(project, boss, hook, hear):
    hear.plan = [503]
    happen(project)
    Delivery.objects.update(created=timezone.now() - timedelta(hours=24))
    webhook_sending.send_due(hook.pk)
    assert one(hook).state == "failed"
    webhooks.send_again(access=boss, hook_id=hook.pk, delivery_id=one(hook).pk)
    with pytest.raises(ConflictError):
        webhooks.send_again(access=boss, hook_id=hook.pk, delivery_id=one(hook).pk)
    webhook_sending.send_due(hook.pk)
    assert one(hook).state == "sent"
    assert hear.seen[0][2] == hear.seen[1][2]  # the same id and body


def test_a_receiver_that_is_gone_is_asked_no_more_and_the_managers_hear_it(project, hook, hear):
    hear.plan = [410]
    happen(project)
    webhook_sending.send_due(hook.pk)
    hook.refresh_from_db()
    assert (hook.active, hook.trouble) == (False, "gone|")
    assert Notification.objects.filter(kind="webhook_off").count() == 2
    happen(project)
    assert Delivery.objects.count() == 1


def test_fifty_failures_in_a_row_switch_a_webhook_off(project, boss, hook, hear):
    happen(project)
    Delivery.objects.update(attempts=48)
    hear.plan = [500, 500]
    for _ in range(2):
        due(hook)
        webhook_sending.send_due(hook.pk)
        hook.refresh_from_db()
    assert (hook.active, hook.trouble) == (False, "often|50")
    on = {"url": hook.url, "kinds": hook.kinds, "active": True}
    webhooks.change(access=boss, hook_id=hook.pk, **on)
    assert webhook_sending.failures_in_a_row(hook) == 0


def test_a_receiver_that_drips_is_left_in_time(hook, hear):
    hear.plan = ["slow"]
    started = time.monotonic()
    with pytest.raises(webhook_http.SendError, match="timeout"):
        webhook_http.post(hook.url, b"{}", {}, seconds=0.4)
    assert time.monotonic() - started < 1.0


def test_a_receiver_that_does_not_answer_lets_other_messages_rest(project, hook, hear):
    hear.plan = [500]
    happen(project)
    happen(project, "batch.closed")
    assert webhook_sending.send_due(hook.pk) == 1
    assert webhook_sending.due_hooks(set(), 8) == []
    due(hook)
    assert webhook_sending.due_hooks(set(), 8) == [hook.pk]
    assert webhook_sending.due_hooks({hook.pk}, 8) == []


def test_a_claim_whose_worker_died_is_free_after_a_minute(project, hook, hear):
    happen(project)
    assert webhook_sending._claim(hook.pk) is not None
    assert webhook_sending._claim(hook.pk) is None
    due(hook)
    assert webhook_sending.send_due(hook.pk) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/",
        "http://localhost:1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[64:ff9b:1::a00:1]/",
        "http://[2002:a00:1::]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
    ],
)
def test_private_addresses_are_refused_before_any_connection(url, monkeypatch, settings):
    settings.WEBHOOK_ALLOW = []
    monkeypatch.setattr(socket, "create_connection", None)
    with pytest.raises(webhook_http.SendError) as refused:
        webhook_http.post(url, b"{}", {})
    assert refused.value.code == "address"
    assert refused.value.hopeless


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    found = [(0, 0, 0, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.5")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)
    with pytest.raises(webhook_http.SendError, match=r"address\|10\.0\.0\.5"):
        webhook_http.post("https://rebound.example.org/", b"{}", {})


@pytest.fixture
def stuck(monkeypatch):
    """A resolver that does not answer before the test ends."""
    over, asked = threading.Event(), []

    def look(host, *_args, **_named):
        asked.append(host)
        over.wait(30)
        return [(0, 0, 0, "", ("93.184.216.34", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    monkeypatch.setattr(socket, "create_connection", None)
    yield asked
    over.set()


def test_a_name_that_is_resolved_too_slowly_is_a_failed_attempt(stuck, hook, monkeypatch):
    monkeypatch.setattr(webhook_sending, "TIMEOUT", 0.2)
    Webhook.objects.filter(pk=hook.pk).update(url="https://slow.example.org/")
    delivery = Delivery.objects.create(webhook=hook, key="k", kind="test", body="{}")
    began = time.monotonic()
    assert webhook_sending.send_due(hook.pk) == 1
    assert time.monotonic() - began < 5
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error) == ("waiting", 1, "timeout|")
    assert delivery.next_try > timezone.now()
    assert stuck == ["slow.example.org"]


def test_names_that_are_never_resolved_do_not_pile_up(stuck, monkeypatch):
    monkeypatch.setattr(webhook_http, "_lookups", threading.BoundedSemaphore(2))
    for number in range(4):
        with pytest.raises(webhook_http.SendError, match="timeout"):
            webhook_http.post(f"https://{number}.example.org/", b"{}", {}, seconds=0.1)
    assert len(stuck) == 2


def test_a_name_that_does_not_exist_is_said_so(monkeypatch):
    def unknown(*_args, **_named):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(webhook_http.SendError, match=r"name\|gone\.example\.org"):
        webhook_http.post("https://gone.example.org/", b"{}", {})


def test_public_addresses_and_allowed_ones_pass(settings):
    settings.WEBHOOK_ALLOW = ["10.1.0.0/16", "hooks.internal"]
    may = [("a.example", "93.184.216.34"), ("b", "10.1.2.3"), ("hooks.internal", "192.168.1.1")]
    assert not any(webhook_http.forbidden(h, ipaddress.ip_address(a)) for h, a in may)
    assert webhook_http.forbidden("b", ipaddress.ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://user:secret@example.org/",
        "https:///path",
        "https://example.org:99999/",
        "https://exa mple.org/",
        "https://example.org/\r\nHost: evil",
        "http://localhost/",
        "http://10.0.0.1/",
        "https://example.org/" + "x" * 500,
    ],
)
def test_such_an_address_is_not_accepted(boss, url, settings):
    settings.WEBHOOK_ALLOW = []
    with pytest.raises(InvalidInputError):
        webhooks.create(access=boss, url=url, kinds=["run_finished"])


def test_a_webhook_needs_kinds_that_exist(boss):
    for kinds in ([], ["nonsense"], ["training.progress"]):
        with pytest.raises(InvalidInputError):
            webhooks.create(access=boss, url="https://example.org/", kinds=kinds)


def test_only_managers_see_webhooks_and_only_their_projects(project, cast, hook):
    with pytest.raises(ForbiddenError):
        webhooks.find(entry(project, cast.annotator), hook.pk)
    with pytest.raises(NotFoundError):
        webhooks.find(entry(project, cast.owner), hook.pk + 1)


def test_a_test_message_goes_only_where_it_is_switched_on(boss, hook, hear):
    webhooks.send_test(access=boss, hook_id=hook.pk)
    notify_sending.send_once()
    assert json.loads(hear.seen[0][2])["kind"] == "test"
    off = {"url": hook.url, "kinds": hook.kinds, "active": False}
    webhooks.change(access=boss, hook_id=hook.pk, **off)
    with pytest.raises(ConflictError):
        webhooks.send_test(access=boss, hook_id=hook.pk)


def test_a_log_is_bounded(hook, monkeypatch):
    monkeypatch.setattr(notify_sweeps, "MOST_DELIVERIES", 5)
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(webhook=hook, key=str(n), kind="test", body="{}", state="sent", sent_at=now)
        for n in range(9)
    )
    old = Delivery.objects.order_by("pk").last()
    Delivery.objects.filter(pk=old.pk).update(created=now - timedelta(days=31))
    notify_sweeps.forget_old()
    assert [row.key for row in Delivery.objects.order_by("pk")] == ["3", "4", "5", "6", "7"]


def test_a_webhook_and_its_log_can_be_deleted(boss, hook):
    webhooks.delete(access=boss, hook_id=hook.pk)
    actions = AuditLog.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["webhook.created", "webhook.deleted"]

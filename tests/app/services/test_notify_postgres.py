"""Two workers at once: each piece of news is told once. SQLite's writers take turns anyhow."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from labelapp import events
from labelapp.models import Delivery, Notification, Webhook
from labelapp.services import notify_events, webhook_sending
from tests.app.conftest import make_cast, make_project

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(do, threads=4):
    """Do it in several threads at the same moment; return what they returned."""
    gate, found = threading.Barrier(threads), []

    def run():
        gate.wait()
        try:
            found.append(do())
        finally:
            connection.close()

    all_ = [threading.Thread(target=run) for _ in range(threads)]
    for one in all_:
        one.start()
    for one in all_:
        one.join(30)
    return found


def test_news_and_messages_are_made_and_claimed_once(settings, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL's locks")
    settings.MAIL_ON = False
    monkeypatch.setattr(notify_events, "_seen", {})
    cast = make_cast()
    project = make_project(cast)
    hook = Webhook.objects.create(project=project, url="https://e.org/", kinds=["run_finished"])
    for _ in range(3):
        with transaction.atomic():
            events.record(project.pk, "run.finished", {})
    at_once(notify_events.make_news)
    notify_events.make_news()
    assert Notification.objects.count() == 3 * 2
    assert Delivery.objects.count() == 3
    claimed = [one.pk for one in at_once(lambda: webhook_sending._claim(hook.pk)) if one]
    assert len(claimed) == len(set(claimed)) >= 1

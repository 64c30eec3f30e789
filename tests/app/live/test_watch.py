"""Where no worker runs, the web process tells and sends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core import mail
from django.utils import timezone

from labelapp.live import watch
from labelapp.models import Job, Notification, WorkerBeat


@pytest.mark.django_db
def test_a_missing_worker_is_told_and_mailed_from_here(project, cast, settings):
    settings.MAIL_ON = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Job.objects.create(
        kind="import",
        key="import:1",
        project=project,
        created=timezone.now() - timedelta(minutes=3),
    )
    watch.look()
    watch.look()
    assert Notification.objects.filter(kind="worker_missing").count() == 2
    assert {message.to[0] for message in mail.outbox} == {cast.owner.email, cast.manager.email}


@pytest.mark.django_db
def test_with_a_worker_it_asks_one_question(django_assert_num_queries):
    WorkerBeat.objects.create(name="here:1")
    with django_assert_num_queries(1):
        watch.look()


async def test_it_starts_and_ends_with_the_server(monkeypatch):
    monkeypatch.setattr(watch, "look", lambda: None)
    server = ApplicationCommunicator(watch.lifespan, {"type": "lifespan"})
    await server.send_input({"type": "lifespan.startup"})
    assert (await server.receive_output(5))["type"] == "lifespan.startup.complete"
    await server.send_input({"type": "lifespan.shutdown"})
    assert (await server.receive_output(5))["type"] == "lifespan.shutdown.complete"
    await server.wait(5)

"""/healthz: for everybody, without secrets."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection
from django.urls import reverse

from labelapp import queue

URL = "/healthz"


@pytest.mark.django_db
def test_it_answers_without_signing_in(client):
    answer = client.get(URL)
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "database": True, "worker": False, "version": "0.1.0"}
    assert reverse("healthz") == URL


@pytest.mark.django_db
def test_a_living_worker_is_reported(client):
    queue.beat()
    assert client.get(URL).json()["worker"] is True


def test_a_database_that_fails_is_a_503_without_details(client, monkeypatch):
    def fail():
        raise DatabaseError("password=hunter2 at 10.0.0.5")

    monkeypatch.setattr(connection, "cursor", fail)
    answer = client.get(URL)
    assert answer.status_code == 503
    assert answer.json()["ok"] is False
    assert b"hunter2" not in answer.content


@pytest.mark.django_db
def test_it_is_not_kept_in_caches(client):
    assert "no-store" in client.get(URL)["Cache-Control"]


def test_nothing_can_be_written_to_it(client):
    assert client.post(URL).status_code == 405

"""Kept SQLite connections: reused, never shared, never with an open transaction."""

from __future__ import annotations

import os
import threading

import pytest
from django.db import connection

from labelapp.sqlite_pool import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "postgres" in os.environ.get("MCAL_DATABASE_URL", ""), reason="about SQLite only"
    ),
]


@pytest.fixture(autouse=True)
def kept():
    base.keep_connections(2)
    yield
    connection.close()
    base.keep_connections(0)


def use_and_close() -> int:
    """Use the database as a request does, in a thread of its own; return the connection's id."""
    seen = []

    def request():
        connection.ensure_connection()
        seen.append(id(connection.connection))
        connection.close()

    thread = threading.Thread(target=request)
    thread.start()
    thread.join()
    return seen[0]


def test_the_next_request_gets_the_connection_of_the_last():
    assert use_and_close() == use_and_close()


def test_two_requests_at_once_have_two_connections():
    first = use_and_close()
    connection.close()
    connection.ensure_connection()
    held = id(connection.connection)
    assert held == first
    assert use_and_close() != held


def test_a_connection_with_an_open_transaction_is_not_kept():
    connection.ensure_connection()
    connection.connection.execute("BEGIN IMMEDIATE")
    lost = connection.connection
    connection.close()
    assert all(one is not lost for _, one in base._pool.idle)
    use_and_close()


def test_no_more_than_asked_for_are_kept():
    base.keep_connections(0)
    use_and_close()
    assert base._pool.idle == []


def test_another_process_gets_none_of_them(monkeypatch):
    use_and_close()
    assert base._pool.idle
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert base._pool.take(base._pool.idle[0][0]) is None


def test_a_kept_connection_still_has_its_settings():
    use_and_close()
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys")
        assert cursor.fetchone() == (1,)
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)

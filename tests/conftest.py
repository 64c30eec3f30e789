"""What every test with a database needs."""

from __future__ import annotations

import pytest
from django.db import connection


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let SQLite's audit log be emptied: tests of whole processes flush with DELETE.

    PostgreSQL flushes with TRUNCATE, which the log's trigger does not see.
    """
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("DROP TRIGGER IF EXISTS audit_log_no_delete")

"""What every test with a database needs. The engine's tests read this without Django."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import tables


@pytest.fixture(scope="session")
def tables_copied(django_db_modify_db_settings):
    """Put the tables where pytest-django is about to make them (SQLite only).

    Of several processes one makes them and the others wait for its copy.
    """
    from django.db import connection  # noqa: PLC0415

    with ExitStack() as stack:
        if connection.vendor == "sqlite":
            stack.enter_context(tables.one_at_a_time())
            tables.take(Path(connection.settings_dict["TEST"]["NAME"]))
        yield stack


@pytest.fixture(scope="session")
def django_db_keepdb(tables_copied):
    """Go on with the copy; a database server's test database is made anew."""
    from django.db import connection  # noqa: PLC0415

    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker, tables_copied):
    """Let SQLite's audit log be emptied: tests of whole processes flush with DELETE.

    PostgreSQL flushes with TRUNCATE, which the log's trigger does not see.
    """
    from django.core.management.commands import flush  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            if not tables.kept().exists():
                tables.keep(connection)
            tables_copied.close()
            with connection.cursor() as cursor:
                cursor.execute("DROP TRIGGER IF EXISTS audit_log_no_delete")
    # Each flush would make Django's permissions and content types anew, which nobody here reads.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_args, **_more: None)
        yield

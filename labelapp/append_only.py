"""The triggers that keep the audit log append-only, made again wherever a migration dropped them.

SQLite changes a table by making a new one, and the triggers of the old one go with it. So after
each `migrate` this looks whether they are there and know all columns, and makes what is missing.
Only the references to a deleted project or person may become empty.
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.recorder import MigrationRecorder

FIRST = ("labelapp", "0007_audit_log_append_only")  # made them first
REFERENCES = ("project_id", "user_id")
TABLE = "labelapp_auditlog"
SAYS = "the audit log is append-only"


def after_migrate(*, using: str, apps: Any = None, plan: Any = None, **_rest: Any) -> None:
    """Hear of `post_migrate`: guard the log as the migrations have left it.

    `flush` sends the signal too, without a plan: nothing has changed then.
    """
    if plan is None or apps is None:
        return
    connection = connections[using]
    if FIRST not in MigrationRecorder(connection).applied_migrations():
        return
    fields = apps.get_model("labelapp", "AuditLog")._meta.concrete_fields
    guard(connection, [field.column for field in fields])


def guard(connection: BaseDatabaseWrapper, columns: list[str]) -> list[str]:
    """Make the triggers that are missing or know other columns; return their names."""
    kept = [name for name in columns if name not in REFERENCES]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            return [name for name, sql in _sqlite(kept) if _renewed(cursor, name, sql)]
        return _postgres(cursor, kept)


def _sqlite(kept: list[str]) -> list[tuple[str, str]]:
    changed = [f'NEW."{name}" IS NOT OLD."{name}"' for name in kept]
    changed += [f"(NEW.{ref} IS NOT NULL AND NEW.{ref} IS NOT OLD.{ref})" for ref in REFERENCES]
    refuse = f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
    update = f"BEFORE UPDATE ON {TABLE} WHEN {' OR '.join(changed)} {refuse}"
    return [
        ("audit_log_no_update", f"CREATE TRIGGER audit_log_no_update {update}"),
        (
            "audit_log_no_delete",
            f"CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON {TABLE} {refuse}",
        ),
    ]


def _renewed(cursor: CursorWrapper, name: str, sql: str) -> bool:
    cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s", [name])
    if cursor.fetchone() == (sql,):
        return False
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
    cursor.execute(sql)
    return True


def _postgres(cursor: CursorWrapper, kept: list[str]) -> list[str]:
    """Renew the function, for new columns; make the trigger where it is missing."""
    same = [f'NEW."{name}" IS NOT DISTINCT FROM OLD."{name}"' for name in kept]
    same += [
        f"(NEW.{ref} IS NULL OR NEW.{ref} IS NOT DISTINCT FROM OLD.{ref})" for ref in REFERENCES
    ]
    cursor.execute(
        "CREATE OR REPLACE FUNCTION audit_log_append_only() RETURNS trigger AS $$ BEGIN"
        f" IF TG_OP = 'UPDATE' AND {' AND '.join(same)} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION '{SAYS}'; END $$ LANGUAGE plpgsql"
    )
    cursor.execute(
        "SELECT 1 FROM pg_trigger WHERE tgname = 'audit_log_keep' AND tgrelid = %s::regclass",
        [TABLE],
    )
    if cursor.fetchone():
        return []
    cursor.execute(
        f"CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE ON {TABLE}"
        " FOR EACH ROW EXECUTE FUNCTION audit_log_append_only()"
    )
    return ["audit_log_keep"]

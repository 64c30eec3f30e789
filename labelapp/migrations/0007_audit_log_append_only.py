"""The audit log is append-only in the database itself.

Only the foreign keys may become NULL: of a project or a person that is deleted. On SQLite a later
migration that rebuilds the table (AlterField) drops its triggers: make them again there.
"""

from django.db import migrations

COLUMNS = ("id", "action", "target", "before", "after", "token", "created")

SQLITE = [
    """CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON labelapp_auditlog
    WHEN {changed}
      OR (NEW.project_id IS NOT NULL AND NEW.project_id IS NOT OLD.project_id)
      OR (NEW.user_id IS NOT NULL AND NEW.user_id IS NOT OLD.user_id)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""".format(
        changed=" OR ".join(f'NEW."{name}" IS NOT OLD."{name}"' for name in COLUMNS)
    ),
    """CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON labelapp_auditlog
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
]

POSTGRES = [
    """CREATE FUNCTION audit_log_append_only() RETURNS trigger AS $$
    BEGIN
      IF TG_OP = 'UPDATE' AND {same}
        AND (NEW.project_id IS NULL OR NEW.project_id IS NOT DISTINCT FROM OLD.project_id)
        AND (NEW.user_id IS NULL OR NEW.user_id IS NOT DISTINCT FROM OLD.user_id)
      THEN RETURN NEW; END IF;
      RAISE EXCEPTION 'the audit log is append-only';
    END $$ LANGUAGE plpgsql""".format(
        same=" AND ".join(f'NEW."{name}" IS NOT DISTINCT FROM OLD."{name}"' for name in COLUMNS)
    ),
    """CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE ON labelapp_auditlog
    FOR EACH ROW EXECUTE FUNCTION audit_log_append_only()""",
]

UNDO = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS audit_log_no_update",
        "DROP TRIGGER IF EXISTS audit_log_no_delete",
    ],
    "postgresql": [
        "DROP TRIGGER IF EXISTS audit_log_keep ON labelapp_auditlog",
        "DROP FUNCTION IF EXISTS audit_log_append_only()",
    ],
}


def guard(apps, schema_editor):
    """Make the triggers of this database."""
    vendor = schema_editor.connection.vendor
    for statement in {"sqlite": SQLITE, "postgresql": POSTGRES}[vendor]:
        schema_editor.execute(statement)


def unguard(apps, schema_editor):
    """Remove them."""
    for statement in UNDO[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0006_steering")]

    operations = [migrations.RunPython(guard, unguard)]

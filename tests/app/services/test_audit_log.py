from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction

from labelapp import append_only
from labelapp.migrations import __name__ as migrations
from labelapp.models import AuditLog
from labelapp.models.events import AppendOnlyError
from labelapp.selectors import audit_log
from labelapp.selectors.audit_log import Narrowed
from labelapp.selectors.audit_words import ACTIONS, FAMILIES, action_words, changes
from labelapp.services import audit


@pytest.fixture
def entry(cast, project) -> AuditLog:
    return audit.write(
        user=cast.owner,
        project=project,
        action="role.changed",
        target="Ann",
        before={"role": "annotator"},
        after={"role": "manager"},
    )


def test_no_code_changes_an_entry(entry):
    entry.action = "nothing.happened"
    with pytest.raises(AppendOnlyError):
        entry.save()
    with pytest.raises(AppendOnlyError):
        entry.delete()
    with pytest.raises(AppendOnlyError):
        AuditLog.objects.filter(pk=entry.pk).update(action="x")
    with pytest.raises(AppendOnlyError):
        AuditLog.objects.all().delete()


STATEMENTS = [
    "UPDATE labelapp_auditlog SET action = 'x'",
    "UPDATE labelapp_auditlog SET after = '{}'",
    "UPDATE labelapp_auditlog SET user_id = user_id + 1",
    "DELETE FROM labelapp_auditlog",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_what_goes_around_the_code(entry, statement):
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":  # tests run without this one: see tests/conftest.py
            from importlib import import_module  # noqa: PLC0415

            guards = import_module(f"{migrations}.0007_audit_log_append_only").SQLITE
            cursor.execute(guards[1])
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
        transaction.set_rollback(True)


COLUMNS = [field.column for field in AuditLog._meta.concrete_fields]


def test_triggers_that_a_migration_dropped_are_made_again(entry):
    with transaction.atomic(), connection.cursor() as cursor:
        append_only.guard(connection, COLUMNS)
        assert append_only.guard(connection, COLUMNS) == []
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER audit_log_no_update")
            cursor.execute("DROP TRIGGER audit_log_no_delete")
            names = ["audit_log_no_update", "audit_log_no_delete"]
        else:
            cursor.execute("DROP TRIGGER audit_log_keep ON labelapp_auditlog")
            names = ["audit_log_keep"]
        append_only.after_migrate(using="default", apps=apps, plan=None)  # a flush
        assert append_only.guard(connection, COLUMNS) == names
        for statement in STATEMENTS:
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(statement)
        transaction.set_rollback(True)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite makes tables anew")
@pytest.mark.django_db(transaction=True)
def test_a_migration_that_makes_the_table_anew_is_followed_by_the_triggers(entry):
    field = models.CharField(max_length=70)
    field.set_attributes_from_name("action")
    before = AuditLog._meta.get_field("action")
    with connection.schema_editor() as editor:
        editor.alter_field(AuditLog, before, field)
    assert triggers() == set()
    append_only.after_migrate(using="default", apps=apps, plan=[object()])
    assert triggers() == {"audit_log_no_update", "audit_log_no_delete"}
    with connection.cursor() as cursor:  # tests run without this one: see tests/conftest.py
        cursor.execute("DROP TRIGGER audit_log_no_delete")
    with connection.schema_editor() as editor:
        editor.alter_field(AuditLog, field, before)
    append_only.after_migrate(using="default", apps=apps, plan=[object()])
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_log_no_delete")


def triggers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        return {row[0] for row in cursor.fetchall() if row[0].startswith("audit_log")}


def test_a_deleted_person_or_project_is_forgotten_and_the_entry_stays(cast, project, entry):
    project.delete()
    cast.owner.delete()
    entry.refresh_from_db()
    assert (entry.project, entry.user, entry.target) == (None, None, "Ann")


def test_an_entry_says_in_words_what_was_before_and_after(entry):
    found = audit_log.line(entry)
    assert (found.who, found.words, found.target) == ("Owner", "changed a role", "Ann")
    assert found.changes == ["role: annotator → manager"]


def test_what_is_long_or_much_is_cut_and_what_is_the_same_is_left_out(entry):
    entry.before = {"name": "x", "same": 1, "rivals": ["a", "b"], "gone": True}
    entry.after = {"name": "y" * 200, "same": 1, "rivals": []}
    found = changes(entry)
    assert found[0].startswith("name: x → yyy")
    assert found[0].endswith("…")
    assert found[1:] == ["other networks: a; b → none", "gone was: yes"]
    entry.before, entry.after = {}, {str(n): n for n in range(40)}
    assert changes(entry)[-1] == "and 28 more"


def test_an_action_without_words_shows_its_code(db):
    assert action_words("moon.landed") == "moon.landed"


def test_every_action_that_is_written_has_words():
    folder = Path(audit.__file__).parent
    texts = [path.read_text() for path in folder.glob("*.py") if "audit.write" in path.read_text()]
    written = {code for text in texts for code in re.findall(r'action="([a-z_]+\.[a-z_]+)"', text)}
    written |= {
        code
        for text in texts
        for code in re.findall(r'_(?:log|note)\(\s*\w+,(?: \w+,)? "([a-z_]+\.[a-z_]+)"', text)
    }
    assert len(written) > 30
    assert sorted(written - set(ACTIONS)) == []


def test_every_action_with_words_belongs_to_a_topic():
    starts = tuple(start for _words, group in FAMILIES.values() for start in group)
    assert [action for action in ACTIONS if not action.startswith(starts)] == []


def test_the_log_is_narrowed_by_person_topic_and_day_and_paged(cast, project, entry, monkeypatch):
    audit.write(user=cast.manager, project=project, action="run.started")
    audit.write(user=cast.manager, project=None, action="person.deactivated")
    every = audit_log.log(project, Narrowed())
    assert [e.action for e in every] == ["run.started", "role.changed"]
    assert audit_log.log(None, Narrowed()).count() == 3
    assert audit_log.log(project, Narrowed(person=cast.owner.pk)).get() == entry
    assert audit_log.log(project, Narrowed(family="run")).get().action == "run.started"
    assert audit_log.log(project, Narrowed(day=entry.created.date())).count() == 2
    monkeypatch.setattr(audit_log, "PAGE", 1)
    first, older = audit_log.page(every, None)
    second, end = audit_log.page(every, older)
    assert ([e.action for e in first], [e.action for e in second]) == (
        ["run.started"],
        ["role.changed"],
    )
    assert end is None


def test_the_files_hold_every_entry(cast, project, entry, monkeypatch):
    monkeypatch.setattr(audit_log, "CHUNK", 1)
    audit.write(user=None, project=project, action="run.paused", target="=1+1")
    entries = audit_log.log(project, Narrowed())
    rows = b"".join(audit_log.csv_chunks(entries)).decode().splitlines()
    assert rows[0].startswith("id,created,person")
    assert "'=1+1" in rows[1]
    assert '""role"": ""manager""' in rows[2]
    found = json.loads(b"".join(audit_log.json_chunks(entries)))
    assert [one["action"] for one in found] == ["run.paused", "role.changed"]
    assert found[1]["after"] == {"role": "manager"}
    assert json.loads(b"".join(audit_log.json_chunks(AuditLog.objects.none()))) == []


def test_a_bulk_action_is_read_in_words(project):
    after = {"action": "label", "class": 2, "query": "label=1", "total": 45}
    entry = AuditLog(project=project, action="bulk.started", target="7", after=after)
    expected = ["what was done: give this label", "number of the class: 2"]
    assert changes(entry) == [*expected, "filter: label=1", "images: 45"]


def test_what_steering_was_said_to_cost_is_read_in_money(project):
    said = {"spent": "7.70", "total": "161.420000", "now": None, "machine": 9}
    entry = AuditLog(project=project, action="run.steered", target="stop", after={"said": said})
    assert changes(entry) == ["in all, as said before: $161.42"]

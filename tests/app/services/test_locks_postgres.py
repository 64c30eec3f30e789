"""On PostgreSQL: transactions that cross take their locks in one order, so none is aborted."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection

from labelapp.models import Image, Import, Label
from labelapp.rights import Role
from labelapp.services import import_batches, labelling, people
from labelapp.services.import_batches import Batch, FoundImage
from tests.app.conftest import add_images, make_cast, make_project, open_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="locks of rows"),
]

BLOCKED_SECONDS = 0.4  # by then the other one waits for a lock


class Other:
    """A second transaction, begun while the first holds its first locks."""

    def __init__(self, action) -> None:
        self.error: BaseException | None = None
        self._action = action
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._action()
        except BaseException as error:  # noqa: BLE001 - the test shows it
            self.error = error
        finally:
            connection.close()

    def begin(self) -> None:
        self._thread.start()
        time.sleep(BLOCKED_SECONDS)

    def end(self) -> None:
        self._thread.join(20)
        assert self.error is None, self.error


def begin_after_first_call(monkeypatch, module, name: str, other: Other) -> None:
    """Begin the other transaction when the first one returns from this function."""
    real = getattr(module, name)

    def wrapper(*args, **kwargs):
        found = real(*args, **kwargs)
        if threading.current_thread() is threading.main_thread():
            other.begin()
        return found

    monkeypatch.setattr(module, name, wrapper)


def test_two_people_who_answer_what_the_other_one_holds_by_now_both_get_through(monkeypatch):
    cast = make_cast()
    project = make_project(cast)
    batch = open_batch(project, add_images(project, 4))
    ann, ben = entry(project, cast.annotator), entry(project, cast.second_annotator)
    first, second = batch.tasks.order_by("pk")[:2]
    batch.tasks.filter(pk=first.pk).update(lease_user=ben.user)
    batch.tasks.filter(pk=second.pk).update(lease_user=ann.user)
    other = Other(
        lambda: labelling.submit(
            access=ben, answers=[answer(ben, second.pk)], holding=[first.pk], count=1
        )
    )
    begin_after_first_call(monkeypatch, labelling, "load_desk", other)
    labelling.submit(access=ann, answers=[answer(ann, first.pk)], holding=[second.pk], count=1)
    other.end()
    assert Label.objects.count() == 2
    batch.refresh_from_db()
    assert batch.remaining == 2


def test_a_new_role_does_not_cross_the_rows_of_an_import(monkeypatch):
    cast = make_cast()
    project = make_project(cast)
    record = Import.objects.create(project=project, kind="zip", source="x", state="running")
    row = Image(
        project=project,
        sha256="a" * 64,
        name="a.png",
        width=1,
        height=1,
        size=1,
        original_key="a",
        display_key="a",
    )
    batch = Batch(0, 1, [FoundImage("a.png", "a" * 64, row)])
    owner = entry(project, cast.owner)
    other = Other(
        lambda: people.change_role(access=owner, user_id=cast.annotator.pk, role=Role.MANAGER)
    )
    begin_after_first_call(monkeypatch, import_batches, "_ids_by_content", other)
    import_batches.store_batch(record, batch, announce=True)
    other.end()
    assert project.images.count() == 1

"""On PostgreSQL: transactions that cross take their locks in one order, so none is aborted."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from labelapp.errors import ConflictError
from labelapp.models import GoldItem, Image, Import, Label, Membership, Task, VerifyPage
from labelapp.rights import Role
from labelapp.services import import_batches, labelling, leases, pauses, people, verify
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


def test_a_verified_page_does_not_cross_an_answer_to_an_image_that_it_gives_back(monkeypatch):
    cast = make_cast()
    project = make_project(cast)
    batch = open_batch(project, add_images(project, 4), "train")
    ann, ben = entry(project, cast.annotator), entry(project, cast.second_annotator)
    first, second = batch.tasks.order_by("pk")[:2]
    batch.tasks.filter(pk__in=[first.pk, second.pk]).update(lease_user=ann.user)
    page = VerifyPage.objects.create(
        id=uuid.uuid4(),
        project=project,
        user=ann.user,
        class_index=1,
        tiles=[{"task": first.pk, "seq": 0}, {"task": second.pk, "seq": 1}],
        created=timezone.now() - timedelta(hours=1),
    )
    other = Other(lambda: labelling.submit(access=ben, answers=[answer(ben, first.pk)]))
    begin_after_first_call(monkeypatch, verify, "_release", other)
    taken = verify.submit_page(access=ann, page_id=page.pk, shown_ms=60_000, wrong={0: None})
    other.end()
    assert taken.state == "taken"
    assert Label.objects.count() == 2


@pytest.fixture
def page():
    """A person with a wrong gold image, the pausing rule, and two other images on the page."""
    cast = make_cast()
    project = make_project(cast)
    batch = open_batch(project, add_images(project, 6))
    square = project.classes.get(index=1)
    image = project.images.order_by("-pk").first()
    batch.tasks.filter(image=image).delete()
    GoldItem.objects.create(project=project, image=image, label_class=square, source="uploaded")
    type(project).objects.update(gold_first=1, gold_pause_below=0.9, gold_pause_after=1)
    ann = entry(project, cast.annotator)
    held = labelling.next_tasks(access=ann, count=3).held
    assert [task.batch_id == batch.pk for task in held] == [False, True, True]
    return ann, entry(project, cast.manager), [task.task_id for task in held]


@pytest.mark.parametrize("begins_after", [(labelling, "load_desk"), (labelling, "pause_by_rule")])
def test_a_pause_by_hand_does_not_cross_one_by_the_rule(monkeypatch, page, begins_after):
    ann, boss, (gold, *others) = page

    def pause() -> None:
        with pytest.raises(ConflictError, match="paused already"):
            pauses.pause(access=boss, user_id=ann.user.pk)

    other = Other(pause)
    begin_after_first_call(monkeypatch, *begins_after, other)
    wrong = answer(ann, gold, **{"class": 2})
    work = labelling.submit(access=ann, answers=[wrong], holding=others, count=1)
    other.end()
    assert (work.held, work.lost) == ([], [])
    assert Membership.objects.get(user=ann.user).pause_reason == "gold:0:1:0.9"


def test_a_pause_by_hand_comes_before_one_by_the_rule(monkeypatch, page):
    ann, boss, (gold, *others) = page
    wrong = answer(ann, gold, **{"class": 2})
    other = Other(lambda: labelling.submit(access=ann, answers=[wrong], holding=others, count=1))
    begin_after_first_call(monkeypatch, pauses, "release_leases", other)
    pauses.pause(access=boss, user_id=ann.user.pk, reason="by hand")
    other.end()
    assert Membership.objects.get(user=ann.user).pause_reason == "by hand"


@pytest.mark.parametrize("what", ["release", "pause", "remove"])
def test_freeing_what_a_person_holds_does_not_cross_their_answer(monkeypatch, page, what):
    ann, boss, (_, first, second) = page
    actions = {
        "release": lambda: leases.release(access=boss, user_id=ann.user.pk),
        "pause": lambda: pauses.pause(access=boss, user_id=ann.user.pk),
        "remove": lambda: people.remove_member(access=boss, user_id=ann.user.pk),
    }
    other = Other(actions[what])
    begin_after_first_call(monkeypatch, labelling, "load_desk", other)
    # The later one is answered: the earlier one is what the other transaction frees first.
    labelling.submit(access=ann, answers=[answer(ann, second)], holding=[first], count=1)
    other.end()
    assert Label.objects.count() == 1
    assert not Task.objects.filter(lease_user=ann.user, state="open").exists()


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

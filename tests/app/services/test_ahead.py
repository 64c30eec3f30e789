"""What people label while a training runs: opened, and cut when it ends."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labelapp.models import Event, Label, LabelBatch, Run
from labelapp.orders import TrainOrder
from labelapp.services import ahead, labelling, leases
from labelapp.services.slots import AHEAD_RANK
from tests.app.conftest import open_batch as ordinary_batch
from tests.app.services.ahead_help import ORDER, closed, counts, give, left, make_run, money, opened
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project) -> Run:
    return make_run(project)


@pytest.fixture
def early(run) -> LabelBatch:
    return opened(run)


# --- open ----------------------------------------------------------------------------------------


def test_the_order_holds_marked_images_that_nobody_is_asked(early):
    assert left(early) == ORDER
    asked = early.tasks.order_by("rank").values_list("image__seq", flat=True)
    assert list(asked) == [7, 9, 1, 5, 2, 6]
    assert (early.purpose, early.size, early.remaining, early.state) == ("ahead", 6, 6, "open")


def test_all_other_tasks_come_before_them(early, project, cast):
    assert min(early.tasks.values_list("rank", flat=True)) > AHEAD_RANK
    later = ordinary_batch(project, [project.images.get(seq=11)], purpose="train")
    who = entry(project, cast.annotator)
    first, second = labelling.next_tasks(access=who, count=2).held
    assert first.batch_id == later.pk
    assert second.batch_id == early.pk


def test_people_get_them_in_the_order_as_it_stands(early, project, cast):
    assert give(project, cast.annotator, 3) == [7, 9, 1]


def test_a_later_order_stands_behind_an_earlier_one(run, early):
    ahead.close(run)
    later = opened(run, [10, 11], iteration=3)
    first = min(later.tasks.values_list("rank", flat=True))
    assert first > max(early.tasks.values_list("rank", flat=True))


def test_where_all_have_labels_nothing_opens(run):
    order = TrainOrder("002-train", 2, ["cnn_small"], 1)
    assert ahead.open_batch(run=run, order=order, seqs=[3, 8]) is None
    assert ahead.open_batch(run=run, order=order, seqs=[]) is None
    assert not LabelBatch.objects.exists()


def test_an_answer_counts_and_costs_as_ahead(early, project, cast):
    give(project, cast.annotator, 2)
    assert counts(project) == {"test": 2, "ahead": 2}
    assert money(project) == {"ahead": Decimal("0.08")}
    assert set(Label.objects.filter(batch=early).values_list("purpose", flat=True)) == {"ahead"}


# --- cut -----------------------------------------------------------------------------------------


def test_the_order_is_cut_behind_the_last_answer(run, early, project, cast):
    give(project, cast.annotator, 3)  # 7, 9, 1
    leases.release_leases(user=cast.annotator)
    closed(run)
    assert left(early) == [7, 3, 9, 1]
    early.refresh_from_db()
    assert (early.size, early.remaining, early.state) == (3, 0, "done")


def test_what_is_on_a_screen_lies_before_the_cut(run, early, project, cast):
    give(project, cast.annotator, 1)
    labelling.next_tasks(access=entry(project, cast.second_annotator), count=4)  # 9 on screen
    closed(run)
    assert left(early) == [7, 3, 9]
    early.refresh_from_db()
    assert early.remaining == 1


def test_what_was_only_fetched_ahead_is_asked_no_more(run, early, project, cast):
    labelling.next_tasks(access=entry(project, cast.annotator), count=4)
    closed(run)
    assert left(early) == [7]
    assert list(early.tasks.filter(state="open").values_list("image__seq", flat=True)) == [7]
    assert early.tasks.filter(state="dropped").count() == 5  # kept: answers to them may come


def test_a_skipped_image_lies_before_the_cut(run, early, project, cast):
    """It was seen: were it put back, the marks would no longer be a random part of the rest."""
    give(project, cast.annotator, 2)
    assert give(project, cast.annotator, 1, kind="skip", **{"class": None}) == [1]
    leases.release_leases(user=cast.annotator)
    closed(run)
    assert left(early) == [7, 3, 9, 1]


def test_a_gap_stays_in_the_order_and_is_still_asked(run, early, project, cast):
    first, second = entry(project, cast.annotator), entry(project, cast.second_annotator)
    labelling.next_tasks(access=first, count=2)  # 7 on screen, 9 fetched
    held = labelling.next_tasks(access=second, count=1).held
    labelling.submit(access=second, answers=[answer(second, held[0].task_id)])  # 1
    closed(run)
    assert left(early) == [7, 3, 9, 1]
    early.refresh_from_db()
    assert early.remaining == 2


def test_nobody_worked_nothing_is_left(run, early):
    closed(run)
    early.refresh_from_db()
    assert (left(early), early.size, early.state) == ([], 0, "done")
    assert not early.tasks.exclude(state="dropped").exists()
    assert not Event.objects.filter(type="batch.closed").exists()


def test_a_cut_is_made_once(run, early, project, cast):
    give(project, cast.annotator, 2)
    closed(run)
    before = left(early), list(early.tasks.order_by("pk").values_list())
    closed(run)
    assert (left(early), list(early.tasks.order_by("pk").values_list())) == before
    assert Event.objects.filter(type="batch.closed").count() == 1


def test_an_order_that_is_all_answered_needs_no_cut(run, early, project, cast):
    give(project, cast.annotator, 6)
    early.refresh_from_db()
    assert early.state == "done"
    closed(run)
    assert left(early) == ORDER


def test_a_late_answer_to_a_dropped_task_is_kept_and_not_paid(run, early, project, cast):
    who = entry(project, cast.annotator)
    held = labelling.next_tasks(access=who, count=3).held
    closed(run)
    work = labelling.submit(access=who, answers=[answer(who, held[2].task_id)])
    assert work.results[0]["state"] == "extra"
    assert money(project) == {}
    assert Label.objects.filter(batch=early).count() == 0


def test_an_answer_to_what_was_on_the_screen_counts_after_the_cut(run, early, project, cast):
    who = entry(project, cast.annotator)
    held = labelling.next_tasks(access=who, count=1).held
    closed(run)
    work = labelling.submit(access=who, answers=[answer(who, held[0].task_id)])
    assert work.results[0]["state"] == "accepted"
    assert counts(project) == {"test": 2, "ahead": 1}

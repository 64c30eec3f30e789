"""What was labelled ahead joins B: with its money, its marks, and what is still asked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction

from labelapp.models import (
    AheadItem,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    ProjectCounter,
    Run,
    TrainItem,
)
from labelapp.services import ahead, labelling, leases
from tests.app.services.ahead_help import (
    answered,
    closed,
    counts,
    give,
    joined,
    make_run,
    money,
    opened,
)
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project) -> Run:
    return make_run(project)


@pytest.fixture
def early(run) -> LabelBatch:
    return opened(run)


def test_they_join_b_with_their_money_and_their_marks(run, early, project, cast):
    give(project, cast.annotator, 3)
    leases.release_leases(user=cast.annotator)
    closed(run)
    batch = joined(run, train=[7, 3, 9, 1, 11], buy=[11])
    assert (batch.size, batch.remaining) == (1, 1)
    assert set(TrainItem.objects.values_list("seq", flat=True)) == {7, 3, 9, 1, 11}
    assert counts(project) == {"test": 1, "train": 4}
    assert money(project) == {"train": Decimal("0.12")}
    assert Label.objects.filter(purpose="ahead").count() == 0
    early.refresh_from_db()
    assert early.purpose == "train"


def test_two_entries_that_cancel_out_move_the_money(run, early, project, cast):
    give(project, cast.annotator, 1)
    Project.objects.update(price_per_label=Decimal("0.05"))
    project.refresh_from_db()
    give(project, cast.annotator, 2)
    leases.release_leases(user=cast.annotator)
    spent = ProjectCounter.objects.get().label_spend
    closed(run)
    joined(run, train=[7, 3, 9, 1])
    moved = LedgerEntry.objects.filter(key__startswith="ahead:")
    assert sum(entry.amount for entry in moved) == 0
    assert sum(entry.quantity for entry in moved) == 0
    assert money(project) == {"train": Decimal("0.14")}
    assert ProjectCounter.objects.get().label_spend == spent == Decimal("0.14")


def test_the_run_waits_for_what_was_still_open(run, early, project, cast):
    """The batch and what is left of the order: both must be answered."""
    labelling.next_tasks(access=entry(project, cast.annotator), count=1)  # 7 on screen
    closed(run)
    joined(run, train=[7, 11], buy=[7, 11])
    give(project, cast.second_annotator, 1)
    assert not answered(run)
    give(project, cast.annotator, 1)
    assert answered(run)


def test_an_open_image_keeps_its_lease(run, early, project, cast):
    """Whoever has it on the screen answers it, and the run gets what it waits for."""
    who = entry(project, cast.annotator)
    held = labelling.next_tasks(access=who, count=1).held
    closed(run)
    batch = joined(run, train=[7], buy=[7])
    assert (batch.size, batch.state) == (0, "done")
    early.refresh_from_db()
    assert (early.purpose, early.state, early.remaining) == ("train", "open", 1)
    assert not answered(run)
    work = labelling.submit(access=who, answers=[answer(who, held[0].task_id)])
    assert work.results[0]["state"] == "accepted"
    early.refresh_from_db()
    assert (early.state, early.remaining) == ("done", 0)
    assert answered(run)
    assert Job.objects.filter(kind="advance", state="waiting").exists()
    assert counts(project) == {"test": 2, "train": 1}
    assert money(project) == {"train": Decimal("0.04")}


def test_a_skipped_image_is_asked_with_the_batch(run, early, project, cast):
    give(project, cast.annotator, 1, kind="skip", **{"class": None})
    leases.release_leases(user=cast.annotator)
    closed(run)
    joined(run, train=[7, 11], buy=[7, 11])
    assert give(project, cast.second_annotator, 2) == [11, 7]
    assert answered(run)


def test_other_requests_leave_them_alone(run, early, project, cast):
    """While an audit runs they wait: the run may still train on, or stop."""
    give(project, cast.annotator, 2)
    closed(run)
    joined(run, buy=[10], purpose="audit", id_="002-audit")
    joined(run, train=[11], id_="002-unfreeze")
    assert counts(project)["ahead"] == 2
    assert money(project) == {"ahead": Decimal("0.08")}


def test_where_the_run_stops_they_are_peoples_labels(run, early, project, cast):
    give(project, cast.annotator, 2)
    leases.release_leases(user=cast.annotator)
    closed(run)
    joined(run, buy=[10, 11], purpose="residual", id_="002-residual")
    assert counts(project) == {"test": 2, "residual": 2}
    assert money(project) == {"residual": Decimal("0.08")}


def test_at_the_end_none_is_left_over(run, early, project, cast):
    give(project, cast.annotator, 2)
    closed(run)
    with transaction.atomic():
        ahead.settle(run)
        ahead.settle(run)
    assert counts(project) == {"test": 2, "residual": 2}


# --- several answers -----------------------------------------------------------------------------


@pytest.fixture
def twice(project) -> Project:
    project.overlap = 2
    project.save(update_fields=["overlap"])
    return project


def test_with_overlap_the_missing_answers_are_asked_later(twice, run, cast):
    """An image has its label from the first answer on, so it joins; the second comes when it can."""
    early = opened(run)
    assert early.size == 12
    give(twice, cast.annotator, 2)
    leases.release_leases(user=cast.annotator)
    closed(run)
    early.refresh_from_db()
    assert (early.size, early.remaining) == (4, 2)
    batch = joined(run, train=[7, 3, 9])
    assert batch.state == "done"
    assert counts(twice) == {"test": 1, "train": 1}  # the mark; the others lack an answer
    assert give(twice, cast.second_annotator, 2) == [7, 9]
    assert counts(twice) == {"test": 1, "train": 3}
    assert money(twice) == {"train": Decimal("0.16")}
    assert AheadItem.objects.count() == 3

"""What people label while a training runs: opened, cut, joined; counts and money come along."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from labelapp.models import (
    AheadItem,
    Answer,
    Event,
    Iteration,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    ProjectCounter,
    Run,
    Task,
    TrainItem,
)
from labelapp.orders import LabelOrder, TrainOrder
from labelapp.services import ahead, batches, labelling, leases, outstanding
from labelapp.services.slots import AHEAD_RANK
from tests.app.conftest import add_images
from tests.app.conftest import open_batch as ordinary_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db
ORDER = [7, 3, 9, 1, 5, 8, 2, 6]  # image numbers, 3 and 8 are marked


@pytest.fixture
def run(project) -> Run:
    images = add_images(project, 12)
    Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
    project.refresh_from_db()
    run = Run.objects.create(
        project=project,
        n=12,
        config={"seed": 7},
        state={},
        waiting_for="002-train",
        request_kind="train",
        iteration=2,
    )
    for seq in (3, 8):
        run.test_marks.create(image=images[seq], seq=seq)
        Label.objects.create(
            image=images[seq],
            project=project,
            seq=seq,
            class_index=0,
            source="human",
            purpose="test",
        )
    ProjectCounter.objects.filter(project=project).update(test=2)
    return run


@pytest.fixture
def early(run) -> LabelBatch:
    return opened(run)


def opened(run: Run, seqs=ORDER, iteration: int = 2) -> LabelBatch:
    order = TrainOrder(f"{iteration:03d}-train", iteration, ["cnn_small"], 1)
    with transaction.atomic():
        batch = ahead.open_batch(run=run, order=order, seqs=seqs)
    assert batch is not None
    return batch


def closed(run: Run) -> None:
    ahead.close(run)


def joined(
    run: Run, train=(), buy=(), purpose: str = "train", id_: str = "002-label"
) -> LabelBatch:
    """Write the next order of the run, as `services.runs` does."""
    order = LabelOrder(id_, purpose, 2, list(buy), list(train), [])
    with transaction.atomic():
        ahead.lock(run)
        batch = batches.open_batch(run=run, order=order)
        ahead.join(run=run, order=order)
    return LabelBatch.objects.get(pk=batch.pk)


def answered(run: Run) -> bool:
    """Tell whether the run, which waits for the labels of B, has them."""
    Run.objects.filter(pk=run.pk).update(request_kind="label", waiting_for="002-label")
    return outstanding.answered(Run.objects.get(pk=run.pk))


def give(project, user, count: int, **changes) -> list[int]:
    """Let this person answer their next `count` tasks; return the image numbers."""
    who = entry(project, user)
    seen = []
    for _ in range(count):
        (task,) = labelling.next_tasks(access=who, count=1).held[:1]
        work = labelling.submit(access=who, answers=[answer(who, task.task_id, **changes)])
        assert work.results[0]["ok"], work.results
        seen.append(Task.objects.get(pk=task.task_id).image.seq)
    return seen


def left(batch: LabelBatch) -> list[int]:
    """Return the image numbers that still stand in the order."""
    return list(batch.ahead.order_by("position").values_list("seq", flat=True))


def counts(project) -> dict[str, int]:
    counter = ProjectCounter.objects.get(project=project)
    return {
        name: getattr(counter, name)
        for name in ("test", "train", "ahead", "residual")
        if getattr(counter, name)
    }


def money(project) -> dict[str, Decimal]:
    rows = LedgerEntry.objects.filter(project=project).values_list("purpose")
    return {name: total for name, total in rows.annotate(total=Sum("amount")) if total}


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


# --- how many ------------------------------------------------------------------------------------


def measured(run: Run, seconds: float) -> None:
    Iteration.objects.create(
        run=run, number=1, train_size=5, delta=5, record={}, plan=None, seconds=seconds, dollars=0
    )


def paced(run: Run, project, cast, gap: float, count: int = 10) -> None:
    """Let a batch of B be answered with so many seconds between the answers."""
    images = add_images(project, count)
    batch = ordinary_batch(project, images, purpose="train")
    give(project, cast.annotator, count)
    start = timezone.now()
    for number, one in enumerate(Answer.objects.filter(batch=batch)):
        Answer.objects.filter(pk=one.pk).update(created=start + timedelta(seconds=gap * number))


def test_before_the_first_training_nothing_is_chosen(run):
    assert ahead.size(run) == 0


def test_a_project_can_do_without(run, project):
    measured(run, 60)
    project.label_ahead = False
    project.save(update_fields=["label_ahead"])
    assert ahead.size(Run.objects.get()) == 0


def test_as_many_as_people_answer_while_it_trains(run, project, cast):
    Run.objects.update(n=10_000)
    run.refresh_from_db()
    measured(run, 30)
    paced(run, project, cast, gap=0.5)
    assert ahead.size(run) == 120  # 2 a second for 1.5 * 30 + 15 seconds


@pytest.mark.parametrize(("seconds", "expected"), [(1, 20), (10_000, 200)])
def test_at_least_20_and_at_most_2_percent(run, project, cast, seconds, expected):
    Run.objects.update(n=10_000)
    run.refresh_from_db()
    measured(run, seconds)
    paced(run, project, cast, gap=1.0)
    assert ahead.size(run) == expected


def test_a_night_between_answers_is_no_slowness(run, project, cast):
    Run.objects.update(n=10_000)
    run.refresh_from_db()
    measured(run, 30)
    paced(run, project, cast, gap=0.5, count=3)
    last = Answer.objects.order_by("-created").first()
    later = last.created + timedelta(hours=10)
    Answer.objects.filter(pk=last.pk).update(created=later)
    # two gaps, half a second and a minute at most: 60 seconds * 2 / 60.5 answers
    assert ahead.size(run) == 20


def test_a_budget_gives_a_tenth_of_what_is_left(run, project):
    Run.objects.update(n=10_000)
    measured(run, 10_000)
    Project.objects.update(budget=Decimal("10.00"))
    assert ahead.size(Run.objects.get()) == 20
    Project.objects.update(budget=Decimal("7.00"))  # 17 labels: not worth it
    assert ahead.size(Run.objects.get()) == 0


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


# --- join ----------------------------------------------------------------------------------------


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

"""Closed days are summed once, exactly, whoever does it and however often they are killed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from labelapp.management.doctor_data import day_problems
from labelapp.models import DaysClosed, GoldResult, LedgerDay, WorkDay
from labelapp.services import days
from labelapp.services.days import close_days
from tests.app.work_world import FIRST, World, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(project):
    return World(project)


def close(day: int, hour: float = 1) -> int:
    return close_days(now=at(day, hour))


def test_a_day_is_summed_by_purpose_and_person_and_only_once(world, cast):
    for _ in range(3):
        world.pay(cast.annotator, 0)
    world.pay(cast.annotator, 0, purpose="gold")
    world.pay(None, 0, "1.25", purpose="compute")
    world.pay(cast.annotator, 2)
    assert close(1) == 1
    rows = LedgerDay.objects.order_by("purpose").values_list("purpose", "user", "entries", "amount")
    assert list(rows) == [
        ("compute", None, 1, Decimal("1.25")),
        ("gold", cast.annotator.pk, 1, Decimal("0.04")),
        ("train", cast.annotator.pk, 3, Decimal("0.12")),
    ]
    assert close(1) == close(2) == 0
    assert close(3) == 1
    assert LedgerDay.objects.filter(day=FIRST + timedelta(days=2)).count() == 1
    assert LedgerDay.objects.count() == 4


def test_a_day_is_left_alone_until_some_minutes_after_midnight(world, cast):
    world.pay(cast.annotator, 0)
    assert close(1, hour=0.1) == 0
    assert close(1, hour=0.2) == 1


def test_work_of_a_day(world, cast):
    ann = cast.annotator
    first = world.say(ann, 0, 0)
    world.say(ann, 0, 0, 1, instead=first, created=at(0, 13))
    world.say(ann, 1, 0)
    world.say(ann, 2, 0, None)
    gold = world.say(ann, 3, 0)
    GoldResult.objects.create(
        answer=gold, project=world.project, user=ann, image_id=gold.image_id,
        truth=0, given=0, right=True, created=at(0),
    )  # fmt: skip
    close(1)
    found = world.work(ann, 0)
    assert (found["answers"], found["skips"], found["active_ms"]) == (3, 1, 7500)
    assert (found["gold"], found["gold_right"]) == (1, 1)
    assert "compared" not in found


def test_a_correction_on_a_later_day_leaves_the_closed_day_as_it_was(world, cast):
    first = world.say(cast.annotator, 0, 0)
    close(1)
    world.say(cast.annotator, 0, 1, 2, instead=first)
    close(2)
    assert [row.answers for row in WorkDay.objects.order_by("day")] == [1, 1]
    assert day_problems(DaysClosed.objects.get()) == []


def test_two_answers_to_an_image_are_compared_for_both_on_the_later_day(world, cast):
    world.say(cast.annotator, 0, 0, 1)
    world.say(cast.annotator, 1, 0, 1)
    world.say(cast.second_annotator, 0, 1, 1)
    world.say(cast.second_annotator, 1, 1, 2)
    close(2)
    assert "compared" not in world.work(cast.annotator, 0)
    for person in (cast.annotator, cast.second_annotator):
        found = world.work(person, 1)
        assert (found["compared"], found["agreed"]) == (2, 1)


def test_empty_days_are_passed_over_and_nothing_is_made_of_nothing(world, cast):
    world.say(cast.annotator, 0, 0)
    world.say(cast.annotator, 1, 40)
    assert close(50) == 2
    closed = DaysClosed.objects.get()
    assert closed.work == closed.ledger == at(49).date()
    assert WorkDay.objects.count() == 2


def test_a_worker_that_dies_in_the_middle_of_a_day_has_written_nothing(world, cast, monkeypatch):
    world.say(cast.annotator, 0, 0)
    write = WorkDay.objects.bulk_create

    def die(rows):
        write(rows)
        raise SystemExit

    monkeypatch.setattr(WorkDay.objects, "bulk_create", die)
    with pytest.raises(SystemExit):
        close(1)
    assert DaysClosed.objects.get().work is None
    assert not WorkDay.objects.exists()
    monkeypatch.undo()
    close(1)
    assert WorkDay.objects.count() == 1


def test_of_two_workers_one_closes_a_day(world, cast):
    world.pay(cast.annotator, 0)
    DaysClosed.objects.create(project=world.project)
    late = days._Ledger(world.project.pk)
    sums = late.sum(FIRST)
    assert close(1) == 1
    assert not late._move(None, FIRST, sums)
    assert LedgerDay.objects.count() == 1


def test_one_call_stops_when_its_time_is_over_and_the_next_goes_on(world, cast, monkeypatch):
    for day in range(4):
        world.pay(cast.annotator, day)
    monkeypatch.setattr(days, "BUDGET_SECONDS", 0)
    assert close(5) == 0
    monkeypatch.undo()
    assert close(5) == 4


def test_the_doctor_finds_sums_that_do_not_agree(world, cast):
    world.pay(cast.annotator, 0)
    world.say(cast.annotator, 0, 0)
    close(1)
    assert day_problems(DaysClosed.objects.get()) == []
    world.pay(cast.annotator, 0)  # came in late
    WorkDay.objects.update(answers=7)
    found = " ".join(day_problems(DaysClosed.objects.get()))
    assert "say 0.040000 money, the rows 0.080000" in found
    assert "say 7 answers, the rows 1" in found

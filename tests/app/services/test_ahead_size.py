"""How many images people get while a training runs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from labelapp.models import Answer, Iteration, Project, Run
from labelapp.services import ahead
from tests.app.conftest import add_images
from tests.app.conftest import open_batch as ordinary_batch
from tests.app.services.ahead_help import give, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project) -> Run:
    return make_run(project)


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

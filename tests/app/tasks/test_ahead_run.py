"""Whole runs in which people label while the machine trains, and some images cannot be labelled."""

from __future__ import annotations

import numpy as np
import pytest
from django.db.models import Sum

from labelapp.models import (
    Event,
    Exclusion,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    Task,
    TrainItem,
)
from labelapp.selectors.projects import access
from labelapp.selectors.runs import recount
from labelapp.services import exclusions
from labelapp.services.exports import csv_stream
from tests.app.tasks import driving, whole_runs

N = 600


def run_with_people(project: Project, cast, *, broken: float = 0.0) -> None:
    """Two people label during each training; a manager excludes what nobody can label."""
    rng = np.random.default_rng(3)
    manager = access(cast.manager, project.public_id)
    unusable = {pk for pk in project.images.values_list("pk", flat=True) if rng.random() < broken}
    for _ in range(200):
        project.refresh_from_db()
        if project.status == Project.Status.FINISHED:
            return
        for image_id in _asked(project) & unusable:
            exclusions.exclude(access=manager, image_id=image_id, reason="broken")
        job = Job.objects.filter(state=Job.State.WAITING).order_by("pk").first()
        if job is None:
            driving.answer_all(project, cast.second_annotator)  # what is on this screen, too
            driving.answer_all(project, cast.annotator)
            continue
        if job.kind == "train":
            for user in (cast.annotator, cast.second_annotator):
                driving.work_ahead(project, user, int(rng.integers(0, 12)))
        driving.do_one(job)
    raise AssertionError(f"not finished: {project.run.waiting_for} {project.run.failure}")


def _asked(project: Project) -> set[int]:
    wanted = Task.objects.filter(project=project, state=Task.State.OPEN)
    return set(wanted.values_list("image_id", flat=True))


@pytest.fixture(scope="module")
def whole_run(django_db_setup, django_db_blocker, tmp_path_factory):
    """One finished run for all tests of this module, in a transaction that is rolled back."""
    root = tmp_path_factory.mktemp("ahead")
    with whole_runs.world(root, django_db_blocker, N) as (project, cast):
        run_with_people(project, cast, broken=0.03)
        yield project.pk


@pytest.fixture
def finished(whole_run, db):
    return Project.objects.select_related("counter", "run").get(pk=whole_run)


def test_every_image_is_labelled_or_excluded(finished):
    excluded = Exclusion.objects.filter(project=finished).count()
    assert Label.objects.filter(project=finished).count() + excluded == N


def test_the_counters_add_up_and_agree_with_the_rows(finished):
    counter = finished.counter
    names = ("train", "test", "audit", "residual", "machine", "ahead", "excluded")
    assert sum(getattr(counter, name) for name in names) == N
    assert counter.ahead == 0
    expected = recount(finished)
    assert {name: getattr(counter, name) for name in expected} == expected


def test_images_were_labelled_ahead_and_joined(finished):
    joined = LabelBatch.objects.filter(run=finished.run, request_id__endswith="-ahead")
    assert joined.count() > 1
    assert joined.aggregate(size=Sum("size"))["size"] > 10
    assert not joined.filter(purpose="ahead", size__gt=0).exists()
    trained = TrainItem.objects.filter(run=finished.run).values("image_id")
    assert Label.objects.filter(batch__in=joined, image_id__in=trained).exists()


def test_the_ledger_says_what_was_labelled_ahead_and_adds_up(finished):
    entries = LedgerEntry.objects.filter(project=finished)
    by_purpose = dict(entries.values_list("purpose").annotate(total=Sum("amount")))
    assert abs(by_purpose.pop("ahead")) < 1e-9
    assert entries.filter(purpose="ahead", quantity__gt=0).exists()
    labels = sum(total for name, total in by_purpose.items() if name != "compute")
    assert abs(labels - finished.counter.label_spend) < 1e-6


def test_no_open_task_is_left(finished):
    wanted = Task.objects.filter(project=finished).exclude(state__in=["done", "dropped"])
    assert not wanted.exists()


def test_the_certificate_holds_for_whoever_checks_it(finished, tmp_path):
    """Its labels, its order and its sizes leave out what was labelled ahead."""
    assert whole_runs.verified(finished, tmp_path)


def test_excluded_images_are_delivered_as_such(finished):
    text = b"".join(csv_stream(finished)).decode()
    excluded = set(Exclusion.objects.filter(project=finished).values_list("seq", flat=True))
    said = {number for number, line in enumerate(text.splitlines()[1:]) if "excluded" in line}
    assert said == excluded


def test_events_say_when_people_label_ahead(finished):
    events = Event.objects.filter(project=finished, payload__purpose="ahead")
    assert events.filter(type="batch.opened").exists()
    assert events.filter(type="batch.closed").exists()

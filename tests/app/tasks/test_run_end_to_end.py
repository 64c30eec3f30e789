"""A whole run in one process: real engine, fake trainer, answers through the real services."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db.models import Sum

from labelapp.models import (
    Answer,
    Event,
    Image,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    Task,
    TrainItem,
)
from labelapp.selectors.runs import recount, run_status
from tests.app.tasks import driving, whole_runs

N = 1_000


@pytest.fixture(scope="module")
def whole_run(django_db_setup, django_db_blocker, tmp_path_factory):
    """One finished run for all tests of this module, in a transaction that is rolled back."""
    root = tmp_path_factory.mktemp("run")
    with whole_runs.world(root, django_db_blocker, N) as (project, cast):
        driving.run_to_the_end(project, cast.annotator)
        yield project.pk


@pytest.fixture
def finished(whole_run, db):
    return Project.objects.select_related("counter", "run").get(pk=whole_run)


def test_a_run_ends_with_a_label_for_every_image(finished):
    assert Label.objects.filter(project=finished).count() == N
    counter = finished.counter
    parts = counter.train + counter.test + counter.audit + counter.residual + counter.machine
    assert parts == N
    assert counter.machine > N / 2  # the classes are easy to tell apart
    expected = recount(finished)
    assert {name: getattr(counter, name) for name in expected} == expected


def test_the_ledger_adds_up_and_charges_each_label_once(finished):
    entries = LedgerEntry.objects.filter(project=finished)
    labels = entries.exclude(purpose="compute").aggregate(s=Sum("amount"))["s"]
    compute = entries.filter(purpose="compute").aggregate(s=Sum("amount"))["s"]
    human = Label.objects.filter(project=finished, source="human").count()
    labels = labels.quantize(Decimal("0.000001"))  # SQLite adds up in floats
    assert labels == human * Decimal("0.04")
    assert labels == finished.counter.label_spend
    assert compute == finished.counter.compute_spend
    assert entries.filter(purpose="compute").count() == finished.run.iterations.count()
    audited = Label.objects.filter(project=finished, purpose="audit").count()
    assert entries.filter(purpose="audit").count() == audited > 0


def test_each_iteration_holds_what_dashboards_draw(finished):
    for iteration in finished.run.iterations.all():
        assert iteration.record["decision"]
        counted = sum(iteration.histogram["right"]) + sum(iteration.histogram["wrong"])
        assert counted == iteration.record["test_size"]
        assert len(iteration.histogram["edges"]) == 21
        assert iteration.dollars == Decimal("0.002500")
    sizes = [i.train_size for i in finished.run.iterations.all()]
    assert sizes == sorted(sizes)
    assert sizes[-1] == TrainItem.objects.filter(run=finished.run).count()


def test_the_machine_labels_come_with_model_margin_and_certificate(finished):
    machine = Label.objects.filter(project=finished, source="machine")
    assert all(0 <= label.confidence <= 1 and label.model_id for label in machine)
    assert finished.run.certificate.content["delivered"] == machine.count()
    known = dict(Image.objects.filter(project=finished).values_list("pk", "seq"))
    wrong = sum(driving.true_class(known[m.image_id]) != m.class_index for m in machine)
    assert wrong <= 0.05 * N


def test_the_audit_was_committed_to_before_its_first_label_and_kept_its_order(finished):
    committed = finished.run.commitments.order_by("pk").last()
    parts = list(LabelBatch.objects.filter(commitment=committed, purpose="audit").order_by("pk"))
    tasks = Task.objects.filter(batch__in=parts).order_by("rank")
    answers = Answer.objects.filter(batch__in=parts)
    assert committed.created <= min(answers.values_list("created", flat=True))
    certificate = finished.run.certificate.content
    assert (certificate["key"], certificate["frozen"]) == (
        committed.content["key"],
        committed.content["frozen"],
    )
    asked = list(tasks.values_list("image__seq", flat=True))
    assert asked == [entry["item"] for entry in certificate["audited"]]


def test_the_certificate_holds_for_whoever_checks_it(finished, tmp_path):
    """The files of the export page, and the verifier that knows nothing of this program."""
    said = whole_runs.verified(finished, tmp_path)
    assert "The certificate holds" in said


def test_the_frozen_model_keeps_its_scores(finished):
    frozen = finished.run.commitments.order_by("pk").last().model
    assert finished.run.models.filter(sha256=frozen).exists()


def test_the_events_tell_the_story_without_gaps(finished):
    events = list(Event.objects.filter(project=finished).order_by("seq"))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    types = [event.type for event in events]
    assert types[:2] == ["run.started", "batch.opened"]
    assert types[-2:] == ["run.finished", "people.measured"]
    assert types.count("training.finished") == types.count("plan.updated")
    assert "machine.labelled" in types


def test_a_finished_run_says_so(finished):
    assert run_status(finished).state == "finished"
    assert finished.run.finished is not None
    assert finished.run.test_marks.count() == N // 10

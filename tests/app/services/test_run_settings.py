"""Prices, target and budget that change while a run goes on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from django.utils import timezone

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import AuditLog, Event, Label, LabelBatch, LedgerEntry, Project, Run
from labelapp.selectors.projects import access as find_access
from labelapp.services import labelling, run_settings, runs
from labelapp.services.terms import Terms
from tests.app.conftest import add_images
from tests.app.services.labelling_help import answer

pytestmark = pytest.mark.django_db

SAME = Terms(0.05, 0.95, Decimal("0.04"), Decimal("3.6"), "USD")


@pytest.fixture
def access(cast, project):
    add_images(project, 400)
    return find_access(cast.owner, project.public_id)


@pytest.fixture
def run(access) -> Run:
    return runs.start_run(access=access)


def test_the_engine_and_the_project_get_the_new_terms_together(access, run):
    new = replace(SAME, epsilon=0.1, confidence=0.9, price_per_label=Decimal("0.1"))
    new = replace(new, compute_price_per_hour=Decimal(1), budget=Decimal(50))
    assert run_settings.change_settings(access=access, terms=new) is True
    run.refresh_from_db()
    config = run.state["state"]["config"]
    assert config == run.config
    assert config["prices"] == {"label": 0.1, "compute_per_hour": 1.0, "devices": {}}
    assert (config["target"]["epsilon"], config["target"]["alpha"]) == (0.1, 0.1)
    assert config["target"]["budget"] == 50.0
    project = Project.objects.get()
    assert (project.epsilon, project.confidence, project.budget) == (0.1, 0.9, Decimal(50))
    assert access.project.price_per_label == Decimal("0.1")


def test_what_the_run_waits_for_stays(access, run):
    before = (run.waiting_for, run.request_kind, run.batches.get().remaining)
    run_settings.change_settings(access=access, terms=replace(SAME, epsilon=0.1))
    run.refresh_from_db()
    assert (run.waiting_for, run.request_kind, run.batches.get().remaining) == before
    assert run.version == 1


def test_a_change_is_an_event_and_an_audit_entry_that_name_what_changed(access, run):
    run_settings.change_settings(access=access, terms=replace(SAME, budget=Decimal(9)))
    assert Event.objects.get(type="run.changed").payload == {"what": ["budget"]}
    entry = AuditLog.objects.get(action="run.changed")
    assert (entry.before, entry.after) == ({"budget": None}, {"budget": "9"})


def test_the_same_terms_change_nothing(access, run):
    assert run_settings.change_settings(access=access, terms=SAME) is False
    assert not Event.objects.filter(type="run.changed").exists()
    run.refresh_from_db()
    assert run.version == 0


def test_money_that_was_spent_keeps_the_price_of_its_time(cast, access, run):
    who = find_access(cast.annotator, access.project.public_id)
    held = labelling.next_tasks(access=who, count=2).held
    labelling.submit(access=who, answers=[answer(who, held[0].task_id)])
    dearer = replace(SAME, price_per_label=Decimal(1))
    run_settings.change_settings(access=access, terms=dearer)
    who = find_access(cast.annotator, access.project.public_id)
    labelling.submit(access=who, answers=[answer(who, held[1].task_id)])
    amounts = LedgerEntry.objects.order_by("pk").values_list("amount", flat=True)
    assert list(amounts) == [Decimal("0.04"), Decimal(1)]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"confidence": 1.0}, "confidence"),
        ({"price_per_label": Decimal(0)}, "price_per_label"),
        ({"budget": Decimal(0)}, "budget"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_wrong_values_are_refused_and_nothing_changes(access, run, wrong, field):
    with pytest.raises(InvalidInputError) as caught:
        run_settings.change_settings(access=access, terms=replace(SAME, **wrong))
    assert set(caught.value.fields) == {field}
    assert Run.objects.get().version == 0
    assert Project.objects.get().epsilon == 0.05


def test_once_the_machine_labels_are_chosen_the_promise_is_fixed(access, run):
    state = run.state
    state["state"]["phase"] = "residual"
    Run.objects.update(state=state)
    with pytest.raises(ConflictError, match="already chosen"):
        run_settings.change_settings(access=access, terms=replace(SAME, epsilon=0.1))
    cheaper = replace(SAME, price_per_label=Decimal("0.01"))
    assert run_settings.change_settings(access=access, terms=cheaper) is True


def test_a_finished_run_changes_no_more(access, run):
    Run.objects.update(finished=timezone.now())
    with pytest.raises(ConflictError, match="finished"):
        run_settings.change_settings(access=access, terms=replace(SAME, epsilon=0.1))


def test_before_the_start_there_is_nothing_to_change(access):
    with pytest.raises(ConflictError, match="not started"):
        run_settings.change_settings(access=access, terms=SAME)


def test_annotators_change_nothing(cast, access, run):
    mine = find_access(cast.annotator, access.project.public_id)
    with pytest.raises(ForbiddenError):
        run_settings.change_settings(access=mine, terms=replace(SAME, epsilon=0.5))


def test_a_step_that_comes_in_between_is_not_lost(access, run, monkeypatch):
    real, calls = run_settings.engine.changed, []

    def changed(*args):
        if not calls:
            Run.objects.update(version=7)  # the worker took a step meanwhile
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(run_settings.engine, "changed", changed)
    assert run_settings.change_settings(access=access, terms=replace(SAME, epsilon=0.1)) is True
    assert len(calls) == 2
    assert Run.objects.get().version == 8


def test_a_step_that_was_computed_with_the_old_terms_is_computed_again(access, run, monkeypatch):
    answer_everything(run)
    real, seen = runs.engine.next_step, []

    def next_step(found, *answers, **more):
        step = real(found, *answers, **more)
        if not seen:
            run_settings.change_settings(access=access, terms=replace(SAME, epsilon=0.1))
        seen.append(found.version)
        return step

    monkeypatch.setattr(runs.engine, "next_step", next_step)
    assert runs.advance(run.pk) is True
    assert seen == [0, 1]
    run.refresh_from_db()
    assert run.state["state"]["config"]["target"]["epsilon"] == 0.1
    assert run.batches.count() == 2


def answer_everything(run: Run) -> None:
    """Close the open batch as if all its answers were in."""
    Label.objects.bulk_create(
        Label(
            image=mark.image,
            project=run.project,
            seq=mark.seq,
            class_index=mark.seq % 3,
            source="human",
            purpose="test",
        )
        for mark in run.test_marks.select_related("image")
    )
    LabelBatch.objects.update(state="done", remaining=0)

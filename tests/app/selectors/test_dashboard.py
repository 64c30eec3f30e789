"""The overview: what it says adds up, and it says the same however it is asked."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import (
    Answer,
    Import,
    Job,
    LabelClass,
    LedgerDay,
    LedgerEntry,
    Membership,
    Project,
    ProjectCounter,
    Run,
    WorkerBeat,
)
from labelapp.selectors.dashboard import events_since, overview
from labelapp.selectors.dashboard_people import _person
from labelapp.selectors.dashboard_words import PURPOSES
from tests.app import dashboard_data as data
from tests.app.conftest import add_images, open_batch


@pytest.fixture
def running(project) -> Run:
    data.beat()
    return data.running(project)


def figure(project: Project, key: str) -> dict:
    return next(one for one in overview(project)["figures"] if one["key"] == key)


def row(project: Project, key: str, name: str) -> dict:
    return next(one for one in figure(project, key)["rows"] if one["key"] == name)


def actions(project: Project) -> dict[str, dict]:
    return {one["url"]: one for one in overview(project)["status"]["actions"]}


def shape(value: object) -> object:
    """Keys of dictionaries, recursively; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


@pytest.mark.parametrize("state", ["set_up_images", "start", "running", "training", "finished"])
def test_the_counts_add_up_to_all_images(project, state):
    getattr(data, state)(project)
    counts = overview(project)["counts"]
    assert sum(part["count"] for part in counts["parts"]) == counts["n"] == data.N


def test_the_bar_is_full(running, project):
    parts = overview(project)["counts"]["parts"]
    assert sum(part["width"] for part in parts) == pytest.approx(1000, abs=0.1)


def test_the_ledger_adds_up_to_the_counters_and_the_spent_figure(running, project):
    found = overview(project)
    counter = ProjectCounter.objects.get(project=project)
    total = counter.label_spend + counter.compute_spend
    rows = sum(row["value"] for row in found["ledger"]["rows"])
    assert rows == pytest.approx(float(total))
    assert row(project, "cost", "spent")["text"] == found["ledger"]["total"] == f"${total:.2f}"


def test_labels_bought_are_the_labels_in_the_counters(running, project):
    counter = ProjectCounter.objects.get(project=project)
    assert overview(project)["ledger"]["labels"] == counter.train + counter.test


def test_the_forecast_is_the_last_plan_with_its_intervals(running, project):
    found = figure(project, "cost")
    assert found["text"] == "$159.78"
    assert found["interval"] == "80\u00a0% sure: $148.23 to $181.83"
    assert found["wider"] == "95\u00a0% sure: $131.47 to $181.83"


def test_below_the_forecast_stands_what_it_is_compared_with(running, project):
    """Spent, the total if stopped now, people alone, and the saving between the last two."""
    rows = {one["key"]: (one["text"], one["note"]) for one in figure(project, "cost")["rows"]}
    assert rows["stop_now"] == ("$160.66", "the machine labels 5,985")
    assert rows["human_only"][0] == "$400.00"
    assert rows["saving"] == ("60\u00a0%", "$240.22")


def test_the_error_at_the_end_is_the_curve_at_the_cheapest_plan(running, project):
    found, plan = figure(project, "quality"), running.iterations.last().plan
    place = plan["curve_b"].index(1175)
    inside = plan["curve_median"][13][place]  # theta* is 0.70
    share = 0.7 * (10_000 - 1175) * (1 - 438 / 8988) / 10_000 * inside
    assert found["text"] == f"{100 * share:.1f}\u00a0%"
    assert (found["meter"]["limit"], found["tone"]) == (0.05, "ok")


def test_the_promise_is_estimated_and_never_called_certified(running, project):
    found = row(project, "quality", "bound_now")
    assert found["text"] == "\u2264\u00a04.46\u00a0%"
    assert found["note"] == "with 5,985 by the machine; an estimate"
    assert "certified" not in json.dumps(overview(project))


def test_a_promise_that_people_will_check_is_called_an_estimate_until_then(project):
    data.auditing(project)
    assert row(project, "quality", "bound_now")["note"].endswith("an estimate until checked")
    assert overview(project)["project"]["promise"] == "certified by an audit"


def test_an_audit_is_told_in_plain_words_with_how_far_it_is(project):
    data.auditing(project)
    found = overview(project)["audit"]
    assert found["text"].startswith("People check the machine: 45 of about 120 images looked at. ")
    assert (found["done"], found["planned"]) == (45, 120)


def test_an_audit_that_takes_longer_than_expected_says_so(project):
    data.auditing(project, asked=200, answered=150)
    assert "150 images looked at so far, more than the 120" in overview(project)["audit"]["text"]


def test_a_second_audit_and_one_that_a_change_ended_are_told_apart(project):
    run = data.auditing(project, attempt=2)
    assert "check number 2" in overview(project)["audit"]["text"]
    run.state["state"]["audit"]["ended"] = "the error target was changed"
    run.version += 1
    run.save()
    assert "The promise was changed" in overview(project)["audit"]["text"]


def test_networks_that_race_are_listed_with_their_chances(project):
    data.racing(project)
    first, second = overview(project)["race"]
    assert (first["place"], first["chance"]) == ("leads", "75\u00a0%")
    assert (second["name"], second["place"]) == ("ResNet-18", "in the race")
    assert second["c_star"] == "$201.50"


def test_a_network_that_dropped_out_is_said_to_be_out(project):
    data.racing(project, live=("cnn_small",))
    assert overview(project)["race"][1]["place"] == "out of the race"


def test_one_network_is_no_race(running, project):
    assert overview(project)["race"] == []


def test_the_budget_is_shown_with_what_is_left(running, project):
    Project.objects.update(budget=Decimal(100))
    Run.objects.update(version=99)
    found = row(project, "cost", "budget")
    assert (found["text"], found["note"]) == ("$100.00", "$38.74 left")
    assert 0 < figure(project, "cost")["meter"]["value"] < 1


def test_a_budget_that_is_used_up_is_said_to_be(running, project):
    Project.objects.update(budget=Decimal(1))
    Run.objects.update(version=99)
    assert row(project, "cost", "budget")["note"].endswith("over")
    assert figure(project, "cost")["meter"] == {"value": 1.0, "limit": 1}


def test_labels_still_to_buy_are_those_of_the_plan_with_its_interval(running, project):
    done, to_buy = row(project, "time", "done"), row(project, "time", "to_buy")
    assert (done["text"], done["note"]) == ("1,530", "73 left in the batch that is open")
    plan = running.iterations.last().plan
    labels = plan["grid_labels"][plan["grid_b"].index(1175)] / 0.04
    assert to_buy["text"] == f"{labels - 1530:,.0f}"
    most = labels + (181.83 - 159.78) / 0.04 - 1530
    assert to_buy["note"].endswith(f" to {most:,.0f}")


def test_before_three_trainings_there_is_no_forecast(project):
    data.running(project, iterations=2)
    assert figure(project, "cost")["note"] == "needs 1 more training"
    assert figure(project, "time")["note"] == "needs 1 more training"
    assert overview(project)["charts"]["cost"]["grid"] == []


def test_a_finished_run_shows_its_certificate_and_what_it_saved(project):
    data.finished(project)
    found = overview(project)
    assert found["certificate"]["machine"] == "7,018"
    assert found["certificate"]["wrong_at_most"] == "433"
    assert figure(project, "cost")["label"] == "Total cost"
    assert row(project, "cost", "saving")["note"] == "$280.61"
    assert row(project, "quality", "wrong")["text"] == "433"
    assert found["status"]["state"] == "finished"


def test_people_label_everything_when_no_machine_set_fits(project):
    data.finished(project)
    project.run.certificate.delete()
    ProjectCounter.objects.filter(project=project).update(machine=0, residual=7_018, event_seq=999)
    assert figure(project, "quality")["note"].startswith("every label was given by people")


def test_an_empty_project_asks_for_images(project):
    found = actions(project)
    assert found["project_images"]["primary"]
    assert found["run_start"]["reason"] == "There are no images yet."


def test_the_start_button_says_what_it_buys_and_for_how_much(project):
    data.set_up_images(project)
    start = actions(project)["run_start"]
    assert start["label"] == "Start: people label 600 images first ($24.00)"
    assert start["primary"]
    assert start["reason"] == ""


def test_repeats_are_in_the_price_of_the_start(project):
    data.set_up_images(project)
    Project.objects.filter(pk=project.pk).update(overlap=2)
    assert "($48.00)" in actions(project)["run_start"]["label"]


def test_too_few_images_disable_the_start_with_the_number_needed(project):
    ProjectCounter.objects.filter(project=project).update(images=12)
    assert actions(project)["run_start"]["reason"] == "At least 19 images are needed."


def test_an_import_disables_the_start(project):
    data.beat()
    data.set_up_images(project)
    Import.objects.create(project=project, kind="zip", source="x", state="running")
    assert "import" in actions(project)["run_start"]["reason"]


@pytest.mark.parametrize(
    ("status", "button"),
    [("running", "run_pause"), ("paused", "run_resume"), ("finished", "project_export")],
)
def test_each_state_offers_its_next_step(running, project, status, button):
    Project.objects.filter(pk=project.pk).update(status=status)
    assert next(iter(actions(project))) == button


def test_a_failed_run_can_be_tried_again(running, project):
    Run.objects.filter(pk=running.pk).update(failure="out of memory")
    found = overview(project)["status"]
    assert (found["state"], found["message"]) == ("failed", "out of memory")
    assert found["actions"][0]["label"] == "Try again"


def test_a_training_shows_its_progress_and_time_left(project):
    data.beat()
    data.training(project)
    job = overview(project)["status"]["job"]
    assert job["percent"] == 40
    assert job["left"].startswith("about 3")


def test_the_engines_last_decision_is_told_once(project):
    data.beat()
    data.training(project)
    status = overview(project)["status"]
    assert status["decision"] == (
        "After training 6 the engine adds 163\u00a0images to training to make sure before it stops, "
        "since no plan saves 1\u00a0% or more over stopping now."
    )


def test_labelling_without_a_worker_carries_a_warning(project):
    data.running(project)
    assert "No worker is running" in overview(project)["status"]["warning"]
    data.beat()
    assert overview(project)["status"]["warning"] == ""


def test_training_without_a_worker_says_so_and_how_to_start_one(project):
    data.training(project)
    WorkerBeat.objects.all().delete()
    status = overview(project)["status"]
    assert status["title"] == "No worker is running"
    assert "make run" in status["message"]


def test_who_labels_now_is_named_with_their_pace(cast, project):
    batch = open_batch(project, add_images(project, 20))
    label_class = LabelClass.objects.get(project=project, index=0)
    for number, task in enumerate(batch.tasks.all()[:10]):
        Answer.objects.create(
            id=f"{number:032x}",
            task=task,
            batch=batch,
            project=project,
            image=task.image,
            user=cast.annotator,
            kind="class",
            label_class=label_class,
        )
    # all within the last moments: counted over the shortest time that says something, 30 s
    assert overview(project)["people"]["now"] == [{"name": "Ann", "per_minute": 20.0}]
    assert overview(project)["people"]["per_minute"] == 20.0


def test_the_pace_counts_from_a_persons_first_answer_of_the_last_minutes():
    now = timezone.now()
    row = {"user__display_name": "Ann", "user__email": "a@example.org", "recent": 30}
    row |= {"first": now - timedelta(minutes=2), "last": now - timedelta(seconds=90)}
    one = _person(row, now)
    assert (one["per_minute"], one["present"]) == (15.0, False)


def test_time_left_is_told_only_while_people_are_at_work(running, project):
    batch = overview(project)["people"]["batch"]
    assert (batch["done"], batch["remaining"], batch["time_left"]) == (80, 73, "")


def test_the_shape_of_the_dictionary_is_stable(project):
    """The keys never depend on the state: pages and programs may rely on them."""
    empty = overview(project)
    data.beat()
    data.running(project)
    full = overview(project)
    assert set(empty) == set(full)
    assert {k: set(v) for k, v in empty["charts"].items()} == {
        k: set(v) for k, v in full["charts"].items()
    }
    assert set(full) == {
        "seq",
        "answers",
        "project",
        "figures",
        "counts",
        "ledger",
        "rounds",
        "certificate",
        "people_error",
        "audit",
        "race",
        "forecast_needs",
        "events",
        "charts",
        "status",
        "people",
    }


def test_everything_is_plain_json(running, project):
    found = overview(project)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_an_answer_shows_at_once(running, project):
    before = overview(project)["ledger"]["labels"]
    data.answer(running.batches.get(state="open"), 3)
    assert overview(project)["ledger"]["labels"] == before + 3


def test_a_stored_overview_equals_a_fresh_one(running, project, monkeypatch):
    overview(project)
    data.answer(running.batches.get(state="open"), 3)
    stored = overview(project)
    monkeypatch.setattr("labelapp.selectors.dashboard._KNOWN", {})
    monkeypatch.setattr("labelapp.selectors.dashboard_ledger._TOTALS", {})
    assert overview(project) == stored


def test_the_second_look_needs_few_queries(running, project, django_assert_max_num_queries):
    overview(project)
    with django_assert_max_num_queries(12):
        overview(project)


def test_a_late_ledger_entry_with_a_smaller_number_is_not_lost(running, project):
    """On PostgreSQL number 7 can commit after number 8."""
    first = LedgerEntry.objects.filter(project=project, purpose="train").order_by("pk").first()
    late = {"pk": first.pk, "key": "late", "quantity": first.quantity, "amount": first.amount}
    LedgerEntry.objects.filter(pk=first.pk).delete()
    counter = ProjectCounter.objects.filter(project=project)
    spent = counter.get().label_spend
    counter.update(label_spend=spent - first.amount, answers=1)
    overview(project)
    LedgerEntry.objects.create(project=project, purpose="train", unit_price=Decimal("0.04"), **late)
    counter.update(label_spend=spent, answers=2)
    total = spent + counter.get().compute_spend
    assert overview(project)["ledger"]["total"] == f"${total:.2f}"


def test_an_answer_does_not_read_the_whole_ledger_again(running, project):
    """Adding up 0.04 as floats must not look like a missing entry."""
    batch = running.batches.get(state="open")
    for _ in range(7):
        data.answer(batch, 1)
    overview(project)
    last = LedgerEntry.objects.latest("pk").pk
    data.answer(batch, 1)
    with CaptureQueriesContext(connection) as queries:
        overview(project)
    sums = [query["sql"] for query in queries if "SUM(" in query["sql"]]
    assert len(sums) == 1
    assert sums[0].count(f'"id" > {last}') == len(PURPOSES)


def test_events_are_told_from_the_last_one_seen(running, project):
    seqs = [event["seq"] for event in events_since(project.pk, 3, 7)]
    assert seqs == [4, 5, 6, 7]


def test_a_long_absence_gets_the_newest_events(running, project):
    seqs = [event["seq"] for event in events_since(project.pk, 0, 20, most=5)]
    assert seqs == [16, 17, 18, 19, 20]


def test_progress_events_are_not_listed(running, project):
    data.say(project, "training.progress", {"progress": 0.5})
    assert all(event["type"] != "training.progress" for event in overview(project)["events"])


def test_a_project_without_members_labels_nowhere(project):
    Membership.objects.all().delete()
    assert overview(project)["people"]["now"] == []


def test_a_waiting_job_shows_no_progress(project):
    data.beat()
    data.training(project)
    Job.objects.filter(project=project).update(state="waiting")
    assert overview(project)["status"]["job"] is None


def test_closed_days_stand_for_their_ledger_entries(running, project, monkeypatch):
    """A process that has just started reads the sums of the days, and the entries since."""
    before = overview(project)["ledger"]
    yesterday = timezone.now() - timedelta(days=1)
    LedgerEntry.objects.filter(purpose="test").update(created=yesterday)
    LedgerDay.objects.create(
        project=project,
        day=yesterday.date(),
        purpose="test",
        entries=1,
        quantity=500,
        amount=Decimal(20),
    )
    monkeypatch.setattr("labelapp.selectors.dashboard_ledger._TOTALS", {})
    monkeypatch.setattr("labelapp.selectors.dashboard._KNOWN", {})
    with CaptureQueriesContext(connection) as queries:
        assert overview(project)["ledger"] == before
    assert not [query for query in queries if "'test' AS" in query["sql"]]
    data.answer(running.batches.get(state="open"), 1)
    assert overview(project)["ledger"]["labels"] == before["labels"] + 1

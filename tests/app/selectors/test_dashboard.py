"""The overview: what it says adds up, and it says the same however it is asked."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Job, LedgerDay, LedgerEntry, Membership, Project, ProjectCounter, Run
from labelapp.selectors.dashboard import events_since, overview
from labelapp.selectors.dashboard_words import PURPOSES
from tests.app import dashboard_data as data
from tests.app.selectors.dashboard_look import figure, row


@pytest.fixture
def running(project) -> Run:
    data.beat()
    return data.running(project)


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


def test_fewer_images_in_t_than_were_bought_for_it_are_explained(running, project):
    found = next(part for part in overview(project)["counts"]["parts"] if part["key"] == "test")
    bought = data.RECORDED["bought"][0]["buy"]
    joined = bought - found["count"]
    assert joined > 0
    assert found["note"] == f"{bought:,} bought, {joined} of them have joined B"


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
    last = running.iterations.last().record  # people have labelled since: one more training
    training = (last["train_seconds"] + last["score_seconds"]) * 3.6 / 3600
    assert rows["stop_now"] == (
        f"${running.iterations.last().plan['stop_now'] + training:.2f}",
        f"the machine labels 5,985; with one more training, about ${training:.2f}",
    )
    assert rows["human_only"][0] == "$400.00"
    assert rows["saving"] == ("60\u00a0%", "$240.22")


def test_the_error_at_the_end_is_the_curve_at_the_cheapest_plan(running, project):
    found, plan = figure(project, "quality"), running.iterations.last().plan
    place = plan["curve_b"].index(1175)
    inside = plan["curve_median"][13][place]  # theta* is 0.70
    share = 0.7 * (10_000 - 1175) * (1 - 438 / 8988) / 10_000 * inside
    assert found["text"] == f"{100 * share:.1f}\u00a0%"
    assert (found["meter"]["limit"], found["tone"]) == (0.05, "ok")


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
    assert figure(project, "cost")["label"] == "Spent in total"
    assert row(project, "cost", "saving")["note"] == "$280.61"
    assert row(project, "quality", "wrong")["text"] == "433"
    assert found["status"]["state"] == "finished"


def test_people_label_everything_when_no_machine_set_fits(project):
    data.finished(project)
    project.run.certificate.delete()
    ProjectCounter.objects.filter(project=project).update(machine=0, residual=7_018, event_seq=999)
    assert figure(project, "quality")["note"].startswith("every label was given by people")


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
        "budget",
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

"""The dashboard's figures while people check the machine, and after other prices."""

from __future__ import annotations

import pytest

from labelapp.models import Project, Run
from labelapp.selectors.dashboard import overview
from tests.app import dashboard_data as data


@pytest.fixture
def running(project) -> Run:
    return data.running(project)


def figure(project: Project, key: str) -> dict:
    return next(one for one in overview(project)["figures"] if one["key"] == key)


def test_an_audit_says_why_it_is_made(project):
    data.auditing(project)
    assert "at most 5\u00a0% of all labels are wrong" in overview(project)["audit"]["text"]


def test_labels_to_go_hold_the_check_of_the_machine(project):
    data.auditing(project)
    found = figure(project, "progress")
    assert found["more"] == "15 left in the batch that is open"
    plan = project.run.iterations.order_by("-number")[0].plan
    place = plan["grid_b"].index(int(plan["b_opt"]["value"]))
    assert found["unit"] == f"of about {round(plan['grid_labels'][place] / 0.04):,}"


def test_an_open_batch_is_to_go_even_where_the_plan_expected_none(project):
    run = data.auditing(project)
    last = run.iterations.order_by("-number")[0]
    last.plan["grid_labels"] = [0.0] * len(last.plan["grid_b"])
    last.save()
    assert figure(project, "progress")["note"] == "about 15 to go"


def test_after_a_change_of_price_the_ledger_shows_what_was_paid_on_average(running, project):
    before = overview(project)["ledger"]["rows"][0]
    Project.objects.filter(pk=project.pk).update(price_per_label="0.06")
    project.refresh_from_db()
    data.say(project, "run.changed")
    after = overview(project)["ledger"]["rows"][0]
    assert (before["unit"], after["unit"]) == ("$0.04 a label", "$0.04 a label on average")
    assert before["amount"] == after["amount"]


def test_after_a_change_of_price_people_alone_would_pay_it_for_what_is_not_bought(running, project):
    bought = overview(project)["ledger"]["labels"]
    Project.objects.filter(pk=project.pk).update(price_per_label="0.06")
    data.say(project, "run.changed")
    alone = 0.04 * bought + 0.06 * (running.n - bought)
    assert overview(project)["ledger"]["human_only"] == f"${alone:,.2f}"

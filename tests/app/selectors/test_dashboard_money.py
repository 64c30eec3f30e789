"""The dashboard's figures while people check the machine, and after other prices."""

from __future__ import annotations

import json

import pytest
from django.utils import translation

from labelapp.models import Project, Run
from labelapp.selectors.dashboard import overview
from labelapp.selectors.decision_words import decision_words, is_stop
from labelapp.selectors.money_words import money
from tests.app import dashboard_data as data


@pytest.fixture
def running(project) -> Run:
    return data.running(project)


def figure(project: Project, key: str) -> dict:
    return next(one for one in overview(project)["figures"] if one["key"] == key)


def test_an_audit_says_why_it_is_made(project):
    data.auditing(project)
    assert "at most 5\u00a0% of all labels are wrong" in overview(project)["audit"]["text"]


def rows(project: Project) -> dict[str, dict]:
    return {one["key"]: one for one in figure(project, "time")["rows"]}


def test_labels_to_go_hold_the_check_of_the_machine(project):
    data.auditing(project)
    assert rows(project)["done"]["note"] == "15 left in the batch that is open"
    plan = project.run.iterations.order_by("-number")[0].plan
    place = plan["grid_b"].index(int(plan["b_opt"]["value"]))
    done = int(rows(project)["done"]["text"].replace(",", ""))
    assert rows(project)["to_buy"]["text"] == f"{plan['grid_labels'][place] / 0.04 - done:,.0f}"


def test_an_open_batch_is_to_go_even_where_the_plan_expected_none(project):
    run = data.auditing(project)
    last = run.iterations.order_by("-number")[0]
    last.plan["grid_labels"] = [0.0] * len(last.plan["grid_b"])
    last.save()
    assert rows(project)["to_buy"]["text"] == "15"


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


def test_what_the_engine_decided_is_told_in_the_projects_money(running, project):
    """The engine itself writes dollars, whatever the currency."""
    Project.objects.filter(pk=project.pk).update(currency="EUR")
    data.answer(running.batches.get(state="open"), 73)
    data.train(running, 7)
    data.open_batch(running, data.RECORDED["bought"][8])
    found = overview(project)
    assert found["status"]["decision"] == (
        "After training 7 the engine buys 550 more labels for €22.00 because training on 1,504 "
        "images is expected to let the machine label 605 more images and save €18.90."
    )
    assert "$" not in found["status"]["decision"] + json.dumps(found["rounds"][0])
    assert "save €18.90" in found["events"][1]["text"]


def test_a_decision_of_before_the_facts_were_kept_is_told_in_the_projects_money():
    text = "adds 5 images to training because training on 9 is expected to save $1,234.50"
    assert decision_words({"decision": text}, "EUR").endswith("save €1,234.50")
    with translation.override("de"):
        assert f"{money(1234.5, 'EUR')} spart" in decision_words({"decision": text}, "EUR")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"images": 1, "why": "fixed"}, "adds 1\xa0image to training, the fixed batch of this run"),
        (
            {"images": 9, "why": "forecast", "trainings": 1},
            "because a forecast needs 1 more training",
        ),
        (
            {"images": 9, "why": "early", "to": 4},
            "since it stops after 4 trainings at the earliest",
        ),
        ({"images": 9, "why": "open"}, "because nothing can be machine-labelled yet"),
        (
            {"images": 9, "why": "saves", "to": 99, "more": 0, "dollars": 2},
            "expected to save $2.00",
        ),
        (
            {"images": 9, "why": "budget", "to": 99, "error": 0.01, "error_now": 0.025},
            "leave 1.0\xa0% of all images wrong within the budget, against 2.5\xa0%",
        ),
        ({"why": "by_hand", "reason": "labels cost nothing"}, "stops: labels cost nothing, people"),
        ({"why": "machine", "reason": "r", "machine": 7}, "stops and lets the machine label 7\xa0"),
        ({"why": "forced", "reason": "r", "machine": 7, "error": 0.1}, "error of 10.0\xa0% of all"),
    ],
)
def test_every_kind_of_decision_has_words(facts, words):
    assert words in decision_words({"because": facts}, "USD")
    assert is_stop({"because": facts}) == ("images" not in facts)

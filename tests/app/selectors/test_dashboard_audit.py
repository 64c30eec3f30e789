"""The overview while people check the machine, and what it promises before and after."""

from __future__ import annotations

import json

import pytest

from labelapp.models import Run, SteeringAction
from labelapp.selectors.dashboard import overview
from tests.app import dashboard_data as data
from tests.app.selectors.dashboard_look import row


@pytest.fixture
def running(project) -> Run:
    data.beat()
    return data.running(project)


def test_the_promise_is_estimated_and_never_called_certified(running, project):
    found = row(project, "quality", "bound_now")
    assert found["text"] == "\u2264\u00a04.46\u00a0%"
    assert found["note"] == (
        "at most, with 95\u00a0% confidence, estimated from the test set; with 5,985 by the machine"
    )
    assert "certified" not in json.dumps(overview(project))


def test_a_promise_that_people_will_check_is_called_an_estimate_until_then(project):
    """Under an audit the error of stopping now is expected, never a bound."""
    data.auditing(project)
    found = row(project, "quality", "bound_now")
    assert found["note"] == "estimated; with 5,985 by the machine"
    assert found["text"].startswith("about")
    limit = row(project, "quality", "epsilon")["note"]
    assert limit == "at most, to be certified by an audit with 95\u00a0% confidence"
    assert overview(project)["project"]["promise"] == "certified by an audit"


def test_an_audit_is_told_in_plain_words_with_how_far_it_is(project):
    data.auditing(project)
    found = overview(project)["audit"]
    assert found["text"].startswith("People check the machine: 45 of about 120 images looked at. ")
    assert (found["done"], found["planned"]) == (45, 120)


def test_while_an_audit_goes_on_it_is_the_headline_with_what_it_may_still_cost(project):
    data.auditing(project)
    assert overview(project)["status"]["decision"] == (
        "An audit of the machine goes on, as the engine decided after training 6. 45 of about 120 "
        "images are looked at. It may still cost about $3.00 (75\u00a0images)."
    )


def test_an_audit_that_a_manager_asked_for_says_who(project, cast):
    run = data.auditing(project)
    asked = {"project": project, "user": cast.manager, "spent": 0, "before": {"attempt": None}}
    SteeringAction.objects.create(action="audit", **asked)
    run.wish, run.version = "audit", run.version + 1
    run.save()
    told = overview(project)["status"]["decision"]
    name = cast.manager.display_name or cast.manager.email
    assert f"goes on, asked for by {name}. 45 of about 120" in told
    SteeringAction.objects.update(before={"attempt": 1})  # it was under way before
    run.version += 1
    run.save()
    assert "as the engine decided" in overview(project)["status"]["decision"]


def test_an_audit_that_ends_early_costs_what_is_out(project):
    data.auditing(project, ended="the error target was changed")
    told = overview(project)["status"]["decision"]
    assert told == (
        "An audit of the machine ends early: 15\u00a0images are still out and cost $0.60."
    )


def test_an_audit_that_takes_longer_than_expected_says_so(project):
    data.auditing(project, asked=200, answered=150)
    assert "150 images looked at so far, more than the 120" in overview(project)["audit"]["text"]
    told = overview(project)["status"]["decision"]
    assert "150 images are looked at, more than the 120 expected." in told


def test_a_second_audit_and_one_that_a_change_ended_are_told_apart(project):
    run = data.auditing(project, attempt=2)
    assert "check number 2" in overview(project)["audit"]["text"]
    run.state["state"]["audit"]["ended"] = "the error target was changed"
    run.version += 1
    run.save()
    assert "The promise was changed" in overview(project)["audit"]["text"]

"""What was asked of a run: everything, newest first, with the money that was said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from labelapp.models import ProjectCounter, SteeringAction
from labelapp.selectors import steering as found
from labelapp.selectors.projects import access
from labelapp.selectors.steering_history import asked
from labelapp.services import audit
from tests.app import dashboard_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project):
    """A recorded run after its ninth training, in the engine's phase "label"."""
    run = dashboard_data.start(project)
    run.state = {"state": {"phase": "label"}}
    run.config = {"prices": {"label": 0.04}}
    run.save()
    return run


@pytest.fixture
def spent(project):
    counter = ProjectCounter.objects.get(project=project)
    return counter.label_spend + counter.compute_spend


@pytest.fixture
def step(cast, project, spent):
    """Make an action so many minutes ago."""

    def make(action, minutes=0, *, params=None, said=None, **more):
        values = {"user": cast.manager, "spent": spent, **more}
        at = timezone.now() - timedelta(minutes=minutes)
        return SteeringAction.objects.create(
            project=project,
            action=action,
            params=params or {},
            said=said or {},
            created=at,
            **values,
        )

    return make


def rows(project):
    listed, _older = asked(found.gather(project))
    return [(one.title, one.detail, one.cost.replace("\xa0", " ")) for one in listed]


def test_a_stop_says_the_money_that_is_still_to_pay_and_the_whole(project, run, step):
    step("stop", said={"now": "1.20", "total": "161.42"})
    assert rows(project) == [("Stop now and certify", "", "$1.20 more, $161.42 in all")]


def test_a_class_says_its_name_beside_the_step_and_that_it_costs_nothing(project, run, step):
    step("classes", 1, params={"what": "added", "words": "ring"}, said={"test_cost": "6.00"})
    step("classes", params={"what": "merged", "words": "ring → hoop"})
    assert rows(project) == [
        ("Add or merge classes", "merged: ring → hoop", "nothing"),
        ("Add or merge classes", "new: ring", "nothing"),
    ]


def test_networks_say_what_a_training_costs(project, run, step):
    step("methods", 1, params={"arch": "cnn_small"}, said={"training": "0.40"})
    step("methods", params={"max_rounds": None})
    [(_, new, unknown), (_, old, known)] = rows(project)
    assert (new, unknown) == ("trainings at most: no limit", "not known yet: no training had ended")
    assert old.startswith("network: ")
    assert known == "about $0.40 a training, for each network"


def test_terms_and_pauses_are_in_the_list(project, run, step, cast):
    step("stop", 5, said={"total": "10"})
    said = {"total": "9.50", "instead": "11.97"}
    audit.write(
        user=cast.manager,
        project=project,
        action="run.changed",
        before={"epsilon": 0.05},
        after={"epsilon": 0.03, "said": said},
    )
    audit.write(user=cast.owner, project=project, action="run.paused")
    listed, older = asked(found.gather(project))
    assert [one.title for one in listed] == [
        "Pause",
        "Promise, prices, budget",
        "Stop now and certify",
    ]
    assert not older
    assert listed[1].detail.replace("\xa0", " ") == "wrong labels allowed: 5 % → 3 %"
    assert listed[1].cost == "$9.50 in all instead of $11.97"
    assert [one.who for one in listed] == [cast.owner, cast.manager, cast.manager]


def test_terms_that_were_changed_in_the_settings_say_that_nothing_was_said(project, run):
    values = {"before": {"budget": None}, "after": {"budget": "9"}}
    audit.write(user=None, project=project, action="run.changed", **values)
    [(_, detail, cost)] = rows(project)
    assert detail == "budget: none → $9.00"
    assert cost == "nothing was said: changed in the settings"


def test_each_says_how_it_stands(project, run, step, cast, spent):
    step("stop", 4, undone_at=timezone.now(), undone_by=cast.owner)
    step("audit", 3, spent=spent - Decimal("2.50"))
    step("by_hand", 2)
    last = step("stop", 1)
    listed, _older = asked(found.gather(project))
    assert [one.is_open for one in listed] == [True, False, False, False]
    assert listed[0].action == last
    assert [one.state for one in listed] == [
        "open: it can be taken back",
        "stands: something was asked after it",
        "stands: $2.50 was spent since",
        f"taken back by {cast.owner}",
    ]


def test_the_newest_that_is_too_late_says_why(project, run, step):
    step("methods", params={"waiting_for": "another"})
    [one] = asked(found.gather(project))[0]
    assert one.state == "The run has gone on with it since, so it stands."


def test_terms_hold_until_they_are_others_and_a_pause_until_the_run_goes_on(project, run):
    for action, after in [
        ("run.changed", {"epsilon": 0.04}),
        ("run.changed", {"budget": "5"}),
        ("run.changed", {"epsilon": 0.03}),
        ("run.paused", {}),
        ("run.resumed", {}),
    ]:
        audit.write(user=None, project=project, action=action, after=after)
    listed, _older = asked(found.gather(project))
    states = ["in force", "over", "in force", "in force", "changed again since"]
    assert [one.state for one in listed] == states


def test_more_than_a_page_says_that_there_are_older_ones(project, run, step):
    for minutes in range(found.HISTORY + 1):
        step("stop", minutes)
    listed, older = asked(found.gather(project))
    assert (len(listed), older) == (found.HISTORY, True)


def test_the_page_shows_it_in_few_queries(
    project, run, step, cast, sign_in, django_assert_max_num_queries
):
    step("stop", said={"total": "161.42"})
    client, page = sign_in(cast.manager), f"/p/{project.public_id}/steer/"
    assert access(cast.manager, project.public_id)
    with django_assert_max_num_queries(17):  # two of them sign in
        text = client.get(page).content.decode()
    assert "$161.42 in all" in text
    assert "Take back" in text


def test_a_price_keeps_all_its_digits(project, run):
    values = {"before": {"price_per_label": "0.012"}, "after": {"price_per_label": "0.0125"}}
    audit.write(user=None, project=project, action="run.changed", **values)
    assert rows(project)[0][1] == "price of a label: $0.012 → $0.0125"

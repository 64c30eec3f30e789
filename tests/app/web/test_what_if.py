"""The page What if: who may look, what it says, and how a change reaches the run."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from labelapp import engine_what_if
from labelapp.models import AuditLog, Event, Membership, Project, ProjectCounter, Run
from labelapp.selectors import what_if
from labelapp.selectors.what_if import Wanted
from tests.app import what_if_data as data

GETS = ["project_what_if", "project_what_if_answer", "project_what_if_json"]


def address(project: Project, name: str = "project_what_if", **query: object) -> str:
    words = "&".join(f"{key}={value}" for key, value in query.items())
    return f"{reverse(name, args=[project.public_id])}?{words}"


@pytest.fixture
def manager(sign_in, cast):
    return sign_in(cast.manager)


@pytest.fixture
def run(project) -> Run:
    return data.run(project)


def apply(client, project: Project, **changes: object):
    fields = {"version": Run.objects.get(project=project).version, **changes}
    return client.post(address(project, "project_what_if_apply"), fields, follow=True)


def test_who_may_look_and_who_may_change(sign_in, cast, project, run):
    viewer = Membership.objects.get(user=cast.second_annotator)
    viewer.role = "viewer"
    viewer.save()
    expected = {cast.manager: 200, viewer.user: 200, cast.annotator: 403, cast.outsider: 404}
    for person, status in expected.items():
        client = sign_in(person)
        assert {client.get(address(project, name)).status_code for name in GETS} == {status}
    changed = {cast.annotator: 403, viewer.user: 403, cast.outsider: 404}
    for person, status in changed.items():
        assert apply(sign_in(person), project, epsilon=8).status_code == status
    page = sign_in(viewer.user).get(address(project, epsilon=8)).content.decode()
    assert "Only managers and the owner may change the run." in page
    assert 'name="version"' not in page


def test_the_present_plan_is_the_runs_own_to_the_cent(manager, project, run):
    found = manager.get(address(project, "project_what_if_json")).json()
    plan = run.state["state"]["plan"]
    assert found["changed"] == []
    assert found["now"] == found["asked"]
    assert found["now"]["total"] == plan["c_star"]
    last = run.iterations.last().record  # people have labelled since: one more training
    training = (last["train_seconds"] + last["score_seconds"]) * 3.6 / 3600
    assert found["now"]["training"] == pytest.approx(training)
    assert found["now"]["stop_cost"] == pytest.approx(plan["stop_now"] + training)


def test_the_answer_says_both_plans_and_the_signed_difference(manager, project, run):
    found = manager.get(address(project, "project_what_if_json", epsilon=8)).json()
    assert found["changed"] == ["epsilon"]
    assert found["asked"]["cost"] < found["now"]["cost"]
    assert found["asked"]["spent"] == found["now"]["spent"]
    reply = manager.get(address(project, "project_what_if_answer", epsilon=8)).json()
    assert "\u2212$" in reply["html"]
    assert "Wrong labels allowed: 5\xa0% → 8\xa0%" in reply["html"]
    assert reply["query"] == "epsilon=8"
    assert len(reply["chart"]["now"]["grid_b"]) == len(reply["chart"]["asked"]["grid_total"]) > 9


@pytest.mark.parametrize("state", ["setup", "seed", 1, 5, "audit", "residual"])
def test_each_state_of_a_run_has_its_page(manager, project, state, django_assert_max_num_queries):
    if state == "setup":
        ProjectCounter.objects.filter(project=project).update(images=400)
    else:
        data.run(project, state if isinstance(state, int) else data.last_phase(state))
    expected = {
        "setup": "The run has not started",
        "seed": "after three trainings",
        1: "needs 2 more trainings",
        5: "at most, to be certified by an audit with 95\xa0% confidence",
        "audit": "Another promise ends this check",
        "residual": "The machine&#x27;s labels are chosen",
    }
    with django_assert_max_num_queries(12):
        page = manager.get(address(project, epsilon=8))
    assert page.status_code == 200
    assert expected[state] in page.content.decode()


def test_a_finished_run_says_what_it_came_to_and_leads_to_steer(manager, project, sign_in, cast):
    Membership.objects.filter(user=cast.second_annotator).update(role="viewer")
    made = data.run(project, data.last_phase("residual"))
    Run.objects.filter(pk=made.pk).update(finished=timezone.now(), request_kind="finished")
    Project.objects.update(status="finished")
    ProjectCounter.objects.update(machine=1200)
    page = manager.get(address(project)).content.decode()
    spent = ProjectCounter.objects.get()
    assert "Spent in total" in page
    assert f"${spent.label_spend + spent.compute_spend:.2f}" in page
    assert "the labels of the machine (1,200\xa0images) are withdrawn" in page
    assert "#steer-reopen" in page
    for gone in ("Forecast total", "Total if stopped now", 'id="what-if-form"', "js/what_if.js"):
        assert gone not in page
    page = sign_in(cast.second_annotator).get(address(project)).content.decode()
    assert "Spent in total" in page
    assert "#steer-reopen" not in page


def test_people_alone_follow_the_price_and_what_was_paid_keeps_its_own(manager, project, run):
    found = manager.get(address(project, "project_what_if_json", price="0.08")).json()
    paid = Decimal(found["now"]["spent"]) - ProjectCounter.objects.get().compute_spend
    left = found["now"]["n"] - found["now"]["done"]
    assert found["asked"]["human_only"] == pytest.approx(float(paid) + 0.08 * left)


def test_several_people_an_image_cost_several_answers(manager, project, run):
    address_ = address(project, "project_what_if_json", overlap=3, share=50)
    assert manager.get(address_).json()["asked"]["image_price"] == pytest.approx(0.08)


def test_wrong_values_are_named(manager, project, run):
    page = manager.get(address(project, confidence=20))
    assert page.status_code == 400
    assert "greater than or equal to 50" in page.content.decode()
    reply = manager.get(
        address(project, "project_what_if_answer", price="x"),
        headers={"accept": "application/json"},
    )
    assert reply.status_code == 400
    assert "price" in reply.json()["fields"]


def test_applying_is_an_event_of_the_run_and_goes_to_the_audit_log(manager, project, run):
    asked = {"epsilon": 8, "price": "0.06", "overlap": 2, "share": 25}
    weighed = manager.get(address(project, "project_what_if_json", **asked)).json()
    page = apply(manager, project, **asked)
    assert "Applied" in page.content.decode()
    assert "?epsilon=5&amp;price=0.04&amp;overlap=1&amp;share=100" in page.content.decode()
    project.refresh_from_db()
    assert (project.epsilon, project.overlap, project.overlap_share) == (0.08, 2, 0.25)
    names = ["epsilon", "overlap", "overlap_share", "price_per_label"]
    assert Event.objects.filter(type="run.changed").get().payload["what"] == names
    entry = AuditLog.objects.get(action="run.changed")
    assert (entry.before["epsilon"], entry.after["epsilon"]) == (0.05, 0.08)
    said = {"total": weighed["asked"]["cost"], "instead": weighed["now"]["cost"]}
    assert {k: float(v) for k, v in entry.after["said"].items()} == pytest.approx(said, abs=1e-5)
    run.refresh_from_db()
    assert run.state["state"]["config"]["prices"]["label"] == 0.075  # 0.06 (1 + 0.25)
    now = manager.get(address(project, "project_what_if_json")).json()["now"]
    assert now["spent"] == weighed["now"]["spent"]


def test_what_was_weighed_is_what_is_planned_next(manager, project, run):
    weighed = manager.get(address(project, "project_what_if_json", epsilon=8)).json()["asked"]
    apply(manager, project, epsilon=8)
    now = manager.get(address(project, "project_what_if_json")).json()["now"]
    assert now["total"] == weighed["total"]


def test_a_run_that_moved_on_is_shown_anew_before_it_is_changed(manager, project, run):
    version = run.version
    Run.objects.update(version=version + 1)
    page = apply(manager, project, epsilon=8, version=version)
    assert "The run has moved on since" in page.content.decode()
    assert page.redirect_chain[-1][0].endswith("?epsilon=8")
    project.refresh_from_db()
    assert project.epsilon == 0.05
    assert not Event.objects.filter(type="run.changed").exists()


def test_a_promise_is_fixed_once_the_machine_has_labelled(manager, project):
    data.run(project, data.last_phase("residual"))
    assert "Too late" in apply(manager, project, epsilon=8).content.decode()
    assert "Applied" in apply(manager, project, price="0.05").content.decode()


def test_an_answer_is_computed_once(project, run, monkeypatch):
    known = what_if.gather(project)
    wanted = Wanted.of(project)
    what_if.compare(known, wanted)
    monkeypatch.setattr(engine_what_if, "_answer", None)
    monkeypatch.setattr(engine_what_if, "_basis", None)
    assert json.dumps(what_if.compare(known, wanted))

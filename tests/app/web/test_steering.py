"""The page that steers a run: what it says before, who may see it, what a stale page gets."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from labelapp import engine_steering
from labelapp.models import AuditLog, Job, Membership, Project, Run, SteeringAction, User
from labelapp.rights import RIGHTS, Right
from labelapp.selectors import steering_words
from tests.app import dashboard_data

pytestmark = pytest.mark.django_db


def url(name: str, project, *args) -> str:
    return reverse(name, args=[project.public_id, *args])


@pytest.fixture
def page(project):
    return url("project_steer", project)


@pytest.fixture
def boss(cast, sign_in):
    return sign_in(cast.manager)


@pytest.fixture
def going(project):
    """A recorded run after its ninth training; its figures are there, its engine is not."""
    run = dashboard_data.start(project)
    run.state = {"state": {"phase": "label"}}
    run.config = {"prices": {"label": 0.04}}
    run.save()
    return run


@pytest.mark.parametrize("role", RIGHTS)
def test_the_table_of_rights_says_who_sees_and_does_it(role, project, sign_in, page, going):
    user = User.objects.create_user(f"{role}@x.org", "x")
    Membership.objects.create(project=project, user=user, role=role)
    allowed = Right.STEER in RIGHTS[role]
    client = sign_in(user)
    assert client.get(page).status_code == (200 if allowed else 403)
    names = [("steer_ask",), ("steer_methods",), ("steer_reopen",), ("steer_undo", 1)]
    for name, *args in names:
        answer = client.post(url(name, project, *args), {"what": "stop", "version": "0"})
        assert (answer.status_code == 403) is not allowed, name
        assert client.get(url(name, project, *args)).status_code in {403, 405}


def test_before_the_start_it_says_so(boss, page):
    assert b"has not started" in boss.get(page).content


def test_each_action_says_its_money_before_it_is_taken(
    boss, page, going, django_assert_max_num_queries
):
    boss.get(page)
    with django_assert_max_num_queries(14):  # two of them sign in
        text = boss.get(page).content.decode()
    for words in ("Stop now", "Buy the audit now", "Let people label the rest", "Pause"):
        assert words in text
    assert "10,000 images by people: about $400.00 more" in text.replace("\xa0", " ")
    assert f'name="version" value="{going.version}"' in text


def test_pause_and_go_on_stay_on_the_page(boss, page, project, going):
    text = boss.get(page).content.decode()
    assert f'name="next" value="{page}"' in text
    assert boss.post(url("run_pause", project), {"next": page}).url == page
    project.refresh_from_db()
    assert project.status == "paused"
    assert b"Go on" in boss.get(page).content


@pytest.mark.parametrize(
    "there",
    ["https://bad.example/", "//bad.example/", "/\\bad.example", "javascript:alert(1)", "x"],
)
def test_a_pause_leads_to_no_other_server(there, boss, project, going):
    sent = {"next": there}
    assert boss.post(url("run_pause", project), sent).url == url("project", project)


def test_a_stale_page_changes_nothing_and_is_shown_again(boss, page, project, going):
    Run.objects.update(version=7)
    answer = boss.post(url("steer_ask", project), {"what": "stop", "version": "0"})
    assert answer.url == page
    [message] = get_messages(answer.wsgi_request)
    assert "moved on" in message.message
    assert not SteeringAction.objects.exists()
    assert not AuditLog.objects.filter(action="run.steered").exists()


@pytest.mark.parametrize("sent", [{"what": "explode"}, {"what": "stop", "version": "x" * 9}, {}])
def test_nonsense_changes_nothing(sent, boss, project, going):
    assert boss.post(url("steer_ask", project), sent).status_code == 302
    assert not SteeringAction.objects.exists()


def test_a_finished_project_can_be_opened_again_and_nothing_else(boss, page, project, going):
    Run.objects.update(finished=project.created, state={"state": {"phase": "finished"}})
    text = boss.get(page).content.decode()
    assert "Open the project again" in text
    assert "Stop now" not in text
    bad = boss.post(url("steer_reopen", project), {"epsilon": "200", "version": str(going.version)})
    assert bad.status_code == 400
    assert b"must lie between" in bad.content


def test_opened_again_with_little_budget_left_it_warns(project):
    known = SimpleNamespace(project=project)
    said = {"spent": 5.97, "total": 16.05}
    assert steering_words._scant_budget(known, said) == []
    project.budget = Decimal(20)
    assert steering_words._scant_budget(known, said) == []
    project.budget = Decimal(6)
    assert "$6.00 there is $0.03 left" in steering_words._scant_budget(known, said)[0]


def test_a_budget_that_could_only_make_it_worse_is_refused_beside_its_field(
    boss, page, project, going, monkeypatch
):
    Run.objects.update(finished=project.created, state={"state": {"phase": "finished"}})
    Project.objects.update(budget=6)
    asked = []

    def scant(_run, changed, **_more):
        asked.append(changed.budget)
        raise engine_steering.ScantBudgetError("too little", 7.4031)

    monkeypatch.setattr(engine_steering, "reopened", scant)
    assert 'name="budget" value="6"' in boss.get(page).content.decode()
    sent = {"epsilon": "5", "budget": "6.5", "version": str(going.version)}
    answer = boss.post(url("steer_reopen", project), sent)
    assert answer.status_code == 400
    assert "bring the sum to $7.41 at least" in answer.content.decode()
    assert asked == [Decimal("6.5")]
    assert Project.objects.get(pk=project.pk).budget == 6
    assert not SteeringAction.objects.exists()
    sent["budget"] = "-1"
    assert b"A budget must lie above 0" in boss.post(url("steer_reopen", project), sent).content


def test_the_methods_form_complains_beside_its_fields(boss, project, going):
    sent = {"arch": "cnn_small", "rivals": ["cnn_small"], "acquisition": "margin"}
    sent |= {"certainty": "margin", "max_rounds": "0", "version": "0"}
    answer = boss.post(url("steer_methods", project), sent)
    assert answer.status_code == 400
    assert not SteeringAction.objects.exists()


def test_a_step_that_the_worker_does_shows_how_far_it_is(boss, page, project, going):
    job = Job.objects.create(
        kind="steer",
        key=f"steer:{project.pk}",
        project=project,
        state="running",
        progress=0.6,
        message="Withdrawing the machine's labels",
        params={"do": "reopen"},
    )
    shown = boss.get(page).text
    assert "A step of steering is being done" in shown
    assert "Withdrawing the machine&#x27;s labels" in shown
    asked = boss.get(url("steer_working", project))
    assert 'value="0.600"' in asked.text
    assert "HX-Refresh" not in asked.headers
    sent = {"what": "stop", "version": str(going.version)}
    answer = boss.post(url("steer_ask", project), sent, follow=True)
    assert "A step of steering is being done: wait for its end." in answer.text
    assert not SteeringAction.objects.exists()
    Job.objects.filter(pk=job.pk).update(
        state="failed", message="Labels were paid for it since, so it stands."
    )
    asked = boss.get(url("steer_working", project))
    assert asked.headers["HX-Refresh"] == "true"
    assert "The last step of steering was not done: Labels were paid" in boss.get(page).text


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (0, "as if it had not been asked"),
        (1, "shorter by 1 image:"),
        (250, "shorter by 250 images:"),
    ],
)
def test_taken_back_says_what_stays_cut(left, words, boss, project, going, monkeypatch):
    action = SteeringAction(project=project, action="stop", params={"left": left})
    monkeypatch.setattr("labelapp.services.steering_jobs.undo", lambda **_asked: action)
    answer = boss.post(url("steer_undo", project, 1))
    [message] = get_messages(answer.wsgi_request)
    assert words in message.message

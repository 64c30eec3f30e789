"""The dashboard's page, its JSON, and the buttons that steer a run."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labelapp import engine_what_if
from labelapp.errors import ConflictError, TooFewImagesError
from labelapp.live.fragments import FRAGMENTS, render
from labelapp.models import (
    Import,
    Job,
    LabelClass,
    LedgerEntry,
    Membership,
    Project,
    ProjectCounter,
    Run,
    SteeringAction,
    WorkDay,
)
from labelapp.selectors import dashboard, dashboard_ledger, dashboard_people
from labelapp.selectors.dashboard import overview
from labelapp.selectors.dashboard_export import TABLES
from tests.app import dashboard_data as data
from tests.app import what_if_data
from tests.app.conftest import add_images

GETS = ["project", "dashboard_json"]
POSTS = ["run_start", "run_pause", "run_resume"]


def address(project: Project, name: str = "project") -> str:
    return reverse(name, args=[project.public_id])


@pytest.fixture
def manager(sign_in, cast):
    return sign_in(cast.manager)


@pytest.fixture
def running(project):
    data.beat()
    return data.running(project)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.mark.parametrize("name", GETS)
def test_an_outsider_finds_nothing(sign_in, cast, project, name):
    assert sign_in(cast.outsider).get(address(project, name)).status_code == 404


@pytest.mark.parametrize("name", POSTS)
def test_an_outsider_steers_nothing(sign_in, cast, project, name):
    assert sign_in(cast.outsider).post(address(project, name)).status_code == 404


@pytest.mark.parametrize("name", POSTS)
def test_an_annotator_may_not_steer(sign_in, cast, project, name):
    assert sign_in(cast.annotator).post(address(project, name)).status_code == 403


@pytest.mark.parametrize("name", POSTS)
def test_steering_needs_a_post(manager, project, name):
    assert manager.get(address(project, name)).status_code == 405


def test_steering_needs_the_token_of_the_form(cast, project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.manager, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(address(project, "run_start")).status_code == 403


def test_an_annotator_is_sent_to_the_labelling_page(sign_in, cast, project):
    response = sign_in(cast.annotator).get(address(project))
    assert response.status_code == 302
    assert response.url == address(project, "project_label")


def test_an_annotator_sees_no_costs(sign_in, cast, project):
    assert sign_in(cast.annotator).get(address(project, "dashboard_json")).status_code == 403


def test_nobody_sees_it_without_signing_in(client, project):
    assert client.get(address(project)).status_code == 302


@pytest.mark.parametrize(
    "state", ["set_up_images", "start", "running", "training", "finished"], ids=str
)
def test_the_page_shows_every_state(manager, project, state):
    getattr(data, state)(project)
    assert manager.get(address(project)).status_code == 200


def test_an_empty_project_says_how_it_goes(manager, project):
    words = text_of(manager.get(address(project)))
    assert "There are no images yet." in words
    assert "Add images" in words


def test_the_time_that_an_import_still_takes_is_said_once(manager, project):
    data.beat()
    data.set_up_images(project)
    Import.objects.create(project=project, kind="zip", source="x", state="running")
    now = timezone.now()
    times = {"started": now, "heartbeat": now, "seconds_left": 200}
    target = {"kind": "import", "key": "import:1", "project": project, "target": 1}
    Job.objects.create(**target, **times, state=Job.State.RUNNING, message="12 of 30 files")
    assert text_of(manager.get(address(project))).count("min left") == 1


def test_the_page_says_the_four_figures(manager, project, running):
    words = text_of(manager.get(address(project)))
    for expected in ("$61.26", "$159.78", "4.46 %", "1,530"):
        assert expected in words


def test_the_json_is_the_overview(manager, project, running):
    response = manager.get(address(project, "dashboard_json"))
    assert response.json() == overview(project, "manager")


def test_the_page_carries_the_same_chart_data_as_the_json(manager, project, running):
    page = manager.get(address(project)).content.decode()
    found = re.search(r'<script id="dashboard-data" type="application/json">(.*?)</script>', page)
    assert json.loads(found.group(1)) == overview(project)["charts"]


def test_a_refresh_shows_what_the_live_channel_sends(manager, project, running):
    """The page includes exactly the fragments that the socket sends."""
    page = manager.get(address(project)).content.decode()
    for name, html in render(overview(project, "manager")).items():
        assert f'data-live="{name}"' in page
        assert html in page
    assert page.count("data-live=") == len(FRAGMENTS)


@pytest.mark.parametrize("state", ["set_up_images", "running", "training", "auditing", "finished"])
def test_the_first_look_takes_at_most_twelve_statements(manager, project, state):
    """Of a process that has just started: nothing is remembered but the templates."""
    getattr(data, state)(project)
    dashboard._KNOWN.clear()
    dashboard_ledger._TOTALS.clear()
    dashboard_people.forget_pace()
    with CaptureQueriesContext(connection) as queries:
        manager.get(address(project))
    told = [query["sql"] for query in queries if not query["sql"].startswith("SAVEPOINT")]
    assert len(told) <= 12, "\n".join(sql[:150] for sql in told)


def test_a_look_at_a_run_that_was_changed_and_stopped_takes_no_more(manager, project, cast):
    """The plan is made anew from the engine's state, and who asked is read: one statement each."""
    state = what_if_data.saved(5)
    run = what_if_data.run(project, state)
    stored = engine_what_if.planned_after(state)
    stored["made_with"]["config"] |= {"classes": 2, "seed": 99}
    run.iterations.filter(number=5).update(plan=stored)
    Run.objects.filter(pk=run.pk).update(wish="stop")
    SteeringAction.objects.create(project=project, user=cast.owner, action="stop", spent=0)
    spent = ProjectCounter.objects.get(project=project)
    for what, amount in {"train": spent.label_spend, "compute": spent.compute_spend}.items():
        line = {"quantity": 1, "unit_price": amount, "amount": amount}
        LedgerEntry.objects.create(project=project, key=what, purpose=what, **line)
    manager.get(address(project))
    dashboard._KNOWN.clear()
    dashboard_ledger._TOTALS.clear()
    dashboard_people.forget_pace()
    engine_what_if.forget()
    with CaptureQueriesContext(connection) as queries:
        page = manager.get(address(project)).content.decode()
    assert "The classes changed after the last training." in page
    assert "Total after the stop" in page
    told = [query["sql"] for query in queries if not query["sql"].startswith("SAVEPOINT")]
    assert len(told) <= 12, "\n".join(sql[:120] for sql in told)


def test_a_viewer_sees_the_overview_and_no_button_to_steer(sign_in, cast, project, running):
    Membership.objects.filter(user=cast.second_annotator).update(role="viewer")
    page = sign_in(cast.second_annotator).get(address(project)).content.decode()
    assert "What will it cost?" in page
    assert "formaction" not in page
    assert address(project, "project_export") not in page


def test_each_table_of_the_page_is_a_file_for_a_spreadsheet(manager, sign_in, cast, project):
    data.running(project)
    WorkDay.objects.create(
        project=project,
        user=cast.annotator,
        day=timezone.now().date() - timedelta(days=1),
        answers=900,
        active_ms=7_200_000,
    )
    for what in TABLES:
        response = manager.get(reverse("dashboard_csv", args=[project.public_id, what]))
        rows = list(csv.reader(response.content.decode().splitlines()))
        assert len(rows) > 3
        assert {len(row) for row in rows} == {len(rows[0])}
    found = {row[0]: row for row in csv.reader(spreadsheet(manager, project, "figures"))}
    assert found["spent"][1].startswith("61.2")
    assert found["forecast_total"][1:6] == ["159.78", "148.23", "181.83", "131.47", "181.83"]
    assert found["labels_still_to_buy"][-1] == "labels"
    assert found["finished"][-1] == "UTC"
    unknown = reverse("dashboard_csv", args=[project.public_id, "secrets"])
    assert manager.get(unknown).status_code == 404
    figures = reverse("dashboard_csv", args=[project.public_id, "figures"])
    assert sign_in(cast.annotator).get(figures).status_code == 403
    assert sign_in(cast.outsider).get(figures).status_code == 404


def spreadsheet(client, project, what: str) -> list[str]:
    address = reverse("dashboard_csv", args=[project.public_id, what])
    return client.get(address).content.decode().splitlines()


def test_the_finishing_date_follows_from_people_and_training(project, cast):
    """2,463 labels at 450 a day by one person, and 11 s of training: five days and a half."""
    data.running(project)
    today = timezone.now().date()
    for back in (1, 2, 3):
        work = {"answers": 450, "active_ms": 3_600_000}
        day = today - timedelta(days=back)
        WorkDay.objects.create(project=project, user=cast.annotator, day=day, **work)
    found = overview(project)["figures"][2]
    rows = {row["key"]: row for row in found["rows"]}
    assert rows["pace"]["text"] == "450 an hour"
    assert rows["pace"]["note"].startswith("by 1 person, 1.0 h a day, as on the last 3 working")
    ends = {key: datetime.fromisoformat(at) for key, at in found["finish"].items()}
    assert (ends["at"].date() - today).days in {5, 6}
    assert ends["low"] < ends["at"] < ends["high"]


def test_without_anybodys_work_there_is_no_date_and_the_page_says_so(project):
    data.running(project)
    found = overview(project)["figures"][2]
    assert (found["text"], found["note"]) == (
        "\u2013",
        "no pace now: nobody has labelled in the last hour, or on the days before today",
    )


def test_every_button_leads_somewhere(project, running):
    for status in Project.Status.SETUP, Project.Status.PAUSED, Project.Status.FINISHED:
        Project.objects.filter(pk=project.pk).update(status=status)
        html = render(overview(project))["actions"]
        assert 'href=""' not in html
        assert 'formaction=""' not in html


def test_names_are_escaped(manager, project, running):
    Project.objects.filter(pk=project.pk).update(name="<script>alert(1)</script>")
    data.say(project, "run.failed", {"message": "<b>bold</b>"})
    page = manager.get(address(project)).content.decode()
    assert "<script>alert" not in page
    assert "<b>bold" not in page


@pytest.mark.parametrize(
    ("name", "service"),
    [("run_start", "start_run"), ("run_pause", "pause_run"), ("run_resume", "resume_run")],
)
def test_a_button_calls_its_service_and_comes_back(manager, project, monkeypatch, name, service):
    called = []
    monkeypatch.setattr(
        f"labelapp.web.dashboard.runs.{service}", lambda *, access: called.append(access)
    )
    response = manager.post(address(project, name))
    assert response.url == address(project)
    assert [access.project for access in called] == [project]


@pytest.mark.parametrize("error", [ConflictError("Already started."), TooFewImagesError("Add 12.")])
def test_an_error_is_shown_on_the_page(manager, project, monkeypatch, error):
    def refuse(*, access):
        raise error

    monkeypatch.setattr("labelapp.web.dashboard.runs.start_run", refuse)
    response = manager.post(address(project, "run_start"), follow=True)
    assert response.status_code == 200
    assert error.message in text_of(response)


def test_a_real_start_refuses_too_few_images_on_the_page(manager, project):
    ProjectCounter.objects.filter(project=project).update(images=3)
    response = manager.post(address(project, "run_start"), follow=True)
    assert "Import more images" in text_of(response)
    assert "<code>too_few_images</code>" in response.text
    assert LabelClass.objects.filter(project=project).count() == 3


def test_money_is_in_the_projects_currency(manager, project, running):
    Project.objects.filter(pk=project.pk).update(currency="EUR")
    data.say(project, "project.changed", {})
    assert "€61.26" in text_of(manager.get(address(project)))


def test_a_real_start_pause_and_resume_show_on_the_page(manager, project):
    add_images(project, 200)
    started = text_of(manager.post(address(project, "run_start"), follow=True))
    assert "The run has started." in started
    assert "People label" in started
    assert "Paused" in text_of(manager.post(address(project, "run_pause"), follow=True))
    assert "The run goes on." in text_of(manager.post(address(project, "run_resume"), follow=True))
    assert Run.objects.get(project=project).n == 200


def test_a_second_start_is_refused_in_words(manager, project):
    add_images(project, 200)
    manager.post(address(project, "run_start"))
    again = text_of(manager.post(address(project, "run_start"), follow=True))
    assert "The run has already started." in again

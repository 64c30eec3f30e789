"""The dashboard's page, its JSON, and the buttons that steer a run."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from labelapp.errors import ConflictError, TooFewImagesError
from labelapp.live.fragments import FRAGMENTS, render
from labelapp.models import LabelClass, Project, ProjectCounter, Run
from labelapp.selectors.dashboard import overview
from tests.app import dashboard_data as data
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


def test_the_page_says_the_four_figures(manager, project, running):
    words = text_of(manager.get(address(project)))
    for expected in ("$61.26", "$159.78", "4.46 %", "1,530"):
        assert expected in words


def test_the_json_is_the_overview(manager, project, running):
    response = manager.get(address(project, "dashboard_json"))
    assert response.json() == overview(project)


def test_the_page_carries_the_same_chart_data_as_the_json(manager, project, running):
    page = manager.get(address(project)).content.decode()
    found = re.search(r'<script id="dashboard-data" type="application/json">(.*?)</script>', page)
    assert json.loads(found.group(1)) == overview(project)["charts"]


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_refresh_shows_what_the_live_channel_sends(manager, project, running, name):
    """The page includes exactly the fragments that the socket sends."""
    page = manager.get(address(project)).content.decode()
    assert f'data-live="{name}"' in page
    assert render(overview(project))[name] in page


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

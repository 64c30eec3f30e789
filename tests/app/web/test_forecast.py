"""The forecast pages: who sees them, how few statements they take, what comes down, what is new."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labelapp.models import LabelBatch, Membership, User
from labelapp.rights import Role
from labelapp.selectors import forecast_counts, forecast_history, forecast_ledger
from tests.app import dashboard_data as data
from tests.app.conftest import PASSWORD, make_project
from tests.app.web.fetching import fetch

PAGES = ["project_forecast", "forecast_machine", "forecast_ledger"]
OTHERS = [
    *["forecast_data", "forecast_machine_data", "forecast_ledger_data", "forecast_epsilon"],
    *["forecast_mistakes", "forecast_ledger_csv", "forecast_classes_csv"],
]
PROFILE = {
    "seq": list(range(1, 21)),
    "label": [0, 0, 1, 2] * 5,
    "pred": [0, 1, 1, 2] * 5,
    "margin": [0.9, 0.2, 0.8, 0.7] * 5,
    "confidence": [0.95, 0.55, 0.9, 0.85] * 5,
}


@pytest.fixture(autouse=True)
def _fresh():
    for module in (forecast_history, forecast_ledger, forecast_counts):
        module.forget()


@pytest.fixture
def run(project):
    """Six trainings; the last one kept T image by image."""
    run = data.running(project)
    last = run.iterations.order_by("-number")[0]
    last.profile = PROFILE
    last.save(update_fields=["profile"])
    return run


@pytest.fixture
def viewer(project):
    user = User.objects.create_user("viewer@example.org", PASSWORD)
    Membership.objects.create(project=project, user=user, role=Role.VIEWER)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def address(project, name):
    return reverse(name, args=[project.public_id])


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_a_viewer_sees_all_of_it_and_who_only_labels_none(run, viewer, sign_in, cast, project):
    annotator, outsider = sign_in(cast.annotator), Client()
    outsider.force_login(cast.outsider, backend="django.contrib.auth.backends.ModelBackend")
    for name in PAGES + OTHERS:
        assert viewer.get(address(project, name)).status_code == 200, name
        assert annotator.get(address(project, name)).status_code == 403, name
        assert outsider.get(address(project, name)).status_code == 404, name
        assert viewer.post(address(project, name)).status_code == 405, name


def test_no_page_takes_more_than_twelve_statements(run, viewer, project):
    for name in PAGES + OTHERS:
        if not name.endswith("csv"):
            with CaptureQueriesContext(connection) as seen:
                viewer.get(address(project, name))
            assert len(seen) <= 12, (name, [one["sql"][:90] for one in seen.captured_queries])


def test_the_sentences_say_this_projects_numbers(run, viewer, project):
    said = text_of(viewer.get(address(project, "project_forecast")))
    assert "37 of 438 test images wrong (8.4 %)" in said
    assert "$159.78 in all (80 % sure: $148.23 to $181.83)" in said
    assert (
        "Stopping now would cost $160.67, people alone $400.00." in said
    )  # with one more training
    machine = text_of(viewer.get(address(project, "forecast_machine")))
    assert (
        "\u201ccircle\u201d, 5 of 10 test images, 5 of them taken for \u201csquare\u201d" in machine
    )
    money = text_of(viewer.get(address(project, "forecast_ledger")))
    assert "$61.26 spent" in money


def test_before_anything_has_happened_every_page_says_what_comes(viewer, project):
    for name in PAGES:
        said = text_of(viewer.get(address(project, name)))
        assert "The run has not started: there is nothing to forecast yet." in said
    assert viewer.get(address(project, "forecast_epsilon")).json()["points"] == []
    assert viewer.get(address(project, "forecast_mistakes")).content.strip() == b""


def test_a_training_without_a_profile_says_so(viewer, project):
    data.running(project, 2)
    said = text_of(viewer.get(address(project, "forecast_machine")))
    assert "did not keep the test set image by image" in said
    said = text_of(viewer.get(address(project, "project_forecast")))
    assert "The forecast needs 1 more training." in said


def test_only_what_is_new_is_sent_again(run, viewer, project):
    for page in ("forecast", "machine", "ledger"):
        url = f"/p/{project.public_id}/forecast/{page}.json"
        whole = viewer.get(url)
        assert "attachment" in whole.headers["Content-Disposition"]
        version = whole.json()["version"]
        assert viewer.get(url, {"live": version}).status_code == 204
        data.say(project, "training.progress")
        if page != "machine":
            assert viewer.get(url, {"live": version}).status_code == 204
        data.answer(LabelBatch.objects.filter(run=run).latest("pk"), 1)
        forecast_counts.forget()
        new = viewer.get(url, {"live": version}).json()
        assert new["version"] != version
        fresh = viewer.get(url).json()
        for part in ("charts", "said", "needs"):
            assert new[part] == fresh[part]
        html = viewer.get(address(project, PAGES[["forecast", "machine", "ledger"].index(page)]))
        for fragment in new["html"].values():
            assert fragment in html.content.decode()


def test_what_comes_down_is_what_is_shown(run, viewer, project):
    _response, body = fetch(viewer, address(project, "forecast_ledger_csv"))
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    page = viewer.get(address(project, "forecast_ledger_data")).json()
    spent = sum(float(row["amount"]) for row in rows)
    assert spent == pytest.approx(sum(day["amount"] for day in page["days"]))
    _response, body = fetch(viewer, address(project, "forecast_classes_csv"))
    classes = list(csv.DictReader(io.StringIO(body.decode())))
    assert [row["name"] for row in classes][:1] == ["circle"]
    assert json.loads(viewer.get(address(project, "forecast_data")).content)["totals"]["rows"]


def test_a_name_of_another_project_stays_there(run, viewer, cast, project):
    other = make_project(cast)
    data.running(other)
    assert viewer.get(address(other, "project_forecast")).status_code == 404

"""The overview at every step of a run that the real services and the real engine make."""

from __future__ import annotations

import json

import pytest
from django.test import override_settings

from labelapp.live.fragments import render
from labelapp.models import Project, ProjectCounter
from labelapp.selectors.dashboard import overview
from labelapp.selectors.forecast import forecast_page, ledger_page, machine_page
from tests.app.tasks import driving

N = 400


def look(project: Project) -> dict:
    """Check what must hold at any moment, and return the overview."""
    found = json.loads(json.dumps(overview(project), allow_nan=False))
    assert sum(part["count"] for part in found["counts"]["parts"]) == N
    assert all(part["count"] >= 0 for part in found["counts"]["parts"])
    counter = ProjectCounter.objects.get(project=project)
    spent = float(counter.label_spend + counter.compute_spend)
    assert sum(row["value"] for row in found["ledger"]["rows"]) == pytest.approx(spent)
    assert render(found)["figures"]
    for page in (forecast_page, machine_page, ledger_page):
        assert json.dumps(page(project), allow_nan=False)
    return found


@pytest.mark.django_db
def test_the_overview_adds_up_at_every_step_of_a_real_run(project, cast, settings):
    with override_settings(TRAINER_COMMAND=driving.FAKE_TRAINER):
        driving.fill(project, settings.MEDIA_ROOT, N)
        assert look(project)["status"]["state"] == "ready"
        driving.start(project, cast.owner)
        states = set()
        for _ in range(60):
            found = look(project)
            states.add(found["status"]["state"])
            if found["status"]["state"] == "finished":
                break
            driving.answer_all(project, cast.annotator)
            look(project)
            driving.do_jobs()
    assert {"labelling", "finished"} <= states
    assert found["rounds"]
    assert machine_page(project)["charts"]["margins"]["edges"]
    assert machine_page(project)["tests"] > 0  # T's profile came with the training
    told = [event["type"] for event in found["events"][:2]]
    assert told == ["people.measured", "run.finished"]  # the report comes with the certificate

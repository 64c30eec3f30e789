"""Searches for the best training set by programs, and what a form may say of one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from labelapp import engine_search
from labelapp.models import (
    Curation,
    Exclusion,
    Iteration,
    Job,
    ModelVersion,
    ProjectCounter,
    Run,
)
from labelapp.selectors import curations as found
from labelapp.services import tokens
from labelapp.services.curation_settings import CurationSettings
from tests.app.curation_world import finish, searched

pytestmark = pytest.mark.django_db


@pytest.fixture
def over(project, images):
    """A finished project that has labels enough by its counters."""
    finish(project, images)
    Run.objects.update(config={"classes": 3}, n=1_000)
    ProjectCounter.objects.filter(project=project).update(train=600, machine=400)
    return project


@pytest.fixture
def program(over):
    """Return a function that gives a program of this person with one scope."""

    def make(user, scope: str) -> Client:
        _token, text = tokens.create(user=user, name="script", scopes=[scope])
        return Client(headers={"Authorization": f"Bearer {text}"})

    return make


def test_a_program_searches_asks_and_cancels(cast, over, program):
    client, start = program(cast.manager, "steer"), f"/api/v1/projects/{over.public_id}/curations/"
    asked = {"share": 0.6, "model": "resnet18", "seeds": [0, 1]}
    made = client.post(start, asked, content_type="application/json")
    assert made.status_code == 202, made.json()
    found_ = made.json()
    assert (found_["state"], found_["progress"], found_["result"]) == ("waiting", None, None)
    assert found_["settings"] | asked == found_["settings"]
    twice = client.post(start, {}, content_type="application/json")
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    ended = client.post(f"{start}{found_['id']}/cancel/")
    assert (ended.status_code, ended.json()["state"]) == (200, "cancelled")
    assert Job.objects.get(kind="curate").state == "cancelled"
    assert client.post(f"{start}{found_['id']}/cancel/").status_code == 409
    wrong = client.post(start, {"share": 1, "seeds": "x"}, content_type="application/json")
    assert (wrong.status_code, set(wrong.json()["fields"])) == (400, {"share", "seeds"})
    reader = program(cast.manager, "read")
    assert [row["id"] for row in reader.get(start).json()["curations"]] == [found_["id"]]
    assert reader.get(f"{start}{found_['id']}/").json()["state"] == "cancelled"
    assert reader.post(start, {}, content_type="application/json").status_code == 403
    assert reader.get(f"{start}{2**62}/").status_code == 404
    over.status = "running"
    over.save()
    early = program(cast.manager, "steer").post(start, {}, content_type="application/json")
    assert (early.status_code, Curation.objects.count()) == (409, 1)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, set()),
        ({"share": 0}, {"share"}),
        ({"share": True}, {"share"}),
        ({"share": float("nan")}, {"share"}),
        ({"held_out": 1.0}, {"held_out"}),
        ({"outliers": 0.6}, {"outliers"}),
        ({"outliers": 0.1, "acquisition": "k_center"}, {"outliers"}),
        ({"scheme": "luck", "labels": [1]}, {"scheme", "labels"}),
        ({"acquisition": "random"}, {"acquisition"}),
        ({"compare": 1}, {"compare"}),
        ({"seeds": [0, 0]}, {"seeds"}),
        ({"seeds": [-1]}, {"seeds"}),
        ({"seeds": []}, {"seeds"}),
        ({"model": "huge"}, {"model"}),
        ({"model": 3, "acquirer": "cnn_small"}, {"model", "acquirer"}),
        ({"acquirer": "cnn_small", "acquisition": "entropy"}, set()),
        ({"acquirer": "cnn_small+pseudo", "model": "cnn_small+semi"}, {"acquirer", "model"}),
        ({"scheme": "pretrain", "model": "resnet18+tuned"}, {"model"}),
    ],
)
def test_what_is_wrong_is_said_by_field(changes, fields):
    chosen = CurationSettings.of(changes)
    assert set(chosen.check()) == fields
    assert all(chosen.check().values())
    assert CurationSettings.of(CurationSettings().as_json()) == CurationSettings()


def test_what_the_engine_knows_is_what_the_form_knows():
    from labelapp.services import curation_settings as here  # noqa: PLC0415
    from mcal_engine import search  # noqa: PLC0415 - NumPy and SciPy

    assert set(here.ACQUISITIONS) == set(search.acquisition_names()) - {"random"}
    assert set(here.SCHEMES) == {one.value for one in search.Scheme}
    assert search.UNRANKED - {"random"} == here.UNRANKED


def test_an_estimate_needs_a_training_of_the_same_network(over):
    chosen = CurationSettings(acquirer="cnn_small+seeds=4", model="cnn_small+seeds=4")
    assert found.estimate(over, chosen) == found.Estimate(None, None)
    run = Run.objects.get(project=over)
    Iteration.objects.create(
        run=run, number=1, train_size=100, delta=0, record={}, seconds=1, dollars=Decimal(0)
    )
    told = {"samples_shown": 2_000, "train_seconds": 20.0, "score_seconds": 5.0}
    ModelVersion.objects.create(run=run, iteration=1, arch="cnn_small", folder="", metrics=told)
    # 1,000 labels, 800 of them in L; 100 and 200 choose, 800, 400 and 400 are compared: 20 passes,
    # at least 2,000 images, 0.01 s each, of four runs; 5 trainings score with four members
    shown = 20 * (100 + 200 + 800 + 400 + 400)
    assert found.estimate(over, chosen).seconds == pytest.approx(4 * shown * 0.01 + 5 * 4 * 5.0)
    human = CurationSettings(acquirer="cnn_small+seeds=4", model="resnet18", labels="human")
    assert found.estimate(over, human).seconds is None


def test_an_estimate_counts_all_test_marks_among_the_judges(over, images):
    """With 1,000 labels, 20 % asked for and 600 marks, L has 400 images, not 800."""
    run = Run.objects.get(project=over)
    image, size = type(images[0]), {"width": 8, "height": 8, "size": 1}
    more = [image(project=over, seq=seq, sha256=f"m{seq}", **size) for seq in range(100, 700)]
    more = image.objects.bulk_create(more)
    marks = run.test_marks
    marks.bulk_create(marks.model(run=run, image=one, seq=one.seq) for one in more)
    chosen = CurationSettings()
    sizes = [one.images for one in engine_search.trainings(chosen, 1_000, found.marked(over))]
    assert sizes == [50, 100, 400, 200, 200]
    Exclusion.objects.create(image=more[0], project=over, seq=100)
    assert found.marked(over) == 599  # it takes no part
    assert engine_search.judges(chosen, 1_000, 10) == 200
    Iteration.objects.create(
        run=run, number=1, train_size=100, delta=0, record={}, seconds=1, dollars=Decimal(0)
    )
    told = {"samples_shown": 2_000, "train_seconds": 20.0, "score_seconds": 0.0}
    ModelVersion.objects.create(run=run, iteration=1, arch="cnn_small", folder="", metrics=told)
    shown = 2_000 + 2_000 + 20 * (401 + 200 + 200)  # at least 2,000 images
    assert found.estimate(over, chosen).seconds == pytest.approx(4 * shown * 0.01)


def test_a_search_of_before_the_project_was_opened_again_is_outdated(over, cast):
    record = searched(over, cast.owner)
    assert not found.outdated(record)
    assert found.parts(record).rows.size == record.n
    Run.objects.update(finished=timezone.now())
    assert found.outdated(record)

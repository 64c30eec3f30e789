"""What somebody may ask of a search: values no form sends, weights that are missing, and replies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from labelapp import queue
from labelapp.errors import ConflictError, InvalidInputError
from labelapp.models import Curation, Job, Project, Run
from labelapp.selectors import curations as found
from labelapp.selectors.projects import access
from labelapp.services import curation_program, curations
from labelapp.services.curation_settings import CurationSettings
from labelapp.services.training_settings import TrainingSettings
from tests.app.conftest import add_images
from tests.app.curation_world import finish, searched

pytestmark = pytest.mark.django_db
ASKED = CurationSettings(acquirer="cnn_small+seeds=2", model="cnn_small")


@pytest.fixture
def over(project):
    finish(project, add_images(project, 200))
    return project


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"share": 1e-9}, ConflictError),
        ({"share": 5e-324}, ConflictError),
        ({"held_out": 1 - 1e-16}, ConflictError),
        ({"acquisition": [], "outliers": 0.1}, InvalidInputError),
        ({"seeds": [[1]]}, InvalidInputError),
        ({"seeds": list(range(10_000))}, InvalidInputError),
        ({"share": 10**400}, InvalidInputError),
        ({"model": "cnn_small+seeds=" + "9" * 5_000}, InvalidInputError),
        ({"model": "resnet18+frozen"}, InvalidInputError),
        ({"acquirer": "resnet18+seeds=2+tuned"}, InvalidInputError),
    ],
)
def test_values_that_no_form_sends_are_refused_in_words(over, cast, settings, asked, error):
    settings.WEIGHTS_DIR, settings.ALLOW_WEIGHT_DOWNLOAD = None, False
    who = access(cast.manager, over.public_id)
    with pytest.raises(error):
        curations.start(access=who, settings=CurationSettings.of(asked))
    assert not Curation.objects.exists()


def test_the_api_says_what_was_found_only_while_the_project_is_finished(over, cast, sign_in):
    done, client = searched(over, cast.manager), sign_in(cast.manager)
    one = reverse("api_curation", args=[over.public_id, done.pk])
    every = reverse("api_curations", args=[over.public_id])
    Curation.objects.update(result=done.result | {"label_sums": {"0": [1, 8]}})
    told = client.get(one).json()["result"]
    assert told["accuracy"]["search"]["mean"] > 0.88
    assert set(told) == set(done.result)
    Project.objects.filter(pk=over.pk).update(status="running")  # opened again
    assert client.get(one).json()["result"] is None
    assert [row["result"] for row in client.get(every).json()["curations"]] == [None]


def test_a_busy_database_ends_no_search(over, cast, monkeypatch):
    def busy() -> bool:
        raise OperationalError("database is locked")

    record = searched(over, cast.manager, state="running")
    monkeypatch.setattr(curation_program, "trains", busy)
    for waits in (False, True):
        assert curation_program._look(record, waits=waits) is waits
    Project.objects.filter(pk=over.pk).update(status="running")
    with pytest.raises(queue.JobCancelled):
        curation_program._look(record, waits=False)


def test_test_marks_judge_and_so_may_leave_too_few_to_learn_from(over, cast):
    run, images = Run.objects.get(project=over), list(over.images.order_by("seq")[:120])
    run.test_marks.bulk_create(
        run.test_marks.model(run=run, image=one, seq=one.seq) for one in images
    )
    who = access(cast.manager, over.public_id)
    with pytest.raises(ConflictError, match="200 labels are too few"):
        curations.start(access=who, settings=ASKED)
    assert curations.start(access=who, settings=replace(ASKED, scheme="compress"))


def test_one_that_waited_while_the_project_was_open_takes_the_labels_of_now(
    over, cast, monkeypatch, tmp_path
):
    record = curations.start(access=access(cast.manager, over.public_id), settings=ASKED)
    Curation.objects.update(n=200, labels_sha256="of before")
    Run.objects.update(finished=timezone.now())  # opened again, and finished
    assert found.outdated(record)
    monkeypatch.setattr(curations.pool_tensor, "ensure", lambda *_args: tmp_path)
    monkeypatch.setattr(curation_program, "search", lambda *_args: ({}, 1.0))
    monkeypatch.setattr(curations.files, "checked", lambda _record, result: result)
    job = queue.claim(Job.objects.get(kind="curate").pk)
    curations.run(job, queue.JobControl(job))
    record.refresh_from_db()
    assert (record.state, found.outdated(record)) == ("done", False)


@pytest.mark.parametrize("name", ["first", "fixed_delta", "epochs", "neighbours"])
def test_a_number_beyond_all_floats_is_out_of_range(name):
    assert name in TrainingSettings.from_values({name: 10**400}).check()

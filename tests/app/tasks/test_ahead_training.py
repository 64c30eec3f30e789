"""One training and the images that people label meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from labelapp import engine_rows
from labelapp.services import ahead
from tests.app.tasks import driving


@pytest.fixture
def second_training(training, ready, cast):
    """A run that waits for its second training, with its ahead batch."""
    driving.do_one(training)
    while not ready.run.iterations.exists() or ready.run.request_kind != "train":
        driving.answer_all(ready, cast.annotator)
        driving.do_one(ready.jobs.filter(kind="advance", state="waiting").first())
        ready.run.refresh_from_db()
    return ready.jobs.get(kind="train", state="waiting")


def test_the_first_training_has_nothing_to_choose_by(training, ready):
    assert not ready.run.batches.filter(purpose="ahead").exists()


def test_the_second_training_gives_people_work(second_training, ready):
    batch = ready.run.batches.get(purpose="ahead")
    assert batch.state == "open"
    assert 15 <= batch.size <= 20
    assert batch.request_id == f"{ready.run.waiting_for}-ahead"


def test_the_run_does_not_wait_for_it(second_training, ready):
    driving.do_one(second_training)
    driving.do_jobs()
    ready.run.refresh_from_db()
    assert ready.run.iterations.count() == 2
    assert ready.run.batches.get(request_id="002-train-ahead").state == "done"


def test_the_engine_sees_the_prefix_marks_included(second_training, ready, cast):
    driving.work_ahead(ready, cast.annotator, 5)
    ahead.close(ready.run)
    pool = engine_rows.pool_of(ready.run)
    batch = ready.run.batches.get(purpose="ahead")
    assert set(np.flatnonzero(pool.ahead)) == set(batch.ahead.values_list("seq", flat=True))
    assert (pool.labels[pool.ahead] < 0).sum() == 1  # the one on the screen
    assert not (pool.ahead & (pool.test | pool.remainder | pool.train)).any()


def test_a_training_that_is_tried_again_keeps_its_order(second_training, ready, cast, behave):
    before = list(ready.run.batches.get(purpose="ahead").ahead.values_list("seq", flat=True))
    behave("fail")
    for _ in range(4):
        job = ready.jobs.filter(kind="train", state="waiting").first()
        if job is not None:
            driving.do_one(job)
    assert driving.work_ahead(ready, cast.annotator, 3) == 3
    batch = ready.run.batches.get(purpose="ahead")
    assert list(batch.ahead.values_list("seq", flat=True)) == before
    assert batch.state == "open"

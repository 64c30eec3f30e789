"""The bridge to the engine: money, state, and requests that nobody has to wait for."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

from labelapp import engine
from labelapp.models import Label, Run, TrainItem
from tests.app.conftest import add_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project) -> Run:
    """A run of 400 images whose test labels are all in."""
    images = add_images(project, 400)
    config, step = engine.first_step(project, images=400, classes=3)
    order = step.outstanding
    run = Run.objects.create(
        project=project,
        n=400,
        config=config,
        state=step.state,
        waiting_for=order.id,
        request_kind="label",
    )
    label(images, order.buy)
    run.test_marks.bulk_create(
        run.test_marks.model(run=run, image=images[seq], seq=seq) for seq in order.mark
    )
    return run


def label(images, seqs) -> None:
    Label.objects.bulk_create(
        Label(
            image=images[seq],
            project_id=images[seq].project_id,
            seq=seq,
            class_index=seq % 3,
            source="human",
            purpose="test",
        )
        for seq in seqs
    )


def test_the_settings_are_the_projects_without_rounding_noise(project):
    project.price_per_label, project.overlap = Decimal("0.003"), 2
    config, _ = engine.first_step(project, images=1000, classes=3)
    assert config["prices"] == {"label": 0.006, "compute_per_hour": 3.6, "devices": {}}
    assert config["target"]["alpha"] == 0.05


def test_settings_that_make_no_sense_are_refused_in_words(project):
    with pytest.raises(engine.RefusedError, match="at least two classes"):
        engine.first_step(project, images=1000, classes=1)


def test_the_state_survives_json(run):
    assert json.loads(json.dumps(run.state)) == run.state
    assert engine.next_step(run) == engine.next_step(Run.objects.get(pk=run.pk))


def test_the_seed_batch_takes_marked_images_along_unpaid(run):
    order = engine.next_step(run).outstanding
    marked = set(run.test_marks.values_list("seq", flat=True))
    assert order.purpose == "seed"
    assert set(order.buy) == set(order.train) - marked


def test_a_batch_with_nothing_to_buy_is_answered_at_once(run):
    labelled = set(Label.objects.values_list("seq", flat=True))
    label(list(run.project.images.order_by("seq")), sorted(set(range(400)) - labelled))
    step = engine.next_step(run)
    assert [type(order) for order in step.orders] == [engine.LabelOrder, engine.TrainOrder]
    run.state = step.state
    assert engine.outstanding_training(run) == step.outstanding


def test_a_training_after_which_the_next_batch_is_full_already_has_its_record(run, tmp_path):
    labelled = set(Label.objects.values_list("seq", flat=True))
    label(list(run.project.images.order_by("seq")), sorted(set(range(400)) - labelled))
    seed = engine.next_step(run)
    images = {image.seq: image for image in run.project.images.all()}
    TrainItem.objects.bulk_create(
        TrainItem(run=run, image=images[seq], seq=seq, iteration=0) for seq in seed.orders[0].train
    )
    run.state, run.waiting_for = seed.state, seed.outstanding.id
    np.save(tmp_path / "pred.npy", np.arange(400, dtype=np.uint16) % 3)
    np.save(tmp_path / "uncertainty.npy", np.linspace(0, 1, 400, dtype=np.float32))
    trained = engine.Training("cnn_small", tmp_path, "0" * 64, 1.0, 1.0, 100)
    step = engine.next_step(run, [trained])
    assert engine.LabelOrder in {type(order) for order in step.orders[:-1]}
    assert isinstance(step.state["state"]["records"][0], list)  # a row, no record any more
    assert (step.record["number"], step.record["arch"]) == (1, "cnn_small")
    assert set(step.record) == set(run.state["columns"])


def test_reading_the_facts_writes_nothing(run, django_assert_max_num_queries):
    before = Run.objects.values().get()
    with django_assert_max_num_queries(5):  # labels, B, T, excluded, asked ahead
        engine.next_step(run)
    assert Run.objects.values().get() == before

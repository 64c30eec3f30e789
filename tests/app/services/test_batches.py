"""Batches: nothing is bought twice, marks move from T to B unpaid, no streaks of one class."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from labelapp.engine import LabelOrder, MachineOrder
from labelapp.models import Label, LabelBatch, ProjectCounter, Run, Task, TrainItem
from labelapp.services import batches

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project, images) -> Run:
    config, n = {"seed": 7}, len(images)
    return Run.objects.create(
        project=project, n=n, config=config, state={}, waiting_for="x", request_kind="label"
    )


def order(purpose="train", buy=(), train=(), mark=(), id_="001-label") -> LabelOrder:
    return LabelOrder(id_, purpose, 1, list(buy), list(train), list(mark))


def label(images, *seqs: int, source: str = "human") -> None:
    for seq in seqs:
        image = images[seq]
        Label.objects.create(
            image=image,
            project=image.project,
            seq=seq,
            class_index=0,
            source=source,
            purpose="test",
        )


def asked(batch: LabelBatch) -> list[int]:
    return list(batch.tasks.order_by("rank").values_list("image__seq", flat=True))


def counter(run: Run) -> ProjectCounter:
    return ProjectCounter.objects.get(project=run.project)


def test_a_labelled_image_gets_no_task(run, images):
    label(images, 3)
    batch = batches.open_batch(run=run, order=order(buy=[3, 4, 5], train=[3, 4, 5]))
    assert sorted(asked(batch)) == [4, 5]
    assert (batch.size, batch.remaining) == (2, 2)
    assert TrainItem.objects.count() == 3


def test_a_labelled_test_mark_moves_into_b_unpaid(run, images):
    batches.open_batch(run=run, order=order("test", buy=[1, 2], mark=[1, 2]))
    label(images, 1, 2)
    ProjectCounter.objects.filter(project=run.project).update(test=2)
    batches.open_batch(run=run, order=order(buy=[5], train=[1, 5], id_="002"))
    assert (counter(run).test, counter(run).train) == (1, 1)


def test_a_mark_on_a_labelled_image_counts_in_t_at_once(run, images):
    label(images, 1)
    batch = batches.open_batch(run=run, order=order("test", buy=[1, 2], mark=[1, 2]))
    assert asked(batch) == [2]
    assert counter(run).test == 1


def test_a_batch_with_nothing_to_buy_is_done_at_once(run, images):
    label(images, 1)
    batch = batches.open_batch(run=run, order=order(buy=[1], train=[1]))
    assert batch.state == LabelBatch.State.DONE
    assert batch.closed is not None


def test_people_get_a_batch_in_a_shuffled_order_that_the_seed_fixes(run, images):
    batch = batches.open_batch(run=run, order=order(buy=range(20)))
    shuffled = asked(batch)
    assert sorted(shuffled) == list(range(20))
    assert shuffled != list(range(20))
    again = LabelBatch(run=run, purpose="train")
    assert batches._asking_order(again.run, order(buy=range(20)), list(range(20))) == shuffled


def test_an_audit_keeps_its_order(run, images):
    batch = batches.open_batch(run=run, order=order("audit", buy=[9, 2, 5]))
    assert asked(batch) == [9, 2, 5]


def test_ranks_grow_over_the_life_of_a_project(run, images):
    batches.open_batch(run=run, order=order(buy=[0, 1], id_="a"))
    batches.open_batch(run=run, order=order(buy=[2, 3], id_="b"))
    ranks = Task.objects.order_by("batch_id", "rank").values_list("rank", flat=True)
    assert list(ranks) == [1, 2, 3, 4]


def test_a_request_cannot_be_opened_twice(run, images):
    batches.open_batch(run=run, order=order(buy=[0]))
    with pytest.raises(IntegrityError), transaction.atomic():
        batches.open_batch(run=run, order=order(buy=[1]))


def machine(items) -> MachineOrder:
    return MachineOrder("m", 1, list(items), [0] * len(items), [0.9] * len(items), "sha", {"n": 1})


def test_machine_labels_come_whole_or_not_at_all(run, images):
    label(images, 2)
    with pytest.raises(IntegrityError), transaction.atomic():
        batches.store_machine_labels(run=run, order=machine([1, 2]))
    assert Label.objects.filter(source="machine").count() == 0
    certificate = batches.store_machine_labels(run=run, order=machine([1, 3]))
    assert Label.objects.filter(source="machine", confidence=0.9).count() == 2
    assert certificate.sha256 == batches.content_hash({"n": 1})
    assert counter(run).machine == 2

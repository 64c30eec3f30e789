"""Batches: nothing is bought twice, marks move from T to B unpaid, no streaks of one class."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from labelapp.models import (
    Label,
    LabelBatch,
    ModelVersion,
    ProjectCounter,
    Run,
    Task,
    TrainItem,
)
from labelapp.orders import LabelOrder, MachineOrder
from labelapp.selectors.runs import recount
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


def label(images, *seqs: int, source: str = "human", purpose: str = "test") -> None:
    for seq in seqs:
        image = images[seq]
        Label.objects.create(
            image=image,
            project=image.project,
            seq=seq,
            class_index=0,
            source=source,
            purpose=purpose,
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


def audit_order(buy, id_="003-label-audit-1-20", **changes) -> LabelOrder:
    commitment = {"key": "0:audit:1:abcd", "model": "m1", "sizes": [10, 20]}
    return replace(
        order("audit", buy=buy, id_=id_), frozen="m1", **{"commitment": commitment, **changes}
    )


def test_what_an_audit_commits_to_is_stored_before_its_first_task_exists(run, images, monkeypatch):
    seen = []
    real = batches.make_tasks

    def make_tasks(run, batch, images, after):
        seen.append((batch.commitment.content["key"], Task.objects.count()))
        real(run, batch, images, after)

    monkeypatch.setattr(batches, "make_tasks", make_tasks)
    batch = batches.open_batch(run=run, order=audit_order([9, 2, 5]))
    assert seen == [("0:audit:1:abcd", 0)]
    assert (batch.frozen, batch.commitment.model) == ("m1", "m1")
    assert batch.commitment.sha256 == batches.content_hash(audit_order([]).commitment)
    assert batch.commitment.created <= batch.tasks.first().batch.created


def test_the_parts_of_one_audit_share_their_commitment(run, images):
    batches.open_batch(run=run, order=audit_order([9, 2]))
    batches.open_batch(run=run, order=audit_order([5, 1], id_="003-label-audit-1-40"))
    assert run.commitments.count() == 1
    assert asked(LabelBatch.objects.order_by("pk").last()) == [5, 1]


def test_another_attempt_makes_another_commitment_and_the_old_one_stays(run, images):
    batches.open_batch(run=run, order=audit_order([9]))
    other = {"key": "0:audit:2:ef", "model": "m1"}
    batches.open_batch(run=run, order=audit_order([5], id_="004", commitment=other))
    keys = [found.content["key"] for found in run.commitments.order_by("pk")]
    assert keys == ["0:audit:1:abcd", "0:audit:2:ef"]


def test_a_batch_that_is_no_audit_commits_to_nothing(run, images):
    batch = batches.open_batch(run=run, order=order(buy=[0]))
    assert (batch.frozen, batch.commitment) == ("", None)


def test_audited_images_join_b_unpaid_after_a_failed_audit(run, images):
    batches.open_batch(run=run, order=audit_order([3, 4]))
    label(images, 3, 4, purpose="audit")
    ProjectCounter.objects.update(audit=2)
    leaving = audit_order([], id_="003-label-train-1-20", purpose="train", train=[3, 4])
    batch = batches.open_batch(run=run, order=leaving)
    assert (counter(run).audit, counter(run).train) == (0, 2)
    assert batch.tasks.count() == 0
    assert recount(run.project)["audit"] == 0
    assert recount(run.project)["train"] == 2


def test_marks_topped_up_in_the_middle_of_a_run_are_bought_and_counted_as_t(run, images):
    batch = batches.open_batch(run=run, order=order("test", buy=[6, 7], mark=[6, 7], id_="005"))
    assert batch.size == 2
    assert set(run.test_marks.values_list("seq", flat=True)) == {6, 7}


def test_ranks_grow_over_the_life_of_a_project(run, images):
    batches.open_batch(run=run, order=order(buy=[0, 1], id_="a"))
    batches.open_batch(run=run, order=order(buy=[2, 3], id_="b"))
    ranks = Task.objects.order_by("batch_id", "rank").values_list("rank", flat=True)
    assert list(ranks) == [16, 32, 48, 64]  # between them is room for later slots
    assert list(LabelBatch.objects.order_by("pk").values_list("last_rank", flat=True)) == [32, 64]


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


def test_machine_labels_name_the_model_that_was_certified(run, images):
    for arch in ("small", "large"):
        ModelVersion.objects.create(run=run, iteration=1, arch=arch, folder="x", sha256=f"s-{arch}")
    asked_for = replace(machine([1, 3]), model="s-large")
    batches.store_machine_labels(run=run, order=asked_for)
    assert {label.model.arch for label in Label.objects.filter(source="machine")} == {"large"}

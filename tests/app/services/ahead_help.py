"""What the tests of labelling ahead share."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from labelapp.models import Label, LabelBatch, LedgerEntry, Project, ProjectCounter, Run, Task
from labelapp.orders import LabelOrder, TrainOrder
from labelapp.services import ahead, batches, labelling, outstanding
from tests.app.conftest import add_images
from tests.app.services.labelling_help import answer, entry

ORDER = [7, 3, 9, 1, 5, 8, 2, 6]  # image numbers, 3 and 8 are marked


def make_run(project) -> Run:
    """A run whose second training goes on; of its 12 images 3 and 8 are marked."""
    images = add_images(project, 12)
    Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
    project.refresh_from_db()
    run = Run.objects.create(
        project=project,
        n=12,
        config={"seed": 7},
        state={},
        waiting_for="002-train",
        request_kind="train",
        iteration=2,
    )
    for seq in (3, 8):
        run.test_marks.create(image=images[seq], seq=seq)
        Label.objects.create(
            image=images[seq],
            project=project,
            seq=seq,
            class_index=0,
            source="human",
            purpose="test",
        )
    ProjectCounter.objects.filter(project=project).update(test=2)
    return run


def opened(run: Run, seqs=ORDER, iteration: int = 2) -> LabelBatch:
    order = TrainOrder(f"{iteration:03d}-train", iteration, ["cnn_small"], 1)
    with transaction.atomic():
        batch = ahead.open_batch(run=run, order=order, seqs=seqs)
    assert batch is not None
    return batch


def closed(run: Run) -> None:
    ahead.close(run)


def joined(
    run: Run, train=(), buy=(), purpose: str = "train", id_: str = "002-label"
) -> LabelBatch:
    """Write the next order of the run, as `services.runs` does."""
    order = LabelOrder(id_, purpose, 2, list(buy), list(train), [])
    with transaction.atomic():
        ahead.lock(run)
        batch = batches.open_batch(run=run, order=order)
        ahead.join(run=run, order=order)
    return LabelBatch.objects.get(pk=batch.pk)


def answered(run: Run) -> bool:
    """Tell whether the run, which waits for the labels of B, has them."""
    Run.objects.filter(pk=run.pk).update(request_kind="label", waiting_for="002-label")
    return outstanding.answered(Run.objects.get(pk=run.pk))


def give(project, user, count: int, **changes) -> list[int]:
    """Let this person answer their next `count` tasks; return the image numbers."""
    who = entry(project, user)
    seen = []
    for _ in range(count):
        (task,) = labelling.next_tasks(access=who, count=1).held[:1]
        work = labelling.submit(access=who, answers=[answer(who, task.task_id, **changes)])
        assert work.results[0]["ok"], work.results
        seen.append(Task.objects.get(pk=task.task_id).image.seq)
    return seen


def left(batch: LabelBatch) -> list[int]:
    """Return the image numbers that still stand in the order."""
    return list(batch.ahead.order_by("position").values_list("seq", flat=True))


def counts(project) -> dict[str, int]:
    counter = ProjectCounter.objects.get(project=project)
    return {
        name: getattr(counter, name)
        for name in ("test", "train", "ahead", "residual")
        if getattr(counter, name)
    }


def money(project) -> dict[str, Decimal]:
    rows = LedgerEntry.objects.filter(project=project).values_list("purpose")
    return {name: total for name, total in rows.annotate(total=Sum("amount")) if total}

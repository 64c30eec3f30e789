"""A search that is cancelled ends soon, whatever it is doing, and says so at once."""

from __future__ import annotations

import json
import time

import pytest

from labelapp import queue
from labelapp.models import AuditLog, Curation, Job
from labelapp.selectors import curations as found
from labelapp.selectors.projects import access
from labelapp.services import curation_program, curations, pool_tensor, programs
from tests.app.tasks.searches import IMAGES, alive, do

pytestmark = pytest.mark.django_db


def test_one_that_does_not_listen_is_ended_soon_all_the_same(
    over, begin, owner, behave, while_it_runs, monkeypatch
):
    """On a busy machine a program at the lowest priority may not hear SIGTERM for ten seconds."""
    monkeypatch.setattr(programs, "TERM_SECONDS", 600.0)
    behave("deaf")
    record = begin()
    who, pids, asked = access(owner.user, over.public_id), [], []

    def cancel(pid: int) -> None:
        pids.append(pid)
        for _twice in range(2):
            curations.cancel(access=who, curation_id=record.pk)
        assert found.stopping(Curation.objects.get(pk=record.pk))
        asked.append(time.monotonic())

    while_it_runs(record, cancel)
    assert do(record) == "cancelled"
    assert time.monotonic() - asked[-1] < 20
    assert not alive(pids[0])
    assert not found.stopping(record)
    notes = AuditLog.objects.filter(action="curation.cancelled", target=str(record.pk))
    assert notes.count() == 1


def test_packing_the_images_steps_aside_and_hears_that_it_has_to_end(
    over, begin, owner, monkeypatch
):
    monkeypatch.setattr(curation_program, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(curation_program, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(queue, "TICK_SECONDS", 0.0)
    record, who = begin(), access(owner.user, over.public_id)
    decoded, tick, packed, said = pool_tensor._decoded, queue.JobControl.tick, [], []

    def decoding(image):
        packed.append(image.seq)
        if image.seq == 3:
            Job.objects.create(kind="train", key="train:0", state="waiting")
        return decoded(image)

    def telling(control, progress, message="", left=None) -> None:
        said.append((len(packed), message))
        if said.count((4, "Waiting: a training goes first")) == 3:
            curations.cancel(access=who, curation_id=record.pk)
        tick(control, progress, message, left)

    with monkeypatch.context() as patch:
        patch.setattr(pool_tensor, "_decoded", decoding)
        patch.setattr(queue.JobControl, "tick", telling)
        assert do(record) == "cancelled"
    assert packed == [0, 1, 2, 3]
    assert not list(pool_tensor.pool_folder(over).iterdir())
    Job.objects.filter(kind="train").delete()
    curations.go_on(access=who, curation_id=record.pk)
    assert do(record) == "done"
    assert record.n == IMAGES


def test_a_search_that_goes_on_shows_no_step_of_its_last_attempt(over, begin, owner):
    record, who = begin(), access(owner.user, over.public_id)
    curations.cancel(access=who, curation_id=record.pk)
    where = found.folder(record)
    where.mkdir(parents=True, exist_ok=True)
    step = {"seed": record.settings["seeds"][0], "step": 2, "steps": 7, "stage": 2, "images": 40}
    step |= {"purpose": "acquire", "phase": "train", "done": 30, "of": 50}
    (where / found.PROGRESS).write_text(json.dumps(step))
    assert found.progress(record) is not None
    curations.go_on(access=who, curation_id=record.pk)
    assert found.progress(record) is None

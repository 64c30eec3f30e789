"""On PostgreSQL: people answer while the training ends, is cut and joins B."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from labelapp.models import (
    AheadItem,
    Answer,
    Label,
    LedgerEntry,
    Project,
    ProjectCounter,
    Run,
    Task,
    TrainItem,
)
from labelapp.orders import LabelOrder, TrainOrder
from labelapp.services import ahead, batches, labelling
from tests.app.conftest import add_images, make_cast, make_project
from tests.app.services.labelling_help import answer, entry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="locks of rows"),
]
N = 90


class Person:
    """Answers one image after another, with three more fetched ahead, until none is left."""

    def __init__(self, project, user) -> None:
        self.error: BaseException | None = None
        self.states: list[str] = []
        self.who = entry(project, user)
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._thread.join(60)
        assert self.error is None, self.error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the test shows it
            self.error = error
        finally:
            connection.close()

    def _work(self) -> None:
        held = labelling.next_tasks(access=self.who, count=4).held
        while held:
            others = [task.task_id for task in held[1:]]
            rest = {"holding": others, "on_screen": others[0] if others else None}
            given = [answer(self.who, held[0].task_id)]
            work = labelling.submit(access=self.who, answers=given, count=1, **rest)
            self.states += [str(result.get("state", result)) for result in work.results]
            held = [*held[1:], *work.held]


def test_every_answer_is_in_its_place_when_the_order_is_cut_under_people():
    cast = make_cast()
    project = make_project(cast)
    images = add_images(project, N)
    Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
    project.refresh_from_db()
    run = Run.objects.create(
        project=project,
        n=N,
        config={"seed": 7},
        state={},
        waiting_for="002-train",
        request_kind="train",
        iteration=2,
    )
    order = TrainOrder("002-train", 2, ["cnn_small"], 1)
    with transaction.atomic():
        early = ahead.open_batch(run=run, order=order, seqs=list(range(N)))
    people = [Person(project, user) for user in (cast.annotator, cast.second_annotator)]
    for person in people:
        person.begin()
    while Answer.objects.count() < 20:
        time.sleep(0.01)
    ahead.close(run)
    prefix = set(AheadItem.objects.values_list("seq", flat=True))
    known = set(Label.objects.values_list("seq", flat=True))
    with transaction.atomic():
        ahead.lock(run)
        joining = sorted(prefix)
        buy = [seq for seq in joining if seq not in known]
        request = LabelOrder("002-label", "train", 2, buy, joining, [])
        batches.open_batch(run=run, order=request)
        ahead.join(run=run, order=request)
    for person in people:
        person.end()
    labelled = set(Label.objects.values_list("seq", flat=True))
    assert labelled == prefix == set(TrainItem.objects.values_list("seq", flat=True))
    assert 20 <= len(labelled) < len(images)
    counter = ProjectCounter.objects.get()
    assert (counter.train, counter.ahead) == (len(labelled), 0)
    money = dict(LedgerEntry.objects.values_list("purpose").annotate(count=Sum("quantity")))
    assert (money["train"], money.get("ahead", 0)) == (len(labelled), 0)
    states = [state for person in people for state in person.states]
    assert states.count("accepted") == len(labelled)
    assert set(states) <= {"accepted", "extra"}
    assert not Task.objects.exclude(state__in=["done", "dropped"]).exists()
    early.refresh_from_db()
    assert (early.purpose, early.state, early.remaining) == ("train", "done", 0)

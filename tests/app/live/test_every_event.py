"""A page that was loaded before and heard of an event is the page that a fresh load shows.

For every event type: change what the event stands for, record it, let the tailer's feed tell the
page, and compare every fragment and number with a fresh load that remembers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from labelapp.env import BASE_DIR
from labelapp.events import EVENT_TYPES
from labelapp.live import reads
from labelapp.live.listeners import Listener
from labelapp.live.tailer import Feed
from labelapp.models import (
    Certificate,
    Export,
    Import,
    Job,
    LabelBatch,
    LabelClass,
    Membership,
    PeopleReport,
    Project,
    ProjectCounter,
    Run,
    WorkerBeat,
)
from labelapp.selectors import dashboard, dashboard_ledger, dashboard_people
from tests.app import dashboard_data as data
from tests.app.conftest import make_cast, make_project
from tests.app.web.test_dashboard_people import TOGETHER, content

Change = Callable[[Project], None]


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker) -> Iterator[dict[str, int]]:
    """One project that runs and one that is ready, in a transaction that is rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        cast = make_cast()
        running, ready = make_project(cast), make_project(cast)
        data.beat()
        WorkerBeat.objects.update(beat=timezone.now() + timedelta(hours=1))  # however long it takes
        data.running(running)
        data.set_up_images(ready)
        yield {"running": running.pk, "ready": ready.pk}
        transaction.set_rollback(True)


class Page:
    """What a browser shows: the snapshot, then what each update changes (dashboard.js)."""

    def __init__(self, project_id: int, language: str, role: str) -> None:
        self.feed = Feed(project_id, language, role)
        self.listener = Listener(project_id, 1, None, language, role)
        self.feed.listeners.add(self.listener)
        self.feed.version = reads.versions([project_id])[project_id]
        self.feed.view = reads.view(project_id, language, role, None)
        snapshot = self.feed.snapshot()
        self.html, self.data, self.seq = snapshot["html"], snapshot["data"], snapshot["seq"]
        self.events: list[dict] = []
        self.listener.begin()

    def hear(self) -> None:
        """Look once, as `Tailer.tick` does, and apply what is sent."""
        version = reads.versions([self.feed.project_id])[self.feed.project_id]
        assert self.feed.is_due(version)
        seen = self.feed.view.seq
        self.feed.replace(
            reads.view(self.feed.project_id, self.feed.language, self.feed.role, seen)
        )
        message = self.listener._pending
        self.html, self.data = self.html | message["html"], self.data | message["data"]
        self.seq, self.events = message["seq"], self.events + message["events"]


def says(type_: str, **payload: object) -> Change:
    return lambda project: data.say(project, type_, payload)


@contextmanager
def then(project: Project, type_: str, **payload: object) -> Iterator[None]:
    yield
    data.say(project, type_, payload)


def update(project: Project, type_: str, **columns: object) -> None:
    with then(project, type_):
        Project.objects.filter(pk=project.pk).update(**columns)


def member(project: Project, type_: str, **columns: object) -> None:
    with then(project, type_):
        Membership.objects.filter(project=project, role="annotator").update(**columns)


def counter(project: Project, **columns: int) -> None:
    ProjectCounter.objects.filter(project=project).update(**columns)


def open_batch(project: Project) -> LabelBatch:
    return LabelBatch.objects.get(project=project, state="open")


def importing(project: Project) -> None:
    Import.objects.create(project=project, kind="zip", source="x", state="running")
    with then(project, "import.progress"):
        counter(project, images=data.N + 500)


def imported(project: Project) -> None:
    with then(project, "import.finished", added=700):
        counter(project, images=data.N + 700)


def batch_opened(project: Project) -> None:
    batch = open_batch(project)
    data.answer(batch, batch.remaining)
    data.train(project.run, 7)
    data.open_batch(project.run, data.RECORDED["bought"][8])


def trains(project: Project, type_: str, progress: float) -> None:
    batch = open_batch(project)
    data.answer(batch, batch.remaining)
    data.wait_for(project.run, "007-train", "train")
    with then(project, type_, size=1175):
        Job.objects.create(
            kind="train",
            key=f"train:{project.run.pk}",
            project=project,
            target=project.run.pk,
            state=Job.State.RUNNING,
            progress=progress,
            heartbeat=timezone.now(),
        )


def fails(project: Project, type_: str) -> None:
    with then(project, type_, message="out of memory"):
        Run.objects.filter(project=project).update(failure="out of memory")


def machine_labels(project: Project) -> None:
    Certificate.objects.create(
        run=project.run, content=data.RECORDED["certificate"], sha256="0" * 64
    )
    with then(project, "machine.labelled", count=7018):
        counter(project, machine=7018)


def finished(project: Project) -> None:
    machine_labels(project)
    Run.objects.filter(project=project).update(finished=timezone.now(), request_kind="finished")
    update(project, "run.finished", status=Project.Status.FINISHED)


def images_added(project: Project) -> None:
    Run.objects.filter(project=project).update(n=data.N + 900)
    with then(project, "images.added", added=900):
        counter(project, images=data.N + 900)


def class_added(project: Project) -> None:
    with then(project, "classes.changed", what="added"):
        LabelClass.objects.create(project=project, index=3, name="moon")


def steered(project: Project) -> None:
    with then(project, "run.steered", action="stop"):
        Run.objects.filter(project=project).update(wish="stop")


def measured(project: Project) -> None:
    with then(project, "people.measured"):
        PeopleReport.objects.create(project=project, content=content(together=TOGETHER))


def exported(project: Project) -> None:
    with then(project, "export.finished"):
        Export.objects.create(project=project, format="csv", state="done")


def resumed(project: Project) -> None:
    update(project, "run.paused", status=Project.Status.PAUSED)
    update(project, "run.resumed", status=Project.Status.RUNNING)


def closed(project: Project) -> None:
    batch = open_batch(project)
    data.answer(batch, batch.remaining)


def trained(project: Project) -> None:
    closed(project)
    data.train(project.run, 7)


CHANGES: dict[str, Change] = {
    "project.created": says("project.created"),
    "project.changed": lambda p: update(p, "project.changed", name="Forms", epsilon=0.03),
    "project.archived": lambda p: update(p, "project.archived", archived_at=timezone.now()),
    "people.changed": lambda p: member(p, "people.changed", role="viewer"),
    "person.paused": lambda p: member(p, "person.paused", paused_at=timezone.now()),
    "person.resumed": lambda p: member(p, "person.resumed", paused_at=None),
    "review.drawn": says("review.drawn"),
    "import.progress": importing,
    "import.finished": imported,
    "run.started": data.start,
    "run.paused": lambda p: update(p, "run.paused", status=Project.Status.PAUSED),
    "run.resumed": resumed,
    "run.changed": lambda p: update(p, "run.changed", price_per_label="0.06", budget=120),
    "run.steered": steered,
    "images.added": images_added,
    "classes.changed": class_added,
    "run.failed": lambda p: fails(p, "run.failed"),
    "batch.opened": batch_opened,
    "batch.closed": closed,
    "training.started": lambda p: trains(p, "training.started", 0.0),
    "training.progress": lambda p: trains(p, "training.progress", 0.4),
    "training.finished": trained,
    "training.failed": lambda p: fails(p, "training.failed"),
    "plan.updated": trained,
    "machine.labelled": machine_labels,
    "run.finished": finished,
    "consensus.computed": says("consensus.computed", changed=3),
    "people.measured": measured,
    "labels.changed": says("labels.changed", images=12),
    "issues.found": says("issues.found", found=4),
    "curation.changed": says("curation.changed", curation=1, state="done"),
    "export.finished": exported,
}
READY = {"import.progress", "import.finished", "run.started"}
"""These happen before the run; a type without a change fails below."""


@pytest.mark.django_db
@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_an_old_page_that_heard_is_a_fresh_page(world, type_):
    project = Project.objects.get(pk=world["ready" if type_ in READY else "running"])
    forget()
    pages = [Page(project.pk, *kind) for kind in (("en", "manager"), ("de", "viewer"))]
    CHANGES[type_](project)
    for page in pages:
        page.hear()
        assert type_ in {event["type"] for event in page.events}
    forget()
    for page in pages:
        fresh = reads.view(project.pk, page.feed.language, page.feed.role, None)
        assert page.html == fresh.html
        assert page.data == fresh.data
        assert page.seq == fresh.seq


def test_what_a_page_shows_outside_of_its_live_parts_never_changes():
    """But for the stage (before and after the first training), which dashboard.js keeps."""
    page = (BASE_DIR / "templates/dashboard/page.html").read_text()
    names = set(re.findall(r"overview\.(\w+)", page))
    assert names == {"seq", "rounds", "charts"}


def forget() -> None:
    """Look as a process that has just started: nothing is remembered."""
    dashboard._KNOWN.clear()
    dashboard_ledger._TOTALS.clear()
    dashboard_people.forget_pace()

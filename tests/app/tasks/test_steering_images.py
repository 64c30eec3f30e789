"""Images that are added to a run that goes on: in the history, and out again until they join."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labelapp.errors import ConflictError
from labelapp.models import (
    AuditLog,
    Exclusion,
    Image,
    ImageAlias,
    Import,
    Job,
    Label,
    ProjectCounter,
    Run,
    SteeringAction,
)
from labelapp.selectors import steering as found
from labelapp.selectors import steering_history
from labelapp.selectors.runs import recount
from labelapp.services import (
    exclusions,
    imports,
    pool_tensor,
    steering,
    steering_images,
    steering_jobs,
    steering_undo,
)
from labelapp.services.image_files import media_path
from tests.app.pictures import make_zip, png
from tests.app.services.test_imports import Control, upload
from tests.app.tasks import driving
from tests.app.tasks.test_steering_runs import check, go_to, version

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _trainer(fake_trainer):
    return fake_trainer


@pytest.fixture
def bring(owner, tmp_path):
    """Return a function that imports images of these numbers by a zip."""

    def take(*numbers: int) -> Import:
        files = {f"new/{number}.png": png(number) for number in numbers}
        path = make_zip(tmp_path / f"up{numbers[0]}.zip", files)
        data = upload(path.read_bytes(), "up.zip")
        record = imports.start_import(access=owner, kind="zip", files=[data])
        imports.run_import(record.pk, Control())
        return record

    return take


def counters(project) -> None:
    row = ProjectCounter.objects.get(project=project)
    expected = recount(project)
    assert {name: getattr(row, name) for name in expected} == expected


def test_what_waits_to_join_is_in_the_history_and_taken_out_again(
    ready, cast, owner, bring, django_capture_on_commit_callbacks
):
    driving.start(ready, cast.owner)
    first, second = bring(1, 2, 3), bring(4, 5)
    rows = SteeringAction.objects.filter(action="images").order_by("pk")
    assert [row.params for row in rows] == [
        {"import": first.pk, "first": 600, "count": 3},
        {"import": second.pk, "first": 603, "count": 2},
    ]
    assert AuditLog.objects.filter(action="images.added", user=cast.owner).count() == 2
    shown, _older = steering_history.asked(found.gather(ready))
    assert [(row.title, row.is_open) for row in shown] == [
        ("Add images", True),
        ("Add images", False),
    ]
    with pytest.raises(ConflictError):  # the newest goes first
        steering_undo.undo(access=owner, action_id=rows[0].pk)
    gone = list(Image.objects.filter(project=ready, seq__gte=603))
    exclusions.exclude(access=owner, image_id=gone[0].pk, reason="not ours")
    with django_capture_on_commit_callbacks(execute=True):
        steering_undo.undo(access=owner, action_id=rows[1].pk)
    assert not any(media_path(image.original_key).exists() for image in gone)
    assert not any(media_path(image.display_key).exists() for image in gone)
    assert Image.objects.filter(project=ready).count() == 603
    assert not Exclusion.objects.exists()
    counters(ready)
    assert AuditLog.objects.filter(action="run.steering_undone", target="images").exists()
    third = bring(5, 6)  # one of them once more
    assert Image.objects.filter(project=ready).count() == 605
    assert SteeringAction.objects.order_by("-pk")[0].params["first"] == 603
    assert Import.objects.get(pk=third.pk).added == 2


def test_what_has_joined_stays_and_stands_in_nobodys_way(ready, cast, owner, bring):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 1)
    ask = steering.ask(access=owner, what="stop", version=version(ready))
    bring(1, 2, 3)
    images = SteeringAction.objects.get(action="images")
    assert float(images.said["now"]) >= 0
    driving.answer_all(ready, cast.annotator)
    driving.do_jobs(5)
    run = Run.objects.get(project=ready)
    assert run.n == 603
    with pytest.raises(ConflictError, match="joined"):
        steering_undo.undo(access=owner, action_id=images.pk)
    steering_undo.undo(access=owner, action_id=ask.pk)  # older, and still open
    assert Run.objects.get(project=ready).wish == ""
    driving.run_to_the_end(ready, cast.annotator)
    check(ready)


def test_images_taken_out_again_do_not_join_although_the_run_knew_of_them(
    ready, cast, owner, bring
):
    driving.start(ready, cast.owner)
    bring(1, 2, 3)
    driving.answer_all(ready, cast.annotator)  # T is there: the next step knows that they come
    driving.do_jobs(5)
    run = Run.objects.get(project=ready)
    assert (run.n, run.state["state"]["coming"]) == (600, 603)
    steering_undo.undo(access=owner, action_id=SteeringAction.objects.get().pk)
    driving.run_to_the_end(ready, cast.annotator)
    check(ready)
    assert Run.objects.get(project=ready).n == 600
    assert Label.objects.filter(project=ready).count() == 600


def test_the_packed_pixels_of_images_taken_out_go_with_them(
    ready, cast, owner, bring, django_capture_on_commit_callbacks
):
    """An opened run packed them, was closed again: other images may get their numbers."""
    driving.start(ready, cast.owner)
    bring(1, 2, 3)
    stale, kept = (pool_tensor.ensure(ready, n, lambda share: None) for n in (603, 600))
    stale.touch()  # the smaller one has replaced it
    with django_capture_on_commit_callbacks(execute=True):
        steering_undo.undo(access=owner, action_id=SteeringAction.objects.get().pk)
    assert kept.exists()
    assert not stale.exists()


def test_files_are_removed_without_a_question_for_each(ready, cast, bring):
    driving.start(ready, cast.owner)
    bring(1, 2, 3)
    kept = Image.objects.get(project=ready, seq=601)
    keys = Image.objects.filter(project=ready, seq__gte=600)
    keys = list(keys.order_by("seq").values_list("original_key", "display_key", "sha256"))
    Image.objects.filter(project=ready, seq__gte=600).exclude(pk=kept.pk).delete()  # came again
    with CaptureQueriesContext(connection) as asked:
        steering_images._remove(ready, 600, keys)
    assert len(asked) == 1
    assert [media_path(original).exists() for original, _, _ in keys] == [False, True, False]


def test_many_added_images_are_taken_out_by_the_worker(ready, cast, owner, bring, monkeypatch):
    driving.start(ready, cast.owner)
    bring(1, 2, 3)
    monkeypatch.setattr(steering_jobs, "AT_ONCE", 14)  # three images count as 15 rows
    job = steering_jobs.undo(access=owner, action_id=SteeringAction.objects.get().pk)
    assert isinstance(job, Job)
    assert driving.do_one(job) == "done"
    assert Image.objects.filter(project=ready).count() == 600


def test_an_import_that_goes_on_is_waited_for(ready, cast, owner, bring):
    driving.start(ready, cast.owner)
    bring(1)
    action = SteeringAction.objects.get()
    live = Import.objects.create(project=ready, kind="zip", source="x", state="running")
    with pytest.raises(ConflictError, match="coming in"):
        steering_undo.undo(access=owner, action_id=action.pk)
    live.delete()
    steering_undo.undo(access=owner, action_id=action.pk)
    assert not ImageAlias.objects.exists()


def test_before_the_start_nothing_is_steered(owner, bring, project):
    bring(1)
    assert not SteeringAction.objects.exists()

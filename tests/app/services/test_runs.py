"""Start, pause and resume a run."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from labelapp.errors import ConflictError, InvalidInputError, TooFewImagesError
from labelapp.models import AuditLog, Import, Job, LabelClass, Project, Run
from labelapp.selectors.projects import access as find_access
from labelapp.services import runs
from labelapp.services.projects import archive_project, restore_project
from tests.app.conftest import add_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(cast, project):
    add_images(project, 400)
    return find_access(cast.owner, project.public_id)


def test_a_start_asks_for_the_test_labels_first(access):
    run = runs.start_run(access=access)
    batch = run.batches.get()
    assert (batch.purpose, batch.size, batch.remaining) == ("test", 40, 40)
    assert run.test_marks.count() == batch.tasks.count() == 40
    assert Project.objects.get(pk=access.project.pk).status == Project.Status.RUNNING
    assert AuditLog.objects.filter(action="run.started").exists()
    assert (run.n, run.request_kind, run.version) == (400, "label", 0)
    assert run.config["target"]["alpha"] == 0.05


def test_the_preview_says_what_a_start_buys(access):
    first = runs.first_purchase(access.project)
    assert (first.test, first.seed) == (40, 18)
    assert first.dollars == Decimal("2.32")


def test_a_run_starts_once(access):
    runs.start_run(access=access)
    with pytest.raises(ConflictError):
        runs.start_run(access=access)
    assert Run.objects.count() == 1


def test_of_two_people_who_start_at_once_one_gets_a_conflict(cast, access):
    other = find_access(cast.manager, access.project.public_id)
    runs.start_run(access=access)
    assert other.project.status == Project.Status.SETUP  # as this person's page saw it
    with pytest.raises(ConflictError):
        runs.start_run(access=other)


def test_weights_that_have_gone_are_missed_before_anybody_labels(access, settings, tmp_path):
    settings.WEIGHTS_DIR, settings.ALLOW_WEIGHT_DOWNLOAD = str(tmp_path), False
    for arch, rivals in (("resnet18+tuned", []), ("cnn_small", ["resnet18+frozen"])):
        Project.objects.filter(pk=access.project.pk).update(arch=arch, rivals=rivals)
        access.project.refresh_from_db()
        with pytest.raises(InvalidInputError, match=r"resnet18"):
            runs.start_run(access=access)
    assert not Run.objects.exists()


def change_meanwhile(monkeypatch, change) -> None:
    """Do `change` while a start computes its first step."""
    real = runs.engine.first_step

    def first_step(*args, **kwargs):
        change()
        return real(*args, **kwargs)

    monkeypatch.setattr(runs.engine, "first_step", first_step)


@pytest.mark.parametrize(
    "change",
    [
        lambda: add_images(Project.objects.get(), 5),
        lambda: Project.objects.update(price_per_label=Decimal("0.05")),
        lambda: Project.objects.update(archived_at=timezone.now()),
        lambda: Import.objects.create(project=Project.objects.get(), kind="zip", state="waiting"),
        lambda: LabelClass.objects.filter(index=2).delete(),
    ],
    ids=["images", "price", "archived", "import", "classes"],
)
def test_what_changes_while_a_start_computes_is_not_left_out(access, monkeypatch, change):
    change_meanwhile(monkeypatch, change)
    with pytest.raises(ConflictError):
        runs.start_run(access=access)
    assert not Run.objects.exists()
    assert Project.objects.get().status == Project.Status.SETUP


def test_too_few_images_are_refused_with_the_numbers(cast, project):
    add_images(project, 12)
    with pytest.raises(TooFewImagesError) as caught:
        runs.start_run(access=find_access(cast.owner, project.public_id))
    assert caught.value.fields == {"images": 12, "needed": 19}
    assert not Run.objects.exists()


def test_no_images_are_refused(cast, project):
    with pytest.raises(TooFewImagesError):
        runs.start_run(access=find_access(cast.owner, project.public_id))


@pytest.mark.parametrize("labels", [0, 10_000])
def test_labels_per_round_that_cannot_be_are_named_before_the_start(access, labels):
    access.project.settings = {"fixed_delta": labels}
    access.project.save(update_fields=["settings"])
    with pytest.raises(InvalidInputError) as caught:
        runs.start_run(access=access)
    assert set(caught.value.fields) == {"fixed_delta"}
    assert not Run.objects.exists()


def test_one_class_is_refused(access):
    LabelClass.objects.filter(project=access.project, index__gt=0).update(archived=True)
    with pytest.raises(InvalidInputError):
        runs.start_run(access=access)


def test_a_running_import_is_waited_for(access):
    Import.objects.create(project=access.project, kind="zip", source="x", state="running")
    with pytest.raises(ConflictError, match="still being imported"):
        runs.start_run(access=access)


def test_an_archived_project_is_refused(access):
    access.project.archived_at = timezone.now()
    with pytest.raises(ConflictError, match="archived"):
        runs.start_run(access=access)


def test_settings_that_the_engine_refuses_are_said_in_words(access):
    access.project.epsilon = 2.0
    with pytest.raises(InvalidInputError, match="epsilon must lie"):
        runs.start_run(access=access)


def wait_for_training(run: Run) -> None:
    """Put the run where it waits for its first training."""
    order = {"id": "001-train", "iteration": 1, "archs": ["cnn_small"], "seed": 1000}
    Run.objects.filter(pk=run.pk).update(
        request_kind="train",
        waiting_for="001-train",
        iteration=1,
        state={**run.state, "order": order},
    )


def test_pause_and_resume(access):
    runs.start_run(access=access)
    runs.pause_run(access=access)
    assert Project.objects.get(pk=access.project.pk).status == Project.Status.PAUSED
    with pytest.raises(ConflictError):
        runs.pause_run(access=access)
    runs.resume_run(access=access)
    assert access.project.status == Project.Status.RUNNING
    with pytest.raises(ConflictError):
        runs.resume_run(access=access)


def test_an_archived_run_is_not_resumed(access):
    run = runs.start_run(access=access)
    wait_for_training(run)
    archive_project(access=access)
    with pytest.raises(ConflictError, match="archived"):
        runs.resume_run(access=access)
    assert Project.objects.get(pk=access.project.pk).status == Project.Status.PAUSED
    restore_project(access=find_access(access.user, access.project.public_id))
    runs.resume_run(access=access)
    assert Job.objects.get().key == f"train:{run.pk}:001-train"


def test_no_training_starts_in_an_archived_project(access):
    run = runs.start_run(access=access)
    wait_for_training(run)
    Project.objects.update(archived_at=timezone.now())
    run.refresh_from_db()
    with transaction.atomic():
        assert runs.ensure_job(run) is None


def test_resume_needs_a_run(access):
    with pytest.raises(ConflictError):
        runs.resume_run(access=access)


def test_no_training_starts_while_paused_but_resume_starts_it(access):
    run = runs.start_run(access=access)
    wait_for_training(run)
    runs.pause_run(access=access)
    run.refresh_from_db()
    with transaction.atomic():
        assert runs.ensure_job(run) is None
    runs.resume_run(access=access)
    assert Job.objects.get().key == f"train:{run.pk}:001-train"


def test_a_failure_is_cleared_by_resume(access):
    run = runs.start_run(access=access)
    runs.fail(run.pk, "no disk left")
    run.refresh_from_db()
    assert run.failure == "no disk left"
    assert runs.advance(run.pk) is False
    runs.resume_run(access=access)
    run.refresh_from_db()
    assert run.failure == ""


def test_a_step_waits_until_the_batch_is_done(access):
    run = runs.start_run(access=access)
    assert runs.advance(run.pk) is False

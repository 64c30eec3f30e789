"""No lost wake-up stalls anything: every kind of work is found again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from labelapp import queue
from labelapp.models import Export, Import, Job, LabelBatch, Project, Run
from labelapp.services import reconcile
from labelapp.services.import_sources import upload_folder
from tests.app.conftest import open_batch

pytestmark = pytest.mark.django_db


def live() -> list[str]:
    return sorted(Job.objects.filter(state__in=queue.LIVE).values_list("key", flat=True))


def test_a_closed_batch_that_nobody_follows_up_is_advanced(project, images):
    batch = open_batch(project, images)
    Run.objects.update(waiting_for=batch.request_id)
    reconcile.reconcile()
    assert live() == []
    LabelBatch.objects.update(state="done")
    reconcile.reconcile()
    reconcile.reconcile()
    assert live() == [f"advance:{batch.run_id}:{batch.request_id}"]


def test_a_training_that_nobody_does_is_enqueued(project, batch):
    order = {"id": "002-train", "iteration": 2, "archs": ["cnn_small"], "seed": 2000}
    Run.objects.update(
        request_kind="train", waiting_for="002-train", iteration=2, state={"order": order}
    )
    reconcile.reconcile()
    assert live() == [f"train:{batch.run_id}:002-train"]


@pytest.mark.parametrize("change", [{"failure": "broken"}, {"finished": "2026-01-01T00:00:00Z"}])
def test_a_failed_or_finished_run_is_left_alone(project, batch, change):
    Run.objects.update(request_kind="train", waiting_for="002-train", **change)
    reconcile.reconcile()
    assert live() == []


def test_imports_exports_and_deletions_are_found_again(project):
    Import.objects.create(project=project, kind="zip", source="a", state="running")
    Import.objects.create(project=project, kind="zip", source="b", state="done")
    export = Export.objects.create(project=project, format="csv")
    Project.objects.create(name="gone", status=Project.Status.DELETING)
    reconcile.reconcile()
    kinds = [key.split(":")[0] for key in live()]
    assert kinds == ["delete", "export", "import"]
    assert f"export:{export.pk}" in live()


def test_the_caches_of_finished_runs_are_deleted(project, batch, settings):
    going = Path(settings.JOBS_ROOT) / project.public_id / "pool" / "20.npy"
    strange = Path(settings.JOBS_ROOT) / "of-nobody"
    going.parent.mkdir(parents=True)
    strange.mkdir()
    going.touch()
    reconcile.reconcile()
    assert going.exists()
    Run.objects.update(finished=timezone.now())
    reconcile.reconcile()
    assert not going.parent.parent.exists()
    assert strange.exists()


def test_an_upload_that_never_ended_is_dropped_after_a_week(project):
    new = Import.objects.create(project=project, kind="zip", state="uploading")
    old = Import.objects.create(project=project, kind="zip", state="uploading")
    Import.objects.filter(pk=old.pk).update(created=timezone.now() - timedelta(days=8))
    for record in (new, old):
        upload_folder(record.pk).mkdir(parents=True)
    reconcile.reconcile()
    assert upload_folder(new.pk).exists()
    assert not upload_folder(old.pk).exists()
    old.refresh_from_db()
    assert (old.state, old.message) == ("cancelled", "The upload was never finished.")
    assert project.events.filter(type="import.finished").count() == 1


def test_a_start_takes_the_jobs_of_dead_workers_back(project, monkeypatch):
    job = Job.objects.create(kind="import", key="import:9")
    queue.claim(job.pk)
    monkeypatch.setattr(queue, "_process_lives", lambda job: False)
    reconcile.reconcile_at_start()
    job.refresh_from_db()
    assert job.state == Job.State.WAITING


def test_a_run_that_cannot_be_read_does_not_keep_the_worker_from_the_others(
    project, batch, monkeypatch, caplog
):
    Export.objects.create(project=project, format="csv")

    def broken(_run):
        raise KeyError("order")

    monkeypatch.setattr(reconcile.runs, "ensure_job", broken)
    reconcile.reconcile()
    assert any(key.startswith("export:") for key in live())
    assert "could not be looked at" in caplog.text

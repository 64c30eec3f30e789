from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from labelapp.errors import ConflictError
from labelapp.models import (
    Answer,
    AuditLog,
    Comment,
    Export,
    GoldItem,
    GoldResult,
    Image,
    Job,
    Label,
    LedgerEntry,
    Project,
    Review,
    Task,
    User,
    VerifyPage,
)
from labelapp.selectors.projects import access
from labelapp.services import projects, purging
from tests.app.conftest import add_images

CONTROL = SimpleNamespace(tick=lambda *_args, **_named: None)


def write(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.fixture
def full(cast, project, batch):
    """A project with an answer, a label, money, and files."""
    task = batch.tasks.first()
    answer = Answer.objects.create(
        id=uuid.uuid4(),
        task=task,
        batch=batch,
        project=project,
        image=task.image,
        user=cast.annotator,
        kind="class",
        label_class=project.classes.first(),
    )
    Label.objects.create(
        image=task.image, project=project, seq=0, class_index=0, source="human", answer=answer
    )
    LedgerEntry.objects.create(
        project=project, key="a", purpose="seed", quantity=1, unit_price=1, amount=1
    )
    Export.objects.create(project=project, format="csv", file_key="exports/1.csv")
    _judged(project, answer)
    return project


def _judged(project: Project, answer: Answer) -> None:
    """Gold, a review, a page of the grid, a comment: rows that refuse to lose their people."""
    image, user = answer.image, answer.user
    star = project.classes.get(index=2)
    GoldItem.objects.create(project=project, image=image, label_class=star, source="uploaded")
    GoldResult.objects.create(
        answer=answer, project=project, user=user, image=image, truth=2, given=0, right=False
    )
    Review.objects.create(project=project, image=image, reason="sample")
    Comment.objects.create(id=uuid.uuid4(), project=project, image=image, user=user, text="?")
    VerifyPage.objects.create(id=uuid.uuid4(), project=project, user=user, class_index=0, tiles=[])


def delete(cast, project) -> None:
    projects.delete_project(access=access(cast.owner, project.public_id), typed_name="Shapes")


def test_every_row_of_the_project_goes_and_people_stay(cast, full):
    delete(cast, full)
    purging.purge(full.pk, CONTROL)
    assert not Project.objects.exists()
    assert not any(model.objects.exists() for model in (Image, Task, Answer, Label, LedgerEntry))
    assert User.objects.count() == 5


def test_the_audit_log_remembers_who_deleted_it(cast, full):
    delete(cast, full)
    purging.purge(full.pk, CONTROL)
    entry = AuditLog.objects.get(action="project.deleted")
    assert entry.user == cast.owner
    assert "Shapes" in entry.target


def test_its_files_go_and_other_files_stay(cast, full):
    media, first = Path(settings.MEDIA_ROOT), full.images.first()
    upload = full.imports.create(kind="zip", source="a.zip")
    gone = [
        write(media, first.original_key),
        write(media, "exports/1.csv"),
        write(media, f"projects/{full.public_id}/display/ab/left.png"),
        write(media, f"models/{full.public_id}/1/model.pt"),
        write(Path(settings.JOBS_ROOT), f"{full.public_id}/pool/images.npy"),
        write(Path(settings.UPLOADS_ROOT), f"{upload.pk}/archive.zip"),
    ]
    kept = write(media, "projects/other/display/ab/kept.png")
    delete(cast, full)
    purging.purge(full.pk, CONTROL)
    assert [path.exists() for path in gone] == [False] * 6
    assert kept.exists()


def test_a_name_that_leads_outside_deletes_nothing(cast, project):
    victim = write(Path(settings.DATA_DIR), "keep.txt")
    images = add_images(project, 1)
    Image.objects.filter(pk=images[0].pk).update(original_key="../keep.txt")
    delete(cast, project)
    purging.purge(project.pk, CONTROL)
    assert victim.exists()


def test_the_server_folder_of_an_import_stays(cast, project, tmp_path):
    folder = tmp_path / "photos"
    photo = write(folder, "a.jpg")
    project.imports.create(kind="folder", source=str(folder))
    delete(cast, project)
    purging.purge(project.pk, CONTROL)
    assert photo.exists()


def test_a_purge_that_was_interrupted_goes_on(cast, full, monkeypatch):
    delete(cast, full)
    ticks = iter(range(5))

    def stop_soon(*_args, **_named) -> None:
        if next(ticks, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purging.purge(full.pk, SimpleNamespace(tick=stop_soon))
    assert Project.objects.exists()
    purging.purge(full.pk, CONTROL)
    assert not Project.objects.exists()


def test_a_second_purge_does_nothing(cast, full):
    delete(cast, full)
    purging.purge(full.pk, CONTROL)
    purging.purge(full.pk, CONTROL)
    assert not Project.objects.exists()


def test_a_project_that_nobody_deleted_is_not_purged(full):
    with pytest.raises(ConflictError):
        purging.purge(full.pk, CONTROL)
    assert Project.objects.filter(pk=full.pk).exists()


def test_chunks_are_walked_to_the_end(cast, project, monkeypatch):
    monkeypatch.setattr(purging, "CHUNK", 7)
    add_images(project, 30)
    delete(cast, project)
    purging.purge(project.pk, CONTROL)
    assert not Image.objects.exists()


def test_it_does_not_wait_for_itself(cast, project):
    delete(cast, project)
    Job.objects.filter(kind="delete").update(state=Job.State.RUNNING)
    purging.purge(project.pk, CONTROL)
    assert Job.objects.get().kind == "delete"

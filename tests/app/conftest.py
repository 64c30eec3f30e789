"""A cast of test people and a small project that every app test knows."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client, override_settings

from labelapp.models import (
    Image,
    LabelBatch,
    LabelClass,
    Membership,
    Project,
    ProjectCounter,
    Run,
    Task,
    User,
)
from labelapp.rights import Role

PASSWORD = "correct horse battery"
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}


def pytest_collection_modifyitems(config, items):
    """On PostgreSQL, leave out what never opens the test database: it ran on SQLite already."""
    if "postgres" not in os.environ.get("MCAL_DATABASE_URL", ""):
        return
    kept = [item for item in items if uses_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if not uses_database(item)])
    items[:] = kept


def uses_database(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("django_db") or item.get_closest_marker("postgres")
    return bool(marked) or not DATABASE_FIXTURES.isdisjoint(item.fixturenames)


@pytest.fixture(scope="session", autouse=True)
def _fast_passwords():
    """Hash passwords fast, for what a module's tests share too."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True)
def _own_folders(settings, tmp_path):
    """Give each test its own data folder."""
    settings.DATA_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "var" / "media"
    settings.JOBS_ROOT = tmp_path / "var" / "jobs"
    settings.UPLOADS_ROOT = tmp_path / "var" / "uploads"


@dataclass
class Cast:
    """Owner, manager, two annotators, and an outsider who is a member of nothing here."""

    owner: User
    manager: User
    annotator: User
    second_annotator: User
    outsider: User


@pytest.fixture
def cast(db) -> Cast:
    return make_cast()


def make_cast() -> Cast:
    names, password = ("owner", "manager", "ann", "ben", "outsider"), make_password(PASSWORD)
    made = User.objects.bulk_create(
        User(email=f"{name}@example.org", password=password, display_name=name.title())
        for name in names
    )
    return Cast(*made)


@pytest.fixture
def project(cast) -> Project:
    """A project with three classes, its people, and no images."""
    return make_project(cast)


def make_project(cast: Cast) -> Project:
    project = Project.objects.create(name="Shapes", created_by=cast.owner)
    ProjectCounter.objects.create(project=project)
    LabelClass.objects.bulk_create(
        LabelClass(project=project, index=index, name=name, key=str(index + 1))
        for index, name in enumerate(["circle", "square", "star"])
    )
    roles = {
        cast.owner: Role.OWNER,
        cast.manager: Role.MANAGER,
        cast.annotator: Role.ANNOTATOR,
        cast.second_annotator: Role.ANNOTATOR,
    }
    Membership.objects.bulk_create(
        Membership(project=project, user=user, role=role) for user, role in roles.items()
    )
    return project


def add_images(project: Project, count: int) -> list[Image]:
    """Make image rows (no files behind them) with dense numbers."""
    start = project.images.count()
    rows = [
        Image(
            project=project,
            seq=seq,
            sha256=hashlib.sha256(f"{project.pk}:{seq}".encode()).hexdigest(),
            name=f"img_{seq:05d}.png",
            width=28,
            height=28,
            size=500,
            original_key=f"none/{seq}.png",
            display_key=f"none/{seq}.webp",
        )
        for seq in range(start, start + count)
    ]
    created = Image.objects.bulk_create(rows)
    ProjectCounter.objects.filter(project=project).update(images=start + count)
    return created


def open_batch(project: Project, images: list[Image], purpose: str = "seed") -> LabelBatch:
    """Make a running run (if there is none) with one open batch over these images."""
    run, _ = Run.objects.get_or_create(
        project=project,
        defaults={
            "n": project.images.count(),
            "config": {},
            "state": {},
            "waiting_for": "x",
            "request_kind": "label",
        },
    )
    Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
    project.refresh_from_db()
    batch = LabelBatch.objects.create(
        run=run,
        project=project,
        request_id=uuid.uuid4().hex,
        iteration=0,
        purpose=purpose,
        size=len(images),
        remaining=len(images),
    )
    Task.objects.bulk_create(
        Task(batch=batch, project=project, image=image, rank=rank)
        for rank, image in enumerate(images)
    )
    return batch


@pytest.fixture
def images(project) -> list[Image]:
    return add_images(project, 20)


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images)


@pytest.fixture
def sign_in():
    """Return a function that gives a client signed in as this person."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make

"""First start: once, whole, and never again."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import authenticate

from labelapp import engine
from labelapp.models import Import, Job, Membership, Project, User
from labelapp.services import imports, setup
from mcal_engine.types import RunConfig

pytestmark = pytest.mark.django_db


def test_the_owner_can_sign_in_with_the_password_that_is_printed():
    found = setup.first_start()
    assert found.owner.is_superuser
    assert authenticate(username=found.owner.email, password=found.password) == found.owner


def test_the_address_of_the_owner_comes_from_the_environment(settings):
    settings.OWNER_EMAIL = "Boss@Example.org"
    assert setup.first_start().owner.email == "boss@example.org"


def test_the_password_is_long_and_different_each_time():
    passwords = {setup.new_password() for _ in range(50)}
    assert len(passwords) == 50
    assert all(re.fullmatch(r"([a-z2-9]{5}-){3}[a-z2-9]{5}", one) for one in passwords)


def test_the_demo_project_is_on_its_way():
    project = setup.first_start().project
    assert project.is_demo
    assert project.classes.count() == 10
    assert project.settings == {"flip": True, "max_rounds": 8}
    assert Import.objects.get(project=project).kind == "demo"
    assert Job.objects.get(kind="import").state == "waiting"


def test_the_owner_owns_the_demo_project():
    found = setup.first_start()
    assert Membership.objects.get(project=found.project, user=found.owner).role == "owner"


def test_a_second_start_changes_nothing():
    owner = setup.first_start().owner
    before = owner.password
    again = setup.first_start()
    assert (again.owner, again.password, again.project) == (owner, None, None)
    assert User.objects.get().password == before
    assert Project.objects.count() == 1


def test_a_deleted_demo_project_does_not_come_back():
    setup.first_start().project.delete()
    setup.first_start()
    assert Project.objects.count() == 0


def test_without_the_demo_there_is_only_the_owner():
    assert setup.first_start(with_demo=False).project is None
    assert Project.objects.count() == 0


def test_a_failure_in_the_middle_leaves_nothing_behind(monkeypatch):
    """Else the next start would find an owner whose password nobody has seen."""

    def fail(**_):
        raise OSError("disk full")

    monkeypatch.setattr(imports, "start_import", fail)
    with pytest.raises(OSError, match="disk full"):
        setup.first_start()
    assert User.objects.count() == 0
    assert Project.objects.count() == 0


def test_the_demo_run_is_paced_to_a_few_rounds():
    made = setup.first_start()
    config, _ = engine.first_step(made.project, images=10_000, classes=10)
    assert config["max_rounds"] == 8


def test_other_projects_keep_the_engines_own_limit(project):
    config, _ = engine.first_step(project, images=10_000, classes=3)
    assert config["max_rounds"] == RunConfig.max_rounds

"""The demo: accounts of simulated people, what they know, and the sum at the end."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction

from labelapp.formats import demo_set
from labelapp.models import Image, Label, Membership, Project, ProjectCounter, User
from labelapp.services import demo, setup
from tests.app.conftest import add_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return setup.first_start(with_demo=False).owner


def test_simulated_people_can_sign_in_and_are_marked_as_such(owner):
    project, plan = demo.prepare_demo(owner=owner, people=2)
    for account in plan.accounts:
        user = authenticate(username=account.email, password=account.password)
        assert user.is_simulated
        assert not user.is_superuser
        assert Membership.objects.get(project=project, user=user).role == "annotator"


def test_an_unfinished_demo_is_continued_with_new_passwords(owner):
    first, plan = demo.prepare_demo(owner=owner, people=1)
    second, again = demo.prepare_demo(owner=owner, people=3)
    assert first == second
    assert len(again.accounts) == 3
    assert plan.accounts[0].password != again.accounts[0].password
    assert authenticate(username=plan.accounts[0].email, password=plan.accounts[0].password) is None


@pytest.mark.parametrize("change", [{"status": "finished"}, {"archived_at": "2026-01-01T00:00Z"}])
def test_after_a_finished_or_archived_demo_another_one_begins(owner, change):
    first, _ = demo.prepare_demo(owner=owner, people=1)
    Project.objects.filter(pk=first.pk).update(**change)
    second, _ = demo.prepare_demo(owner=owner, people=1)
    assert second != first
    assert second.name == "Fashion-MNIST demo 2"


def test_the_instructions_are_for_nobody_else(owner):
    Path(settings.DATA_DIR).mkdir(parents=True)
    _, plan = demo.prepare_demo(owner=owner, people=2)
    demo.write_plan(plan)
    assert stat.S_IMODE(demo.plan_path().stat().st_mode) == 0o600
    assert demo.read_plan() == plan


def test_a_real_person_with_the_same_address_is_not_taken_over(owner):
    person = User.objects.create_user("simulated-1@localhost", "her own password")
    with pytest.raises(IntegrityError), transaction.atomic():
        demo.prepare_demo(owner=owner, people=1)
    assert person.check_password("her own password")


def test_the_owner_of_a_demo_gets_a_new_password(owner):
    password = demo.renew_owner_password(owner)
    assert authenticate(username=owner.email, password=password) == owner


@pytest.fixture
def finished(owner) -> Project:
    """Ten demo images: six labelled by people, four by the machine, one of these wrong."""
    project, _ = demo.prepare_demo(owner=owner, people=1)
    truth = demo_set.demo_labels()
    add_images(project, 10)
    for image in Image.objects.filter(project=project):
        image.name = f"fashion_{image.seq + 1:05d}.png"
        image.save()
        source = "machine" if image.seq >= 6 else "human"
        wrong = image.seq == 9
        Label.objects.create(
            image=image, project=project, seq=image.seq, source=source, purpose="x",
            class_index=(truth[image.name] + wrong) % 10,
        )  # fmt: skip
    spent = {"label_spend": Decimal("0.24"), "compute_spend": Decimal("0.01")}
    ProjectCounter.objects.filter(project=project).update(**spent)
    return project


def test_what_the_simulated_people_know_is_the_class_of_each_number(finished):
    truth = demo_set.demo_labels()
    assert demo.known_labels(finished) == [truth[f"fashion_{n + 1:05d}.png"] for n in range(10)]


def test_the_result_compares_the_machine_with_the_known_labels(finished):
    result = demo.result_of(finished)
    assert (result.images, result.human, result.machine) == (10, 6, 4)
    assert (result.machine_errors, result.human_errors) == (1, 0)
    assert result.machine_error == 0.25
    assert result.delivered_error == 0.1


def test_the_saving_is_measured_against_people_alone(finished):
    result = demo.result_of(finished)
    assert result.human_only == Decimal("0.40")
    assert result.spent == Decimal("0.25")
    assert result.saving == pytest.approx(0.375)

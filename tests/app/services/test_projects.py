from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import AuditLog, Event, GoldItem, GuidelineEntry, Job, Membership, Project
from labelapp.selectors.projects import access
from labelapp.services import guidelines, projects
from labelapp.services.guidelines import Entry
from labelapp.services.terms import Method, Terms
from tests.app.conftest import open_batch

GOOD: dict[str, Any] = {
    "name": " Birds ",
    "class_names": ["heron", "egret", "other"],
    "terms": Terms(0.05, 0.95, Decimal("0.04"), Decimal("3.6"), "USD"),
    "method": Method(),
}
TERMS = Terms(0.02, 0.9, Decimal("0.1"), Decimal(2), "EUR")


def good(**changes) -> dict[str, Any]:
    """Return what makes a project, with some of its values changed wherever they stand."""
    terms = {name: changes.pop(name) for name in set(changes) & set(Terms.__dataclass_fields__)}
    method = {name: changes.pop(name) for name in set(changes) & set(Method.__dataclass_fields__)}
    return {
        **GOOD,
        "terms": replace(GOOD["terms"], **terms),
        "method": replace(GOOD["method"], **method),
        **changes,
    }


def wrong_fields(user, **changes) -> set[str]:
    with pytest.raises(InvalidInputError) as caught:
        projects.create_project(user=user, **good(**changes))
    assert not Project.objects.exists()
    return set(caught.value.fields)


def test_a_new_project_has_its_owner_its_classes_and_its_counter(cast):
    project = projects.create_project(user=cast.outsider, **GOOD)
    assert access(cast.outsider, project.public_id).role == "owner"
    assert list(project.classes.values_list("index", "name", "key")) == [
        (0, "heron", "1"),
        (1, "egret", "2"),
        (2, "other", "3"),
    ]
    assert project.counter.images == 0
    assert project.name == "Birds"


def test_making_a_project_is_an_event_and_an_audit_entry(cast):
    project = projects.create_project(user=cast.owner, **GOOD)
    assert list(Event.objects.values_list("type", "seq")) == [("project.created", 1)]
    assert AuditLog.objects.get(project=project).action == "project.created"


@pytest.mark.parametrize("epsilon", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_an_error_target_outside_0_and_1_is_refused(cast, epsilon):
    assert wrong_fields(cast.owner, epsilon=epsilon) == {"epsilon"}


@pytest.mark.parametrize("confidence", [0.49, 1, float("nan")])
def test_a_confidence_outside_its_range_is_refused(cast, confidence):
    assert wrong_fields(cast.owner, confidence=confidence) == {"confidence"}


@pytest.mark.parametrize("price", ["-0.01", "NaN", "Infinity", "100001"])
@pytest.mark.parametrize("field", ["price_per_label", "compute_price_per_hour"])
def test_a_price_that_is_no_price_is_refused(cast, field, price):
    assert wrong_fields(cast.owner, **{field: Decimal(price)}) == {field}


def test_computing_may_be_free_but_labels_may_not(cast):
    for price in ("0", "0.0000004"):  # six decimals are kept
        assert wrong_fields(cast.owner, price_per_label=Decimal(price)) == {"price_per_label"}
    projects.create_project(user=cast.owner, **good(compute_price_per_hour=Decimal(0)))


def test_all_wrong_fields_are_named_at_once(cast):
    fields = wrong_fields(cast.owner, name=" ", class_names=["one"], epsilon=2, currency="XXX")
    assert fields == {"name", "classes", "epsilon", "currency"}


@pytest.mark.parametrize("budget", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("1e12")])
def test_a_budget_that_is_none_is_refused(cast, budget):
    assert wrong_fields(cast.owner, budget=budget) == {"budget"}


@pytest.mark.parametrize(
    "field", [name for name in Method.__dataclass_fields__ if name != "rivals"]
)
def test_a_method_that_the_engine_does_not_have_is_refused(cast, field):
    assert wrong_fields(cast.owner, **{field: "magic"}) == {field}


@pytest.mark.parametrize("rivals", [("magic",), ("cnn_small",), ("resnet18", "resnet18")])
def test_networks_that_cannot_race_are_refused(cast, rivals):
    assert wrong_fields(cast.owner, rivals=rivals) == {"rivals"}


def test_a_new_project_is_promised_an_audit_and_keeps_what_was_chosen(cast):
    project = projects.create_project(
        user=cast.owner, **good(budget=Decimal(12), certainty="entropy", rivals=("resnet18",))
    )
    project.refresh_from_db()
    assert (project.certificate, project.budget) == ("audit", Decimal(12))
    assert (project.certainty, project.rivals) == ("entropy", ["resnet18"])


def test_the_settings_change_before_the_run(cast, project):
    owner = access(cast.owner, project.public_id)
    projects.update_project(
        access=owner,
        name="Forms",
        class_names=["star", "circle", "ring"],
        terms=TERMS,
        method=Method(),
        flip=True,
    )
    project.refresh_from_db()
    assert (project.name, project.epsilon, project.currency) == ("Forms", 0.02, "EUR")
    assert project.settings == {"flip": True}
    assert list(project.classes.values_list("index", "name", "key")) == [
        (0, "star", "1"),
        (1, "circle", "2"),
        (2, "ring", "3"),
    ]


def test_a_class_that_stays_keeps_its_guidelines(cast, project):
    owner = access(cast.owner, project.public_id)
    guidelines.save_guidelines(
        access=owner, text="", entries={2: Entry("five points")}, base_version=0
    )
    projects.update_project(
        access=owner,
        name="Shapes",
        class_names=["star", "ring"],
        terms=TERMS,
        method=Method(),
        flip=False,
    )
    entry = GuidelineEntry.objects.get()
    assert (entry.label_class.name, entry.label_class.index) == ("star", 0)


def test_a_change_is_logged_with_before_and_after(cast, project):
    owner = access(cast.manager, project.public_id)
    names = ["circle", "square", "star"]
    projects.update_project(
        access=owner, name="Shapes", class_names=names, terms=TERMS, method=Method(), flip=False
    )
    entry = AuditLog.objects.get(action="project.changed")
    assert entry.user == cast.manager
    assert (entry.before["epsilon"], entry.after["epsilon"]) == (0.05, 0.02)
    assert "classes" not in entry.after


def test_saving_unchanged_settings_is_no_event(cast, project):
    owner = access(cast.owner, project.public_id)
    same = {
        "access": owner,
        "name": "Shapes",
        "class_names": ["circle", "square", "star"],
        "terms": TERMS,
        "method": Method(),
        "flip": True,
    }
    projects.update_project(**same)
    projects.update_project(**same)
    assert Event.objects.count() == 1


def test_nothing_but_the_name_changes_once_the_run_has_started(cast, project, batch):
    owner = access(cast.owner, project.public_id)
    with pytest.raises(ConflictError):
        projects.update_project(
            access=owner,
            name="New",
            class_names=["a", "b"],
            terms=TERMS,
            method=Method(),
            flip=True,
        )
    project.refresh_from_db()
    assert (project.name, project.epsilon, project.classes.count()) == ("Shapes", 0.05, 3)
    projects.rename_project(access=owner, name="New")
    project.refresh_from_db()
    assert project.name == "New"


def test_an_empty_name_is_refused(cast, project):
    with pytest.raises(InvalidInputError):
        projects.rename_project(access=access(cast.owner, project.public_id), name="  ")


def test_annotators_change_no_settings(cast, project):
    mine = access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        projects.rename_project(access=mine, name="Mine")
    with pytest.raises(ForbiddenError):
        projects.update_project(
            access=mine,
            name="Mine",
            class_names=["a", "b"],
            terms=TERMS,
            method=Method(),
            flip=True,
        )


def test_archiving_a_running_project_pauses_it(cast, project, batch):
    projects.archive_project(access=access(cast.owner, project.public_id))
    project.refresh_from_db()
    assert project.archived_at is not None
    assert project.status == Project.Status.PAUSED


def test_an_archived_project_comes_back(cast, project):
    owner = access(cast.owner, project.public_id)
    projects.archive_project(access=owner)
    projects.restore_project(access=access(cast.owner, project.public_id))
    project.refresh_from_db()
    assert project.archived_at is None
    actions = AuditLog.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["project.archived", "project.restored"]


def test_managers_neither_archive_nor_delete(cast, project):
    manager = access(cast.manager, project.public_id)
    with pytest.raises(ForbiddenError):
        projects.archive_project(access=manager)
    with pytest.raises(ForbiddenError):
        projects.delete_project(access=manager, typed_name=project.name)


def test_deleting_needs_the_typed_name(cast, project):
    owner = access(cast.owner, project.public_id)
    with pytest.raises(InvalidInputError):
        projects.delete_project(access=owner, typed_name="shapes")
    project.refresh_from_db()
    assert project.status == Project.Status.SETUP


def test_a_deleted_project_is_gone_for_everyone_at_once(cast, project):
    projects.delete_project(access=access(cast.owner, project.public_id), typed_name="Shapes")
    with pytest.raises(NotFoundError):
        access(cast.owner, project.public_id)
    job = Job.objects.get(kind="delete")
    assert (job.target, job.project_id) == (project.pk, None)


def test_deleting_cancels_the_jobs_of_the_project(cast, project):
    job = Job.objects.create(kind="import", key="import:1", project=project)
    projects.delete_project(access=access(cast.owner, project.public_id), typed_name="Shapes")
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED


def test_memberships_are_counted_per_project_only(cast, project, images):
    open_batch(project, images)
    other = projects.create_project(user=cast.annotator, **GOOD)
    assert Membership.objects.filter(project=other).count() == 1


def test_a_class_of_gold_images_is_not_taken_away(cast, project, images):
    star = project.classes.get(name="star")
    GoldItem.objects.create(project=project, image=images[0], label_class=star, source="uploaded")
    with pytest.raises(InvalidInputError) as caught:
        projects.update_project(
            access=access(cast.owner, project.public_id),
            name="Shapes",
            class_names=["circle", "square"],
            terms=TERMS,
            method=Method(),
            flip=True,
        )
    assert "star is the class of gold images" in str(caught.value.fields["classes"])

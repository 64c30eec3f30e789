"""A project's rules for its people, and the other names of its classes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import AuditLog, Event, Project
from labelapp.selectors.projects import access as find_access
from labelapp.services import rules
from labelapp.services.rules import Rules

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(cast, project):
    return find_access(cast.manager, project.public_id)


def test_a_new_project_has_the_usual_rules(project):
    assert rules.rules_of(project) == Rules()


@pytest.mark.parametrize("status", ["setup", "running", "paused"])
def test_rules_change_before_and_during_a_run(boss, status):
    Project.objects.update(status=status)
    new = Rules(
        overlap=2,
        overlap_share=0.25,
        overlap_max=4,
        skip_policy="review",
        predictions=False,
        label_ahead=False,
        gold_share=0.05,
        gold_first=10,
        gold_pause_below=0.8,
        gold_pause_after=15,
    )
    assert rules.change_rules(access=boss, rules=new) is True
    assert rules.rules_of(Project.objects.get()) == new
    assert boss.project.overlap == 2


def test_a_change_is_an_audit_entry_that_names_what_changed(boss):
    rules.change_rules(access=boss, rules=Rules(overlap=3))
    entry = AuditLog.objects.get(action="project.changed")
    assert (entry.before, entry.after) == ({"overlap": 1}, {"overlap": 3})
    assert Event.objects.get().payload == {"what": "people"}


def test_the_same_rules_change_nothing(boss):
    assert rules.change_rules(access=boss, rules=Rules()) is False
    assert not Event.objects.exists()


def test_a_finished_project_asks_nobody(boss):
    Project.objects.update(status="finished")
    with pytest.raises(ConflictError):
        rules.change_rules(access=boss, rules=Rules(overlap=2))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("overlap", 0),
        ("overlap", 10),
        ("overlap_share", 0.0),
        ("overlap_share", 1.01),
        ("overlap_max", 2),
        ("overlap_max", 10),
        ("skip_policy", "never"),
        ("gold_share", 0.51),
        ("gold_share", -0.1),
        ("gold_first", 201),
        ("gold_pause_below", 0.0),
        ("gold_pause_below", 1.1),
        ("gold_pause_after", 0),
    ],
)
def test_a_wrong_value_is_named(boss, field, value):
    with pytest.raises(InvalidInputError) as caught:
        rules.change_rules(access=boss, rules=replace(Rules(overlap=2), **{field: value}))
    assert set(caught.value.fields) == {field}
    assert Project.objects.get().overlap == 1


def test_more_people_where_one_answer_cannot_disagree_makes_no_sense():
    assert set(Rules(overlap=1, overlap_max=3).check()) == {"overlap_max"}


def test_annotators_change_no_rules(cast, project):
    ann = find_access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        rules.change_rules(access=ann, rules=Rules())
    with pytest.raises(ForbiddenError):
        rules.set_aliases(access=ann, aliases={})


def aliases(project) -> dict[str, list[str]]:
    return {c.name: c.aliases for c in project.classes.all() if c.aliases}


def test_classes_get_other_names(boss, project):
    assert rules.set_aliases(access=boss, aliases={0: [" ring ", "disc", "ring", ""]}) is True
    assert aliases(project) == {"circle": ["ring", "disc"]}
    assert rules.set_aliases(access=boss, aliases={0: ["ring", "disc"]}) is False
    assert rules.set_aliases(access=boss, aliases={}) is True
    assert aliases(project) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {0: ["Square"]},
        {0: ["Circle"]},
        {0: ["box"], 1: ["BOX"]},
        {0: ["x" * 81]},
        {0: [str(n) for n in range(21)]},
    ],
)
def test_other_names_that_cannot_be_told_apart_are_refused(boss, project, wrong):
    with pytest.raises(InvalidInputError) as caught:
        rules.set_aliases(access=boss, aliases=wrong)
    assert set(caught.value.fields) == {"aliases"}
    assert aliases(project) == {}

"""Leases: on screen, in store, who holds what, and what a manager frees."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.errors import ForbiddenError
from labelapp.models import LabelBatch, Membership, Project, Task
from labelapp.rights import Role
from labelapp.selectors.queue import holdings
from labelapp.services.labelling import heartbeat, next_tasks, submit
from labelapp.services.leases import release
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry, ids
from tests.app.services.test_labelling_answers import send, take


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images[:2], "residual")


def test_the_first_task_goes_to_the_screen_the_others_to_the_store(ann):
    first, second = ids(next_tasks(access=ann, count=2))
    soft = dict(Task.objects.values_list("pk", "lease_soft"))
    assert (soft[first], soft[second]) == (False, True)


def test_a_request_says_what_is_on_screen_now(ann):
    first, second = ids(next_tasks(access=ann, count=2))
    heartbeat(access=ann, holding=[first, second], on_screen=second)
    soft = dict(Task.objects.values_list("pk", "lease_soft"))
    assert (soft[first], soft[second]) == (True, False)
    submit(access=ann, answers=[answer(ann, second)], holding=[first], on_screen=first)
    assert not Task.objects.get(pk=first).lease_soft


def test_with_nothing_on_screen_all_may_be_taken_over(ann, ben):
    mine = ids(next_tasks(access=ann, count=2))
    heartbeat(access=ann, holding=mine, on_screen=None)
    assert ids(next_tasks(access=ben, count=9)) == mine
    assert heartbeat(access=ann, holding=mine) == mine


def test_a_manager_sees_who_holds_what_since_when(project, ann, ben):
    first, second = ids(next_tasks(access=ann, count=2))
    before = Task.objects.get(pk=first).lease_since
    heartbeat(access=ann, holding=[first, second], on_screen=first)
    found = {one.task_id: one for one in holdings(project)}
    assert (found[first].kind, found[second].kind) == ("screen", "store")
    assert (found[first].name, found[first].purpose) == ("Ann", "residual")
    assert found[first].since == before
    Task.objects.filter(pk=second).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert {one.kind for one in holdings(project)} == {"screen", "over"}


def test_who_takes_a_lapsed_task_has_it_since_then(ann, ben):
    task = take(ann)
    early = timezone.now() - timedelta(hours=1)
    Task.objects.filter(pk=task.pk).update(lease_until=early, lease_since=early)
    assert take(ben).pk == task.pk
    assert Task.objects.get(pk=task.pk).lease_since > early + timedelta(minutes=59)


def test_a_manager_releases_a_task_and_the_page_learns_of_it(owner, ann, ben):
    mine = ids(next_tasks(access=ann, count=2))
    assert release(access=owner, task_ids=mine[:1]) == 1
    assert heartbeat(access=ann, holding=mine) == mine[:1]
    assert take(ben).pk == mine[0]
    assert send(ann, answer(ann, mine[0])) == ["accepted"]  # what was on its way still counts


def test_a_manager_releases_all_of_a_person_or_all_that_is_over(owner, ann, project):
    mine = ids(next_tasks(access=ann, count=2))
    assert release(access=owner, user_id=ann.user.pk) == 2
    mine = ids(next_tasks(access=ann, count=2))
    Task.objects.filter(pk=mine[1]).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert release(access=owner) == 1
    assert [one.task_id for one in holdings(project)] == mine[:1]


def test_only_who_steers_may_release(ann, eve):
    for who in (ann, eve):
        with pytest.raises(ForbiddenError):
            release(access=who, user_id=ann.user.pk)


def test_a_task_of_another_project_is_not_released(owner, ann, cast):
    (mine, _) = ids(next_tasks(access=ann, count=2))
    other = Project.objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.owner, role=Role.OWNER)
    assert release(access=entry(other, cast.owner), task_ids=[mine]) == 0


def test_a_paused_person_gets_nothing_but_what_they_hold_is_taken(project, ann):
    task = take(ann)
    Membership.objects.filter(user=ann.user).update(
        paused_at=timezone.now(), pause_reason="Too many mistakes."
    )
    me = entry(project, ann.user)
    assert (me.paused_at is not None, me.pause_reason) == (True, "Too many mistakes.")
    assert ids(next_tasks(access=me, count=9)) == []
    assert send(me, answer(me, task.pk)) == ["accepted"]

"""Who gets which task, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Project, Task
from labelapp.services.labelling import next_tasks, submit
from labelapp.services.leases import (
    LEASE_SECONDS,
    heartbeat,
    release_leases,
    task_token,
    token_fits,
)
from tests.app.conftest import add_images, open_batch
from tests.app.services.labelling_help import answer, entry, query_plan


def ids(work) -> list[int]:
    return [held.task_id for held in work.held]


def expire(*task_ids: int) -> None:
    long_ago = timezone.now() - timedelta(seconds=1)
    Task.objects.filter(pk__in=task_ids).update(lease_until=long_ago)


def test_tasks_come_in_rank_order(ann, batch):
    ranks = list(batch.tasks.order_by("rank").values_list("pk", flat=True))
    assert ids(next_tasks(access=ann, count=5)) == ranks[:5]


def test_two_people_never_get_the_same_task(ann, ben):
    first, second = next_tasks(access=ann, count=9), next_tasks(access=ben, count=9)
    assert set(ids(first)).isdisjoint(ids(second))
    assert len(ids(first)) == len(ids(second)) == 9


def test_what_the_page_holds_is_not_given_again(ann):
    first = ids(next_tasks(access=ann, count=3))
    assert set(ids(next_tasks(access=ann, count=3, holding=first))).isdisjoint(first)


def test_a_reload_gets_its_own_tasks_back(ann):
    first = ids(next_tasks(access=ann, count=3))
    assert ids(next_tasks(access=ann, count=3)) == first


def test_a_lease_that_is_over_goes_to_the_next_person(ann, ben):
    first = ids(next_tasks(access=ann, count=3))
    expire(*first)
    assert ids(next_tasks(access=ben, count=3)) == first


def test_a_lease_that_runs_is_left_alone(ann, ben):
    first = ids(next_tasks(access=ann, count=3))
    assert set(first).isdisjoint(ids(next_tasks(access=ben, count=20)))


def test_a_heartbeat_renews_the_lease(ann):
    (held,) = ids(next_tasks(access=ann, count=1))
    expire(held)
    assert heartbeat(access=ann, holding=[held]) == []
    left = Task.objects.get(pk=held).lease_until - timezone.now()
    assert left > timedelta(seconds=LEASE_SECONDS - 5)


@pytest.mark.parametrize("number", [-1, 2**63, 10**30])
def test_a_screen_that_shows_no_task_at_all_is_no_fault(ann, number):
    held = ids(next_tasks(access=ann, count=2))
    assert heartbeat(access=ann, holding=held, on_screen=number) == []


def test_a_heartbeat_names_the_tasks_that_somebody_else_has(ann, ben):
    first = ids(next_tasks(access=ann, count=2))
    expire(first[0])
    next_tasks(access=ben, count=1)
    assert heartbeat(access=ann, holding=first) == [first[0]]


def test_a_heartbeat_gives_nobody_a_task_that_was_not_theirs(ann, batch):
    task = batch.tasks.first()
    assert heartbeat(access=ann, holding=[task.pk]) == [task.pk]
    task.refresh_from_db()
    assert task.lease_user is None


def test_an_answer_renews_the_leases_of_the_others(ann):
    first = ids(next_tasks(access=ann, count=3))
    expire(*first)
    submit(access=ann, answers=[answer(ann, first[0])], holding=first[1:])
    assert Task.objects.get(pk=first[2]).lease_until > timezone.now()


def test_at_the_tail_prefetched_tasks_of_others_are_taken_over(ann, ben, batch):
    mine = ids(next_tasks(access=ann, count=20))
    taken = ids(next_tasks(access=ben, count=9))
    assert taken == mine[-2:]
    assert heartbeat(access=ann, holding=mine) == taken


def test_the_task_on_screen_is_never_taken_over(ann, ben, batch):
    mine = ids(next_tasks(access=ann, count=20))
    answers = [answer(ann, task) for task in mine[:18]]
    submit(access=ann, answers=answers, holding=mine[18:], on_screen=mine[18])
    assert ids(next_tasks(access=ben, count=9)) == [mine[19]]
    assert ids(next_tasks(access=ann, count=9, holding=[mine[18]], on_screen=mine[18])) == []


def test_nobody_takes_over_while_they_have_work(ann, ben):
    next_tasks(access=ann, count=18)
    mine = ids(next_tasks(access=ben, count=9))
    assert len(mine) == 2
    assert ids(next_tasks(access=ben, count=7, holding=mine)) == []


def test_a_person_who_leaves_frees_their_tasks(ann, ben, project):
    first = ids(next_tasks(access=ann, count=9))
    assert release_leases(user=ann.user, project=project) == 9
    assert ids(next_tasks(access=ben, count=9)) == first


def test_leases_in_other_projects_stay_when_one_is_named(ann, cast):
    next_tasks(access=ann, count=4)
    other = Project.objects.create(name="Other")
    assert release_leases(user=ann.user, project=other) == 0
    assert release_leases(user=ann.user) == 4


@pytest.mark.parametrize("status", ["setup", "paused", "finished"])
def test_only_a_running_project_gives_tasks(ann, status):
    ann.project.status = status
    assert ids(next_tasks(access=ann, count=5)) == []


def test_an_archived_project_gives_no_tasks(ann):
    ann.project.archived_at = timezone.now()
    assert ids(next_tasks(access=ann, count=5)) == []


def test_one_request_gets_a_bounded_number_of_tasks(project, cast, images):
    open_batch(project, images + add_images(project, 90))
    assert len(next_tasks(access=entry(project, cast.annotator), count=1000).held) == 100


def test_nothing_is_claimed_for_a_count_below_one(ann):
    assert ids(next_tasks(access=ann, count=-3)) == []


def test_a_token_fits_one_person_one_task_one_project():
    token = task_token(task_id=1, user_id=2, project_id=3)
    assert token_fits(token, task_id=1, user_id=2, project_id=3)
    assert not token_fits(token, task_id=2, user_id=2, project_id=3)
    assert not token_fits(token, task_id=1, user_id=1, project_id=3)
    assert not token_fits(token, task_id=1, user_id=2, project_id=1)
    assert not token_fits("", task_id=1, user_id=2, project_id=3)


def test_a_claim_is_one_statement_on_the_partial_index(ann):
    with CaptureQueriesContext(connection) as queries:
        next_tasks(access=ann, count=9)
    claims = [q["sql"] for q in queries if " SET lease_user_id = " in q["sql"]]
    assert len(claims) == 1
    if connection.vendor == "sqlite":  # PostgreSQL's plan depends on its statistics
        plan = query_plan(claims[0])
        assert "task_open" in plan
        assert "TEMP B-TREE" not in plan


def plan_of(who, marker: str) -> str:
    """Return SQLite's plan of the statement with this marker in a claim that finds nothing."""
    with CaptureQueriesContext(connection) as queries:
        next_tasks(access=who, count=9)
    (statement,) = [q["sql"] for q in queries if marker in q["sql"] and "EXPLAIN" not in q["sql"]]
    return query_plan(statement)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL's plan depends on data")
def test_what_others_hold_is_found_without_walking_over_the_queue(ann, batch):
    Task.objects.update(state="done")
    assert "task_held" in plan_of(ann, "t.rank + 0")


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL's plan depends on data")
def test_experts_read_an_index_of_their_own(project, cast, batch):
    Task.objects.update(state="done")
    manager = entry(project, cast.manager)
    with CaptureQueriesContext(connection) as queries:
        next_tasks(access=manager, count=9)
    statement = next(q["sql"] for q in queries if "t.state = 'expert'" in q["sql"])
    plan = query_plan(statement)
    assert "task_expert" in plan
    assert "TEMP B-TREE" not in plan

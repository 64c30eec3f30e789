"""Gold: who gets which items, how answers are judged, and when a person is paused."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.models import (
    Answer,
    AuditLog,
    Event,
    Exclusion,
    GoldItem,
    GoldPlan,
    GoldResult,
    LabelBatch,
    Membership,
    Task,
)
from labelapp.selectors.projects import access as find_access
from labelapp.services import gold, pauses

pytestmark = pytest.mark.django_db


@pytest.fixture
def items(project, batch, images) -> list[GoldItem]:
    """Every second image is gold, class 1."""
    square = project.classes.get(index=1)
    return [
        GoldItem.objects.create(
            project=project, image=image, label_class=square, source=GoldItem.Source.UPLOADED
        )
        for image in images[::2]
    ]


@pytest.fixture
def ann(cast, project, items):
    return find_access(cast.annotator, project.public_id)


def turn_on(access, **rules) -> None:
    for name, value in rules.items():
        setattr(access.project, name, value)
    access.project.save(update_fields=list(rules))


def waiting(access) -> list[int]:
    tasks = Task.objects.filter(state=Task.State.ASSIGNED, lease_user=access.user)
    return list(tasks.order_by("rank").values_list("image_id", flat=True))


def answer_gold(access, task: Task, index: int) -> Answer:
    """Store an answer to a gold task as services.answers does."""
    answer = Answer.objects.create(
        id=uuid.uuid4(),
        task=task,
        batch=task.batch,
        project=access.project,
        image=task.image,
        user=access.user,
        kind="class",
        label_class=access.project.classes.get(index=index),
    )
    Task.objects.filter(pk=task.pk).update(state=Task.State.DONE, lease_user=None)
    gold.judge(task=task, answer=answer, class_index=index)
    if reason := gold.why_pause(access):
        pauses.pause_by_rule(access=access, reason=reason)
    return answer


def give(access, *classes: int) -> None:
    """Assign as many gold tasks as there are classes and answer them so."""
    turn_on(access, gold_share=0.5)
    plan = gold._plan(access, 1)
    gold._assign(access, plan, len(classes), onboards=False)
    tasks = list(Task.objects.filter(state=Task.State.ASSIGNED, lease_user=access.user))
    for task, index in zip(tasks, classes, strict=True):
        answer_gold(access, task, index)


def test_without_gold_nothing_is_read(ann, django_assert_num_queries):
    with django_assert_num_queries(0):
        gold.plant(access=ann, accepted=5)


def test_an_answer_without_gold_due_costs_one_statement(ann, django_assert_num_queries):
    turn_on(ann, gold_share=1e-9)
    gold.plant(access=ann, accepted=1)
    with django_assert_num_queries(1):
        gold.plant(access=ann, accepted=1)


def test_the_onboarding_set_comes_before_the_first_image(ann):
    turn_on(ann, gold_first=4)
    gold.plant(access=ann, accepted=0)
    assert len(waiting(ann)) == 4
    gold.plant(access=ann, accepted=0)
    assert len(waiting(ann)) == 4


def test_who_has_worked_before_is_not_onboarded(ann, batch):
    turn_on(ann, gold_first=4)
    task = batch.tasks.first()
    Answer.objects.create(
        id=uuid.uuid4(),
        task=task,
        batch=batch,
        project=ann.project,
        image=task.image,
        user=ann.user,
        kind="skip",
    )
    gold.plant(access=ann, accepted=0)
    assert waiting(ann) == []


def test_about_the_share_of_the_answers_is_gold(ann, project):
    turn_on(ann, gold_share=0.2)
    drawn = sum(gold._is_drawn(ann, number) for number in range(5000))
    assert 900 < drawn < 1100


def test_nobody_gets_an_item_twice(ann, items):
    turn_on(ann, gold_share=0.5)
    for _ in range(60):
        gold.plant(access=ann, accepted=1)
    images = waiting(ann)
    assert len(images) == len(set(images)) == len(items)


def test_an_image_that_the_person_has_answered_is_not_their_gold(ann, items, batch):
    turn_on(ann, gold_first=50)
    task = batch.tasks.get(image=items[0].image)
    Answer.objects.create(
        id=uuid.uuid4(),
        task=task,
        batch=batch,
        project=ann.project,
        image=task.image,
        user=ann.user,
        kind="skip",
    )
    GoldPlan.objects.create(project=ann.project, user=ann.user)
    gold.plant(access=ann, accepted=0)
    assert items[0].image_id not in waiting(ann)
    assert len(waiting(ann)) == len(items) - 1


def test_an_image_on_the_persons_screen_is_not_their_gold_at_the_same_time(ann, items, batch):
    turn_on(ann, gold_first=50)
    Task.objects.filter(image=items[0].image).update(lease_user=ann.user)
    gold.plant(access=ann, accepted=0)
    assert items[0].image_id not in waiting(ann)


def test_two_people_get_the_same_item_in_slots_of_their_own(ann, cast, project, items):
    turn_on(ann, gold_first=50)
    gold.plant(access=ann, accepted=0)
    ben = find_access(cast.second_annotator, project.public_id)
    gold.plant(access=ben, accepted=0)
    assert sorted(waiting(ann)) == sorted(waiting(ben))
    assert set(Task.objects.filter(lease_user=ben.user).values_list("slot", flat=True)) == {1}


@pytest.mark.parametrize("why", ["inactive", "excluded", "archived"])
def test_items_that_are_out_are_not_asked(ann, items, why):
    turn_on(ann, gold_first=50)
    if why == "inactive":
        GoldItem.objects.update(active=False)
    elif why == "excluded":
        for item in items:
            Exclusion.objects.create(image=item.image, project=ann.project, seq=item.image.seq)
    else:
        ann.project.classes.update(archived=True)
    gold.plant(access=ann, accepted=0)
    assert waiting(ann) == []


def test_a_paused_project_gives_no_gold(ann):
    turn_on(ann, gold_first=5, status="paused")
    gold.plant(access=ann, accepted=0)
    assert waiting(ann) == []


def test_the_gold_batch_is_one_and_never_open(ann, batch):
    turn_on(ann, gold_share=0.5)
    for _ in range(20):
        gold.plant(access=ann, accepted=1)
    found = LabelBatch.objects.get(purpose="gold")
    assert (found.state, found.size, found.remaining) == ("done", 0, 0)


def test_an_answer_is_judged_by_what_is_gold(ann):
    give(ann, 1, 2)
    rows = GoldResult.objects.order_by("given").values_list("truth", "given", "right")
    assert list(rows) == [(1, 1, True), (1, 2, False)]


def test_the_first_answer_counts(ann):
    give(ann, 2)
    task = Task.objects.get(batch__purpose="gold")
    Answer.objects.update(superseded_by=uuid.uuid4())
    answer_gold(ann, task, 1)
    assert list(GoldResult.objects.values_list("given", "right")) == [(2, False)]


def test_an_item_that_was_removed_judges_nobody(ann, batch):
    GoldItem.objects.all().delete()
    task = batch.tasks.first()
    answer = Answer(id=uuid.uuid4(), task=task, user=ann.user)
    assert gold.judge(task=task, answer=answer, class_index=0) is True
    assert not GoldResult.objects.exists()


def test_too_many_wrong_ones_pause_the_person(ann, django_capture_on_commit_callbacks):
    turn_on(ann, gold_pause_below=0.8, gold_pause_after=5)
    with django_capture_on_commit_callbacks(execute=True):
        give(ann, 2, 2, 1, 1, 1)
    member = Membership.objects.get(user=ann.user)
    assert member.paused_at is not None
    assert member.pause_reason == "gold:3:5:0.8"
    assert Event.objects.get(type="person.paused").payload == {
        "person": ann.user.pk,
        "by": "gold",
    }
    assert AuditLog.objects.get(action="person.paused").user is None


def test_fewer_answers_than_the_rule_needs_pause_nobody(ann):
    turn_on(ann, gold_pause_below=0.8, gold_pause_after=6)
    give(ann, 2, 2, 2, 2, 2)
    assert Membership.objects.get(user=ann.user).paused_at is None


def test_the_share_itself_is_enough(ann):
    turn_on(ann, gold_pause_below=0.8, gold_pause_after=5)
    give(ann, 2, 1, 1, 1, 1)
    assert Membership.objects.get(user=ann.user).paused_at is None


def test_a_resumed_person_starts_anew(ann, cast, project):
    turn_on(ann, gold_pause_below=0.8, gold_pause_after=3)
    give(ann, 2, 2, 2)
    manager = find_access(cast.manager, project.public_id)
    pauses.resume(access=manager, user_id=ann.user.pk)
    give(ann, 2, 2)
    assert Membership.objects.get(user=ann.user).paused_at is None
    give(ann, 2)
    assert Membership.objects.get(user=ann.user).paused_at is not None


def test_a_manager_pauses_a_person_and_their_tasks_are_free(cast, project, batch):
    ann = find_access(cast.annotator, project.public_id)
    Task.objects.filter(pk=batch.tasks.first().pk).update(
        lease_user=ann.user, lease_until=timezone.now() + timedelta(seconds=60)
    )
    manager = find_access(cast.manager, project.public_id)
    pauses.pause(access=manager, user_id=ann.user.pk, reason="on leave")
    member = Membership.objects.get(user=ann.user)
    assert member.pause_reason == "on leave"
    assert not Task.objects.filter(lease_user=ann.user).exists()
    assert Event.objects.get(type="person.paused").payload["by"] == "manager"

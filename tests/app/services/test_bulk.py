"""Bulk actions on a filter: counted, resumed after a kill, undone; what measures stays apart."""

from __future__ import annotations

import pytest
from django.utils import timezone

from labelapp import queue, tasks
from labelapp.errors import ConflictError, ForbiddenError, NotFoundError
from labelapp.models import (
    Event,
    Exclusion,
    Image,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    ProjectCounter,
    Review,
    Task,
    TrainItem,
)
from labelapp.rights import Role
from labelapp.selectors import exports
from labelapp.selectors.browse_query import Query
from labelapp.selectors.projects import access
from labelapp.services import bulk, class_lists, image_actions
from labelapp.services.image_actions import Action
from tests.app.browse_world import World, fits, make_world


@pytest.fixture
def world(cast) -> World:
    world = make_world(cast, n=60)
    world.project.memberships.filter(user=cast.annotator).update(role=Role.VIEWER)
    return world


def owner(world: World):
    return access(world.cast.owner, world.project.public_id)


def done(job: Job) -> Job:
    tasks.run_job(job.pk)
    job.refresh_from_db()
    return job


def apply(world: World, query: Query, action: Action, seqs=()) -> Job:
    counted = bulk.prepare(access=owner(world), query=query, action=action, seqs=seqs)
    return done(bulk.confirm(access=owner(world), job_id=counted.pk))


def matching(world: World, query: Query) -> list[int]:
    return [t.image.pk for t in world.truths if fits(t, query)]


def test_the_count_is_exact_and_nothing_happens_before_it_is_confirmed(world):
    query = Query(source="human", label=1, sort="name")
    job = bulk.prepare(access=owner(world), query=query, action=Action("exclude"))
    assert (job.state, job.params["total"]) == ("done", len(matching(world, query)))
    assert Exclusion.objects.count() == sum(t.excluded for t in world.truths)


def test_many_are_counted_by_the_worker(world, monkeypatch):
    monkeypatch.setattr(bulk, "COUNT_SECONDS", -1)
    monkeypatch.setattr("labelapp.selectors.browse.WINDOW", 10)
    job = bulk.prepare(access=owner(world), query=Query(), action=Action("review"))
    assert job.state == "waiting"
    with pytest.raises(ConflictError):
        bulk.confirm(access=owner(world), job_id=job.pk)
    assert done(job).params["total"] == 60


def test_a_filter_is_relabelled_at_no_charge_and_taken_back_in_one_step(world):
    query = Query(source="human", label=1)
    ids = matching(world, query)
    spent = ProjectCounter.objects.get(project=world.project).label_spend
    job = apply(world, query, Action("label", 2))
    changed = Label.objects.filter(pk__in=ids, class_index=2, method="review")
    skipped = sum(job.params["skipped"].values())  # labels of closed audits stand
    assert changed.count() == len(ids) - skipped > 0
    audited = Label.objects.filter(pk__in=ids, purpose="audit")
    assert skipped == audited.count()
    assert set(audited.values_list("class_index", flat=True)) <= {1}
    assert ProjectCounter.objects.get(project=world.project).label_spend == spent
    assert Event.objects.filter(project=world.project, type="labels.changed").count() == 1
    back = done(bulk.undo(access=owner(world), job_id=job.pk))
    assert back.state == "done"
    assert not back.params["skipped"]
    assert Label.objects.filter(pk__in=ids, class_index=1).count() == len(ids)
    assert not Review.objects.filter(state="open").exists()


def test_a_killed_action_goes_on_and_does_nothing_twice(world, monkeypatch):
    query = Query(where="train")
    ids = matching(world, query)
    counted = bulk.prepare(access=owner(world), query=query, action=Action("exclude"))
    job = bulk.confirm(access=owner(world), job_id=counted.pk)
    real, calls = image_actions.act, []

    def dies(**kwargs):
        if len(calls) == 2:
            raise KeyboardInterrupt  # as a killed process: nothing is tidied up but transactions
        calls.append(kwargs["image_id"])
        return real(**kwargs)

    monkeypatch.setattr(image_actions, "act", dies)
    with pytest.raises(KeyboardInterrupt):
        tasks.run_job(job.pk)
    monkeypatch.setattr(image_actions, "act", real)
    Job.objects.filter(pk=job.pk).update(heartbeat=timezone.now() - queue.STALE_HERE * 2)
    queue.take_back_dead()
    done(job)
    assert job.state == "done"
    assert Exclusion.objects.filter(pk__in=ids).count() == len(ids)
    reviews = Review.objects.filter(image_id__in=ids, outcome="excluded")
    assert reviews.count() == len(ids)
    assert LedgerEntry.objects.filter(purpose="review").count() == len(ids)


def test_chosen_images_go_to_review_once_and_machine_labels_only_after_the_end(world):
    human, machine = Query(where="seed"), Query(source="machine")
    seqs = [t.image.seq for t in world.truths if fits(t, human) or fits(t, machine)]
    job = apply(world, Query(), Action("review"), seqs)
    sent = set(Review.objects.filter(reason="doubt").values_list("image_id", flat=True))
    assert sent == set(matching(world, human))
    assert sum(job.params["skipped"].values()) == len(matching(world, machine))
    apply(world, Query(), Action("review"), seqs)
    assert Review.objects.filter(reason="doubt").count() == len(sent)
    done(bulk.undo(access=owner(world), job_id=job.pk))
    assert not Review.objects.filter(reason="doubt").exists()


def test_a_question_that_was_open_before_is_asked_again_when_the_action_is_taken_back(world):
    query = Query(source="human", label=1)
    free = [t for t in world.truths if fits(t, query) and t.purpose != "audit"]
    first, second, *_rest = [t.image.pk for t in free]
    asked = [
        Review.objects.create(
            project=world.project, image_id=image, reason="doubt", note=note, person=person
        )
        for image, note, person in (
            (first, "is this a ring?", world.cast.annotator),
            (second, "", None),
        )
    ]
    counted = bulk.prepare(access=owner(world), query=query, action=Action("label", 2))
    late = Review.objects.create(project=world.project, image_id=_rest[0], reason="doubt")
    job = done(bulk.confirm(access=owner(world), job_id=counted.pk))
    assert not Review.objects.filter(state="open").exists()
    assert Label.objects.get(pk=first).class_index == 2
    back = done(bulk.undo(access=owner(world), job_id=job.pk))
    assert not back.params["skipped"]
    assert back.params["seen"] == len(free)
    ids = [first, second, *_rest]
    assert Label.objects.filter(pk__in=ids, class_index=1).count() == len(ids)
    again = Review.objects.filter(state="open").order_by("pk")
    assert [(row.pk, row.note, row.person, row.held_by) for row in again] == [
        (asked[0].pk, "is this a ring?", world.cast.annotator, None),
        (asked[1].pk, "", None, None),
        (late.pk, "", None, None),
    ]


def test_machine_labels_are_corrected_after_the_end_and_the_machine_gets_them_back(world):
    one = next(t for t in world.truths if t.source == "machine" and t.label == 0)
    change = Action("label", 1)
    with pytest.raises(ConflictError):
        image_actions.act(access=owner(world), image_id=one.image.pk, action=change)
    Project.objects.filter(pk=world.project.pk).update(status="finished")
    job = apply(world, Query(source="machine", label=0), change)
    label = Label.objects.get(pk=one.image.pk)
    found = (label.source, label.class_index, label.purpose, label.model_id)
    assert found == ("human", 1, "residual", world.model.pk)
    done(bulk.undo(access=owner(world), job_id=job.pk))
    label.refresh_from_db()
    assert (label.source, label.class_index, label.purpose) == ("machine", 0, "machine")
    counter = ProjectCounter.objects.get(project=world.project)
    assert (counter.machine, counter.residual) == (0, 0)


def test_what_was_corrected_stays_a_persons_label_once_the_project_is_open_again(world):
    one = next(t for t in world.truths if t.source == "machine" and t.label == 0)
    Project.objects.filter(pk=world.project.pk).update(status="finished")
    me, change = owner(world), Action("label", 1)
    image_actions.act(access=me, image_id=one.image.pk, action=change)
    with pytest.raises(ConflictError):  # the promise counts on what was delivered
        image_actions.act(access=me, image_id=one.image.pk, action=Action("exclude"))
    expected = [{"item": one.image.seq, "was": 0, "now": 1}]
    assert exports._corrected(world.project, world.model.sha256) == expected
    assert exports._corrected(world.project, "b" * 64) == []  # delivered by a later model
    review = Review.objects.get(image=one.image)
    Project.objects.filter(pk=world.project.pk).update(status="running")
    with pytest.raises(ConflictError):
        image_actions.take_back(access=owner(world), review=review)
    TrainItem.objects.create(run=world.run, image=one.image, seq=one.image.seq, iteration=2)
    Project.objects.filter(pk=world.project.pk).update(status="finished")
    with pytest.raises(ConflictError):
        image_actions.take_back(access=owner(world), review=review)
    assert Label.objects.get(pk=one.image.pk).source == "human"


def test_a_label_that_came_while_its_class_was_merged_follows(world):
    old, new = (world.project.classes.get(index=index) for index in (2, 0))
    world.project.classes.filter(pk=old.pk).update(archived=True, merged_into=new)
    people = Label.objects.filter(project=world.project, source="human")
    expected = people.filter(class_index__in=[0, 2]).count()
    class_lists.follow_merges(world.project.pk)
    assert people.filter(class_index=0).count() == expected > 0
    assert not people.filter(class_index=2).exists()


def test_an_excluded_image_is_asked_again(world):
    image = next(t.image for t in world.truths if t.label is None and not t.excluded)
    batch = LabelBatch.objects.create(
        run=world.run,
        project=world.project,
        request_id="open",
        iteration=2,
        purpose="train",
        size=2,
        remaining=2,
    )
    other = Image.objects.exclude(pk=image.pk).filter(label=None, exclusion=None).first()
    for rank, one in enumerate((image, other)):
        Task.objects.create(batch=batch, project=world.project, image=one, rank=rank)
    seqs = [image.seq]
    apply(world, Query(), Action("exclude"), seqs)
    assert Exclusion.objects.filter(pk=image.pk).exists()
    job = apply(world, Query(), Action("readmit"), seqs)
    assert job.params["skipped"] == {}
    assert not Exclusion.objects.filter(pk=image.pk).exists()
    assert Task.objects.get(batch=batch, image=image).state == "open"


def test_nobody_else_acts_and_only_one_action_runs(world):
    me = owner(world)
    viewer = access(world.cast.annotator, world.project.public_id)
    with pytest.raises(ForbiddenError):
        bulk.prepare(access=viewer, query=Query(), action=Action("exclude"))
    counted = bulk.prepare(access=me, query=Query(label=0), action=Action("label", 1))
    manager = access(world.cast.manager, world.project.public_id)
    with pytest.raises(NotFoundError):
        bulk.confirm(access=manager, job_id=counted.pk)
    bulk.confirm(access=me, job_id=counted.pk)
    other = bulk.prepare(access=me, query=Query(label=0), action=Action("exclude"))
    with pytest.raises(ConflictError):
        bulk.confirm(access=me, job_id=other.pk)


@pytest.mark.parametrize("query", [Query(guess=1), Query(low=0.5)])
def test_images_are_not_excluded_by_what_the_model_says_while_the_run_goes_on(world, query):
    Project.objects.filter(pk=world.project.pk).update(status=Project.Status.RUNNING)
    with pytest.raises(ConflictError, match="Send them to review"):
        bulk.prepare(access=owner(world), query=query, action=Action("exclude"))
    Project.objects.filter(pk=world.project.pk).update(status=Project.Status.FINISHED)
    assert bulk.prepare(access=owner(world), query=query, action=Action("exclude")).params

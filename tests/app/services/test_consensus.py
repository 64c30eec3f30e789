"""Labels with several answers follow the project's method: reversible, and never what must stand."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.utils import timezone

from labelapp import engine_people, queue
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import (
    Answer,
    AuditLog,
    Event,
    Iteration,
    Job,
    Label,
    LabelBatch,
    LabelClass,
    ModelVersion,
    PeopleReport,
    Project,
    Run,
    Task,
    TrainItem,
    User,
)
from labelapp.selectors.people_report import consensus_state
from labelapp.selectors.people_words import consensus_line
from labelapp.selectors.projects import access as find_access
from labelapp.services import consensus, jobs, people_report, settling
from labelapp.tasks import run_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(db) -> list[User]:
    """Three fair people, and two who always name the next class."""
    return [User.objects.create_user(f"p{n}@example.org", "x") for n in range(5)]


def vote(batch: LabelBatch, image, user: User, index: int, minute: int = 0, **more) -> Answer:
    task, _ = batch.tasks.get_or_create(
        image=image, slot=0, defaults={"project": batch.project, "rank": image.seq}
    )
    made = said(task, user, batch.project.classes.get(index=index), minute, **more)
    made.save(force_insert=True)
    return made


def said(task: Task, user: User, label_class: LabelClass, minute: int, **more) -> Answer:
    """Return an answer to the task, not yet saved."""
    return Answer(
        id=uuid.uuid4(),
        task=task,
        batch_id=task.batch_id,
        project_id=task.project_id,
        image_id=task.image_id,
        user=user,
        kind="class",
        label_class=label_class,
        created=timezone.now() + timedelta(minutes=minute),
        **more,
    )


def label_by_majority(batch: LabelBatch, image, purpose: str = "") -> Label:
    """Make the label that services.slots keeps: majority, of equals the first."""
    votes = list(image.answers.filter(superseded_by=None).order_by("created"))
    indexes = [one.label_class.index for one in votes]
    best = max(indexes, key=indexes.count)
    return Label.objects.create(
        image=image,
        project=batch.project,
        seq=image.seq,
        class_index=best,
        source="human",
        votes=len(votes),
        agreement=indexes.count(best) / len(indexes),
        method="majority",
        answer=votes[indexes.index(best)],
        user=votes[indexes.index(best)].user,
        batch=batch,
        purpose=purpose or batch.purpose,
    )


def crowd(batch: LabelBatch, images, people) -> dict[int, int]:
    """Answer 20 images: the last two people are bad, and on three images they are the majority.

    Returns the truth by seq.
    """
    truth, answers = {}, []
    classes = {one.index: one for one in batch.project.classes.all()}
    tasks = {task.image_id: task for task in batch.tasks.filter(slot=0)}
    for image in images:
        right = image.seq % 3
        truth[image.seq] = right
        fair = people[:3] if image.seq >= 3 else people[:1]
        task, other = tasks[image.pk], classes[(right + 1) % 3]
        answers += [said(task, user, classes[right], n) for n, user in enumerate(fair)]
        answers += [said(task, user, other, 9) for user in people[3:]]
    Answer.objects.bulk_create(answers)
    for image in images:
        label_by_majority(batch, image)
    return truth


@pytest.fixture
def labelled(batch, images, people):
    return crowd(batch, images, people)


def classes_of(project) -> dict[int, int]:
    return dict(Label.objects.filter(project=project).values_list("seq", "class_index"))


def choose(project, cast, method) -> None:
    consensus.request(access=find_access(cast.manager, project.public_id), method=method)


def test_dawid_skene_corrects_what_bad_people_outvoted(project, labelled):
    wrong = [seq for seq, index in classes_of(project).items() if index != labelled[seq]]
    assert sorted(wrong) == [0, 1, 2]
    Project.objects.update(consensus="dawid_skene")
    outcome = consensus.recompute(project.pk)
    assert classes_of(project) == labelled
    assert (outcome.images, outcome.changed) == (20, 3)
    label = Label.objects.get(seq=1)
    assert (label.method, label.votes) == ("dawid_skene", 3)
    assert label.agreement == pytest.approx(1 / 3, abs=1e-5)
    assert label.answer.label_class.index == labelled[1]
    assert label.user == label.answer.user


def test_back_to_the_majority_everything_is_as_it_was(project, labelled):
    def state():
        columns = ("seq", "class_index", "method", "agreement", "answer_id", "user_id", "votes")
        return list(Label.objects.order_by("seq").values_list(*columns))

    before, answers = state(), Answer.objects.count()
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    assert state() != before
    Project.objects.update(consensus="majority")
    consensus.recompute(project.pk)
    assert state() == before
    assert Answer.objects.count() == answers


def cancelled_within(monkeypatch, name: str) -> None:
    """Let somebody cancel the running job while the engine computes."""
    compute = getattr(engine_people, name)

    def computing(*args, **kwargs):
        Job.objects.filter(state="running").update(cancel_requested=True)
        return compute(*args, **kwargs)

    monkeypatch.setattr(engine_people, name, computing)
    monkeypatch.setattr(queue, "TICK_SECONDS", 0)


def test_cancelled_while_it_computes_it_changes_no_label_and_can_be_done_again(
    project, cast, labelled, monkeypatch
):
    before = classes_of(project)
    with monkeypatch.context() as somebody:
        cancelled_within(somebody, "decide")
        choose(project, cast, "dawid_skene")
        job = Job.objects.get(kind="consensus")
        assert run_job(job.pk) == "cancelled"
    assert classes_of(project) == before
    state = consensus_state(project)
    assert (state.cancelled, state.running) == (True, False)
    assert "was cancelled" in consensus_line(state)
    jobs.retry(access=find_access(cast.manager, project.public_id), job_id=job.pk)
    again = Job.objects.get(key=job.key, state="waiting")
    assert run_job(again.pk) == "done"
    assert classes_of(project) == labelled


def test_a_report_of_the_people_that_is_cancelled_leaves_the_one_of_before(
    project, cast, labelled, monkeypatch
):
    people_report.build(project.pk)
    before = PeopleReport.objects.get().created
    cancelled_within(monkeypatch, "report")
    people_report.request(access=find_access(cast.manager, project.public_id))
    assert run_job(Job.objects.get(kind="people").pk) == "cancelled"
    assert PeopleReport.objects.get().created == before


def test_repeating_it_changes_nothing(project, labelled):
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    made = list(Label.objects.order_by("seq").values_list("created", "class_index"))
    assert consensus.recompute(project.pk).changed == 0
    assert list(Label.objects.order_by("seq").values_list("created", "class_index")) == made


def test_a_reviewers_word_stands(project, labelled):
    Label.objects.filter(seq=0).update(method="review", class_index=2)
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    assert classes_of(project)[0] == 2
    assert Label.objects.get(seq=0).method == "review"


def test_labels_of_audits_stand_until_they_train(project, labelled, batch):
    Label.objects.filter(seq__in=[0, 1]).update(purpose="audit")
    image = Label.objects.get(seq=1).image
    TrainItem.objects.create(run=batch.run, image=image, seq=1, iteration=2)
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    found = classes_of(project)
    assert found[0] != labelled[0]
    assert found[1] == labelled[1]


def test_machine_labels_and_single_answers_are_left_alone(project, labelled):
    Label.objects.filter(seq=0).update(source="machine", votes=1)
    Label.objects.filter(seq=1).update(votes=1)
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    assert classes_of(project)[0] != labelled[0]
    assert classes_of(project)[1] != labelled[1]


def test_extra_and_superseded_votes_do_not_count(project, batch, images, people):
    vote(batch, images[0], people[0], 1)
    vote(batch, images[0], people[1], 2, 1)
    vote(batch, images[0], people[2], 2, 2, extra=True)
    vote(batch, images[0], people[3], 2, 2, superseded_by=uuid.uuid4())
    label = label_by_majority(batch, images[0])
    Label.objects.filter(pk=label.pk).update(class_index=2, votes=2)
    consensus.recompute(project.pk)
    assert Label.objects.get(pk=label.pk).class_index == 1  # a tie: the first that was given


def test_an_answer_that_comes_in_meanwhile_keeps_its_label(project, labelled, monkeypatch):
    """Whoever answered after the votes were read has made the label anew: nothing is undone."""
    real = consensus.engine_people.decide

    def slow(*args, **more):
        found = real(*args, **more)
        Label.objects.filter(seq=0).update(class_index=2, votes=4)
        return found

    monkeypatch.setattr(consensus.engine_people, "decide", slow)
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    assert Label.objects.get(seq=0).class_index == 2
    assert Label.objects.get(seq=0).method == "majority"


def test_a_correction_that_comes_in_meanwhile_keeps_its_label(project, labelled, monkeypatch):
    """Class, answer and number of votes stay the same; what the votes come to does not."""
    real = consensus.engine_people.decide

    def slow(*args, **more):
        found = real(*args, **more)
        Label.objects.filter(seq=0).update(agreement=1.0, created=timezone.now())
        return found

    monkeypatch.setattr(consensus.engine_people, "decide", slow)
    before = classes_of(project)[0]
    Project.objects.update(consensus="dawid_skene")
    consensus.recompute(project.pk)
    assert (classes_of(project)[0], Label.objects.get(seq=0).method) == (before, "majority")


def test_it_is_written_down(project, labelled, cast):
    choose(project, cast, "dawid_skene")
    run_job(Job.objects.get(kind="consensus").pk)
    chosen = AuditLog.objects.get(action="consensus.chosen")
    assert (chosen.user, chosen.before) == (cast.manager, {"consensus": "majority"})
    computed = AuditLog.objects.get(action="consensus.computed")
    assert computed.after == {"method": "dawid_skene", "images": 20, "changed": 3}
    assert Event.objects.filter(project=project, type="consensus.computed").count() == 1


def test_a_report_that_is_there_is_made_anew(project, labelled):
    consensus.recompute(project.pk)
    assert not Job.objects.filter(kind="people").exists()
    PeopleReport.objects.create(project=project, content={})
    consensus.recompute(project.pk)
    run_job(Job.objects.get(kind="people").pk)
    assert PeopleReport.objects.get().content["consensus"]["images"] == 20


def test_a_method_chosen_while_a_job_computes_is_used(project, labelled, monkeypatch):
    real = consensus._by_method

    def changed(project_id, method, control):
        found = real(project_id, method, control)
        Project.objects.filter(pk=project_id).update(consensus="dawid_skene")
        return found

    monkeypatch.setattr(consensus, "_by_method", changed)
    assert consensus.recompute(project.pk).method == "dawid_skene"
    assert classes_of(project) == labelled


def test_who_may_choose(project, batch, cast):
    with pytest.raises(ForbiddenError):
        consensus.request(
            access=find_access(cast.annotator, project.public_id), method="dawid_skene"
        )
    with pytest.raises(InvalidInputError):
        choose(project, cast, "coin")
    with pytest.raises(ConflictError, match="no model"):
        choose(project, cast, "crowdlab")
    Project.objects.update(archived_at=timezone.now())
    with pytest.raises(ConflictError, match="archived"):
        choose(project, cast, "dawid_skene")
    assert not Job.objects.filter(kind="consensus").exists()


def test_a_closed_batch_computes_by_itself_but_for_majority(project, batch):
    def close(purpose: str) -> None:
        LabelBatch.objects.filter(pk=batch.pk).update(state="open", purpose=purpose)
        batch.refresh_from_db()
        batch.remaining = 0
        settling.settle(project_id=project.pk, batches=[batch], counts={})

    close("train")
    assert not Job.objects.filter(kind="consensus").exists()
    Project.objects.update(consensus="dawid_skene")
    close("audit")
    assert not Job.objects.filter(kind="consensus").exists()
    close("train")
    assert Job.objects.filter(kind="consensus", target=project.pk).count() == 1


def test_a_project_that_is_gone(project):
    assert consensus.recompute(project.pk + 1) is None


def test_a_project_without_answers(project, batch):
    assert consensus.recompute(project.pk).images == 0


# --- CROWDLAB ------------------------------------------------------------------------------------


@pytest.fixture
def model(project, batch, images):
    """A model that is sure of every image, trained on the images 0 and 1."""
    run = Run.objects.get(project=project)
    version = ModelVersion.objects.create(
        run=run, iteration=1, arch="cnn_small", folder="models/1", sha256="a" * 64
    )
    folder = consensus.model_files.folder_of(version)
    folder.mkdir(parents=True)
    probs = np.full((20, 3), 0.01, dtype=np.float16)
    probs[np.arange(20), np.arange(20) % 3] = 0.98
    np.save(folder / "probs.npy", probs)
    Iteration.objects.create(
        run=run, number=1, train_size=2, delta=1, record={}, seconds=1, dollars=0, model=version
    )
    for image in images[:2]:
        TrainItem.objects.create(run=run, image=image, seq=image.seq, iteration=1)
    return version


def test_crowdlab_lets_the_model_decide_where_it_did_not_train(
    project, model, batch, images, people
):
    for image in images:  # two people, who never agree; the second is right
        vote(batch, image, people[0], (image.seq + 1) % 3)
        vote(batch, image, people[1], image.seq % 3, 1)
        label_by_majority(batch, image)
    Project.objects.update(consensus="crowdlab")
    consensus.recompute(project.pk)
    found = classes_of(project)
    assert all(found[seq] == seq % 3 for seq in range(2, 20))
    assert set(Label.objects.values_list("method", flat=True)) == {"crowdlab"}


def test_crowdlab_can_be_chosen_once_a_model_has_scored(project, model, cast):
    choose(project, cast, "crowdlab")
    scored = consensus.scored_model(project.pk)
    assert scored.trained_on == {0, 1}
    assert str(scored.probs).startswith(str(settings.MEDIA_ROOT))


def test_crowdlab_without_its_files_fails_in_words(project, model, labelled):
    (consensus.model_files.folder_of(model) / "probs.npy").unlink()
    Project.objects.update(consensus="crowdlab")
    with pytest.raises(ConflictError, match="needs a model"):
        consensus.recompute(project.pk)

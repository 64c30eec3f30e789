"""Whole runs that a manager steers: the counters, the ledger and the certificate stay right."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db.models import Sum

from labelapp.errors import ConflictError, InvalidInputError, RunMovedError
from labelapp.models import (
    Event,
    Image,
    Label,
    LedgerEntry,
    Project,
    Run,
    SteeringAction,
    TrainItem,
)
from labelapp.selectors import steering as found
from labelapp.selectors.runs import recount
from labelapp.services import batches, steering, steering_classes, steering_reopen, steering_undo
from tests.app.tasks import driving, whole_runs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _trainer(fake_trainer):
    return fake_trainer


def version(project: Project) -> int:
    return Run.objects.values_list("version", flat=True).get(project=project)


def go_to(project, user, purpose: str, at_least: int = 0) -> None:
    """Let people and the worker take turns until a batch of this purpose is open."""
    for _ in range(60):
        driving.do_jobs()
        run = Run.objects.get(project=project)
        batch = run.batches.filter(request_id=run.waiting_for).first()
        if batch is not None and batch.purpose == purpose and run.iteration >= at_least:
            return
        driving.answer_all(project, user)
    raise AssertionError(f"no {purpose}")


def check(project: Project) -> None:
    """The counters say what the rows say, and every answer was paid once."""
    project.counter.refresh_from_db()
    expected = recount(project)
    assert {name: getattr(project.counter, name) for name in expected} == expected
    bought = Label.objects.filter(project=project, source="human").count()
    booked = LedgerEntry.objects.filter(project=project).exclude(purpose="compute")
    assert booked.aggregate(n=Sum("quantity"))["n"] == bought


def finish(project, cast, tmp_path) -> None:
    driving.run_to_the_end(project, cast.annotator)
    check(project)
    assert Label.objects.filter(project=project).count() == project.run.n
    project.refresh_from_db()


def test_stop_in_the_middle_of_a_batch(ready, cast, owner, tmp_path):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 2)
    run = Run.objects.get(project=ready)
    batch = run.batches.get(request_id=run.waiting_for)
    rows = TrainItem.objects.filter(run=run, pk__gt=batch.joins_from)
    size, members = batch.size, list(rows.values_list("seq", flat=True))
    driving.work_ahead(ready, cast.annotator, 3)
    action = steering.ask(access=owner, what="stop", version=version(ready))
    check(ready)
    batch.refresh_from_db()
    assert batch.size < size
    stay = set(rows.values_list("seq", flat=True))  # a prefix of a blind order, marks among it
    assert 0 < len(stay) < len(members)
    assert stay == set(batches.shuffled(run, batch.request_id, members)[: len(stay)])
    assert action.params["left"] >= size - batch.size
    assert float(action.said["total"]) > float(action.said["spent"]) > 0
    with pytest.raises(RunMovedError):
        steering.ask(access=owner, what="by_hand", version=action.version - 1)
    with pytest.raises(ConflictError):
        steering.ask(access=owner, what="stop", version=version(ready))
    finish(ready, cast, tmp_path)
    last = ready.run.iterations.order_by("-number").first()
    assert "the manager asked for it" in last.record["decision"]
    assert Event.objects.filter(project=ready, type="run.steered").count() == 1
    assert "The certificate holds" in whole_runs.verified(ready, tmp_path)


def test_stop_before_an_answer_and_take_it_back(ready, cast, owner, tmp_path):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 2)
    iteration = Run.objects.get(project=ready).iteration
    action = steering.ask(access=owner, what="stop", version=version(ready))
    driving.do_jobs()
    run = Run.objects.get(project=ready)
    assert run.iteration == iteration  # nothing new to learn: no training
    assert run.batches.get(request_id=run.waiting_for).purpose == "audit"
    check(ready)
    steering_undo.undo(access=owner, action_id=action.pk)
    with pytest.raises(ConflictError):
        steering_undo.undo(access=owner, action_id=action.pk)
    driving.do_jobs()
    run.refresh_from_db()
    assert run.wish == ""
    check(ready)
    finish(ready, cast, tmp_path)
    assert SteeringAction.objects.get().undone_by == cast.owner


def test_a_stop_leaves_the_open_part_of_an_audit_whole(ready, cast, owner):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "audit")
    driving.work_ahead(ready, cast.annotator, 3)
    run = Run.objects.get(project=ready)
    batch = run.batches.get(request_id=run.waiting_for)
    size = batch.size
    action = steering.ask(access=owner, what="stop", version=version(ready))
    batch.refresh_from_db()  # nothing behind a gap in the committed order would count
    assert (batch.size, action.params["left"]) == (size, 0)
    assert not batch.tasks.filter(state="dropped").exists()
    steering_undo.undo(access=owner, action_id=action.pk)  # it was not begun for the wish
    batch.refresh_from_db()
    run.refresh_from_db()
    assert (batch.size, run.wish, run.state["state"]["audit"]["ended"]) == (size, "", "")


def test_a_stop_is_taken_back_before_people_label_the_rest(ready, cast, owner, tmp_path):
    Project.objects.filter(pk=ready.pk).update(certificate="test_set")
    ready.refresh_from_db()
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "seed")
    action = steering.ask(access=owner, what="stop", version=version(ready))
    go_to(ready, cast.annotator, "residual")
    check(ready)
    assert Label.objects.filter(project=ready, source="machine").exists()
    steering_undo.undo(access=owner, action_id=action.pk)
    check(ready)
    run = Run.objects.get(project=ready)
    assert not Label.objects.filter(project=ready, source="machine").exists()
    assert (run.wish, run.finished) == ("", None)
    finish(ready, cast, tmp_path)


def test_people_label_everything(ready, cast, owner, tmp_path):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 1)
    known = found.gather(ready)
    said = found.consequence(known, "by_hand")
    steering.ask(access=owner, what="by_hand", version=version(ready))
    finish(ready, cast, tmp_path)
    assert ready.counter.machine == 0
    spent = ready.counter.label_spend + ready.counter.compute_spend
    assert float(said["total"]) == pytest.approx(float(spent))


def more_images(project: Project, count: int, settings) -> None:
    project.counter.refresh_from_db()
    start = project.counter.images
    files = driving.pictures(start + count, 16)
    rows = []
    for seq in range(start, start + count):
        key = f"test/{project.pk}/{seq}.png"
        (Path(settings.MEDIA_ROOT) / key).write_bytes(files[seq])
        rows.append(
            Image(
                project=project,
                seq=seq,
                sha256=f"{seq:064d}",
                name=f"{seq}.png",
                width=16,
                height=16,
                size=9,
                original_key=key,
                display_key=key,
            )
        )
    Image.objects.bulk_create(rows)
    project.counter.images = start + count
    project.counter.save(update_fields=["images"])


def test_open_again_with_more_images_and_close_it_again(ready, cast, owner, tmp_path, settings):
    driving.start(ready, cast.owner)
    finish(ready, cast, tmp_path)
    certificate = ready.run.certificate.sha256
    machine = list(
        Label.objects.filter(source="machine").order_by("seq").values_list("seq", "class_index")
    )
    assert machine
    state = Run.objects.get(project=ready).state
    action = steering_reopen.reopen(access=owner, version=version(ready), epsilon=0.02)
    check(ready)
    assert not Label.objects.filter(source="machine").exists()
    steering_undo.undo(access=owner, action_id=action.pk)
    check(ready)
    ready.refresh_from_db()
    run = Run.objects.get(project=ready)
    assert (ready.status, ready.epsilon, run.state) == ("finished", 0.05, state)
    assert run.certificate.sha256 == certificate
    again = Label.objects.filter(source="machine").order_by("seq")
    assert list(again.values_list("seq", "class_index")) == machine

    more_images(ready, 200, settings)
    steering_reopen.reopen(access=owner, version=version(ready), epsilon=0.02)
    check(ready)
    ready.refresh_from_db()
    ready.run.refresh_from_db()
    finish(ready, cast, tmp_path)
    assert ready.run.n == 800
    assert ready.run.certificate.content["epsilon"] == 0.02
    assert "The certificate holds" in whole_runs.verified(ready, tmp_path)


def test_images_join_a_running_project(ready, cast, owner, tmp_path, settings):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 2)
    more_images(ready, 200, settings)
    driving.answer_all(ready, cast.annotator)
    driving.do_jobs()
    run = Run.objects.get(project=ready)
    assert run.n == 800
    assert run.test_marks.filter(seq__gte=600).count() == pytest.approx(20, abs=6)
    driving.answer_all(ready, cast.annotator)
    driving.do_one(ready.jobs.get(kind="advance", state="waiting"))
    assert Run.objects.get(project=ready).request_kind == "train"
    steering.ask(access=owner, what="stop", version=version(ready))
    assert not run.batches.filter(state="open").exists()  # nobody is asked ahead any more
    finish(ready, cast, tmp_path)
    assert Event.objects.get(project=ready, type="images.added").payload == {"added": 200}


def test_a_network_joins_and_another_choice_of_images(ready, cast, owner, tmp_path):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 2)
    between = {"fixed_delta": 40, "neighbours": 3, "members_gib": 1.0}
    methods = steering.Methods("cnn_small", ("resnet18",), "entropy", "margin", 12, **between)
    action = steering.change_methods(access=owner, methods=methods, version=version(ready))
    steering_undo.undo(access=owner, action_id=action.pk)
    ready.refresh_from_db()
    assert (ready.rivals, ready.acquisition) == ([], "margin")
    assert Run.objects.get(project=ready).config["fixed_delta"] is None
    steering.change_methods(access=owner, methods=methods, version=version(ready))
    config = Run.objects.get(project=ready).config
    assert (config["fixed_delta"], config["weighing"]["neighbours"]) == (40, 3)
    assert config["training"] == {"members_gib": 1.0}
    driving.answer_all(ready, cast.annotator)
    driving.do_jobs()
    assert set(ready.run.models.values_list("arch", flat=True)) == {"cnn_small", "resnet18"}
    finish(ready, cast, tmp_path)


def test_classes_are_added_and_merged(ready, cast, owner, tmp_path):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 1)
    now = {"access": owner, "version": version(ready)}
    with pytest.raises(InvalidInputError):
        steering_classes.add_class(**now, name=" STAR ")
    added = steering_classes.add_class(**now, name="ring")
    assert Run.objects.get(project=ready).config["classes"] == 4
    steering_undo.undo(access=owner, action_id=added.pk)
    assert ready.classes.get(name="ring").archived
    steering_classes.add_class(access=owner, name="disc", version=version(ready))
    driving.answer_all(
        ready, cast.annotator, lambda seq: 4 if seq % 7 == 0 else driving.true_class(seq)
    )
    assert Label.objects.filter(project=ready, class_index=4).exists()
    driving.do_jobs()
    check(ready)

    before = dict(Label.objects.values_list("seq", "class_index"))
    merge = {"access": owner, "source": 4, "into": 0}
    merged = steering_classes.merge_classes(**merge, version=version(ready))
    assert not Label.objects.filter(class_index=4).exists()
    steering_undo.undo(access=owner, action_id=merged.pk)
    assert dict(Label.objects.values_list("seq", "class_index")) == before
    steering_classes.merge_classes(**merge, version=version(ready))
    assert ready.classes.get(index=4).merged_into.index == 0
    finish(ready, cast, tmp_path)
    assert not Label.objects.filter(class_index=4).exists()
    whats = Event.objects.filter(project=ready, type="classes.changed").order_by("seq")
    assert [one.payload["what"] for one in whats] == ["added", "added", "added", *["merged"] * 3]

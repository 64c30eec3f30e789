"""Likely label errors: found by cleanlab from out-of-sample scores, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from labelapp import tasks
from labelapp.errors import ConflictError, ForbiddenError
from labelapp.models import (
    Iteration,
    Label,
    LabelIssue,
    LabelReport,
    ModelVersion,
    Review,
    TrainItem,
)
from labelapp.rights import Role
from labelapp.selectors import predictions
from labelapp.selectors.browse_guess import UNKNOWN, UNSEEN, before_folder
from labelapp.selectors.label_issues import Filter, issues, report
from labelapp.selectors.projects import access
from labelapp.services import label_issues, past_guesses
from tests.app.browse_world import World, make_world

N = 210
WRONG = range(0, N, 7)


@pytest.fixture
def world(cast) -> World:
    """A model that is right and fairly sure; every seventh label is wrong."""
    world = make_world(cast, n=N)
    chance = np.random.default_rng(0)
    folder = Path(settings.MEDIA_ROOT) / world.model.folder
    truth = np.arange(N) % 3
    probs = np.full((N, 3), 0.05)
    probs[np.arange(N), truth] = 0.9
    probs += chance.random((N, 3)) / 50
    for seq, one in enumerate(world.truths):
        one.label = None if one.label is None else int((truth[seq] + (seq in WRONG)) % 3)
        Label.objects.filter(pk=one.image.pk).update(
            class_index=one.label or 0, votes=1, agreement=None
        )
    np.save(folder / "pred.npy", truth.astype(np.uint16))
    np.save(folder / "probs.npy", (probs / probs.sum(1, keepdims=True)).astype(np.float16))
    np.save(before_folder(world.project.public_id) / "before_pred.npy", np.full(N, UNKNOWN, "u2"))
    predictions.forget()
    return world


def owner(world: World):
    return access(world.cast.owner, world.project.public_id)


def search(world: World) -> LabelReport:
    job = label_issues.start(access=owner(world))
    assert tasks.run_job(job.pk) == "done"
    return LabelReport.objects.get(project=world.project)


def wrong(world: World, source: str) -> set[int]:
    return {
        seq for seq in WRONG if world.truths[seq].source == source and not world.truths[seq].hidden
    }


def test_wrong_labels_are_found_and_what_measures_the_machine_is_left_alone(world):
    report = search(world)
    found = set(LabelIssue.objects.values_list("seq", flat=True))
    assert wrong(world, "human") | wrong(world, "machine") == found
    assert all(
        row.suggested == row.seq % 3 and row.given == (row.seq + 1) % 3
        for row in LabelIssue.objects.all()
    )
    assert (
        report.summary["found"]
        == len(found)
        == sum(pair["count"] for pair in report.summary["pairs"])
    )
    world.project.status = "finished"
    world.project.save(update_fields=["status"])
    search(world)
    told = [seq for seq in WRONG if world.truths[seq].label is not None]
    everything = {seq for seq in told if not world.truths[seq].tests}
    assert set(LabelIssue.objects.values_list("seq", flat=True)) == everything


def test_without_probabilities_the_class_and_its_probability_stand_for_them(world):
    folder = Path(settings.MEDIA_ROOT) / world.model.folder
    (folder / "probs.npy").unlink()
    np.save(folder / "least.npy", np.full(N, 0.1, dtype=np.float32))
    predictions.forget()
    report = search(world)
    assert not report.summary["whole"]
    found = set(LabelIssue.objects.filter(source="human").values_list("seq", flat=True))
    assert found == wrong(world, "human")


def test_votes_and_the_model_outweigh_a_label(world):
    one = next(t for t in world.truths if t.purpose == "train" and not t.hidden)
    label = Label.objects.get(pk=one.image.pk)
    for row in Label.objects.filter(source="human", purpose__in=["train", "ahead", "residual"]):
        row.answer.label_class = world.project.classes.get(index=row.seq % 3)
        row.answer.save(update_fields=["label_class"])
        Label.objects.filter(pk=row.pk).update(votes=2)
    Label.objects.filter(pk=label.pk).update(class_index=(label.seq + 1) % 3)
    search(world)
    issue = LabelIssue.objects.get(image_id=label.pk)
    assert (issue.given, issue.suggested) == ((label.seq + 1) % 3, label.seq % 3)


def test_what_is_decided_stays_decided_and_a_changed_label_is_not_touched(world):
    search(world)
    rows = list(LabelIssue.objects.filter(source="human").order_by("pk"))
    first, second, third = rows[:3]
    me = owner(world)
    assert label_issues.act(access=me, issue_id=first.pk, kind="right") == "dismissed"
    assert label_issues.act(access=me, issue_id=second.pk, kind="change") == "settled"
    assert Label.objects.get(pk=second.image_id).class_index == second.suggested
    Label.objects.filter(pk=third.image_id).update(class_index=third.suggested)
    with pytest.raises(ConflictError):
        label_issues.act(access=me, issue_id=third.pk, kind="change")
    listed = issues(world.project, Filter(), {}).issues
    assert third.pk not in {one.record.pk for one in listed}
    search(world)
    assert LabelIssue.objects.get(image_id=first.image_id).state == "dismissed"
    assert not LabelIssue.objects.filter(image_id__in=[second.image_id, third.image_id]).exists()


def test_an_issue_is_sent_to_the_reviewers_and_viewers_only_look(world, cast):
    search(world)
    issue = LabelIssue.objects.filter(source="human").first()
    world.project.memberships.filter(user=cast.annotator).update(role=Role.VIEWER)
    viewer = access(cast.annotator, world.project.public_id)
    for attempt in (
        lambda: label_issues.start(access=viewer),
        lambda: label_issues.act(access=viewer, issue_id=issue.pk, kind="right"),
    ):
        with pytest.raises(ForbiddenError):
            attempt()
    assert label_issues.act(access=owner(world), issue_id=issue.pk, kind="review") == "sent"
    assert Review.objects.get(image_id=issue.image_id).reason == "doubt"


def test_pages_of_issues_neither_repeat_nor_skip(world, monkeypatch):
    search(world)
    monkeypatch.setattr("labelapp.selectors.label_issues.PAGE", 3)
    LabelIssue.objects.update(score=0.25)  # all alike
    seen, cursor = [], ""
    while True:
        listed = issues(world.project, Filter(), {}, cursor)
        seen += [one.record.pk for one in listed.issues]
        cursor = listed.cursor
        if not cursor:
            break
    assert sorted(seen) == list(LabelIssue.objects.order_by("pk").values_list("pk", flat=True))


def test_guesses_are_put_aside_before_an_image_trains_a_model(world):
    folder = before_folder(world.project.public_id)
    for name in ("before_pred.npy", "before_margin.npy"):
        (folder / name).unlink()
    TrainItem.objects.all().delete()
    images = [one.image for one in world.truths[:9]]
    asked = [0, 0, 0, 0, 2, 2, 2, 2, 1]  # the last one trained model 2, before any was kept
    join = [
        TrainItem(run=world.run, image=i, seq=i.seq, iteration=k)
        for i, k in zip(images, asked, strict=True)
    ]
    TrainItem.objects.bulk_create(join[:4])
    assert past_guesses.keep(world.run, 1) == 4  # no model before the first training
    TrainItem.objects.bulk_create(join[4:])
    assert past_guesses.keep(world.run, 3) == 5
    assert past_guesses.keep(world.run, 3) == 0
    pred = np.load(folder / "before_pred.npy")
    assert pred[:4].tolist() == [UNSEEN] * 4
    assert pred[4:8].tolist() == [seq % 3 for seq in range(4, 8)]
    assert pred[8] == UNSEEN
    assert set(pred[9:].tolist()) == {UNKNOWN}
    assert np.load(folder / "before_seqs.npy").tolist() == [4, 5, 6, 7]
    later = ModelVersion.objects.create(
        run=world.run, iteration=3, arch="cnn", folder="models/none", sha256="b" * 64
    )
    Iteration.objects.create(
        run=world.run, number=3, train_size=8, delta=1, record={}, seconds=1, dollars=0, model=later
    )
    assert past_guesses.keep(world.run, 4) == 0  # those that trained it are known already


def test_every_label_of_people_is_compared_or_said_to_be_left_out(world):
    """What the page calls labels of people adds up to those that there are."""
    folder = before_folder(world.project.public_id)
    before = np.full(N, UNKNOWN, "u2")
    taught = [
        seq for seq, one in enumerate(world.truths) if one.purpose == "train" and not one.hidden
    ]
    before[taught[:5]] = UNSEEN  # of the first training set
    np.save(folder / "before_pred.npy", before)
    predictions.forget()
    summary = search(world).summary
    assert summary["taught"] == 5
    assert summary["measuring"] > 0
    people = Label.objects.filter(project=world.project, source="human").count()
    assert summary["human"] + summary["measuring"] + summary["taught"] == people
    said = report(world.project, {}).left_out
    assert said.startswith(f"People gave {people} labels: {summary['human']} are compared.")

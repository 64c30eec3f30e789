"""Verify by exception: what a page shows, what it takes, and when it is sent back."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from labelapp.errors import ConflictError, InvalidInputError, NotFoundError, UnknownClassError
from labelapp.models import (
    Answer,
    GoldItem,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    Task,
    VerifyPage,
)
from labelapp.selectors.verify import attention
from labelapp.services import labelling, verify
from tests.app.conftest import add_images, open_batch
from tests.app.model_help import add_model
from tests.app.services.labelling_help import answer, entry

SLOW = 60_000  # milliseconds


@pytest.fixture
def pool(project):
    """100 images: 30 in a train batch; the model says class 0 for the even ones, else class 1."""
    images = add_images(project, 100)
    open_batch(project, images[:30], "train")
    probs = np.array([[0.6 + n / 500, 0.3, 0.1] if n % 2 == 0 else [0, 1, 0] for n in range(100)])
    add_model(project, probs)
    return images


@pytest.fixture
def ann(project, pool, cast):
    return entry(project, cast.annotator)


def open_page(who, **changes):
    return verify.open_page(access=who, page_id=uuid.uuid4(), **changes)


def old(page: VerifyPage) -> VerifyPage:
    """Make it a minute old: nobody looks at pictures faster than they were there."""
    VerifyPage.objects.filter(pk=page.pk).update(created=timezone.now() - timedelta(minutes=1))
    return page


def submit(who, page: VerifyPage, wrong=None, ms: int = SLOW):
    old(page)
    return verify.submit_page(access=who, page_id=page.pk, shown_ms=ms, wrong=wrong or {})


def gold(project: Project, image, index: int) -> None:
    GoldItem.objects.create(
        project=project,
        image=image,
        label_class=project.classes.get(index=index),
        source=GoldItem.Source.UPLOADED,
    )


def seqs(page: VerifyPage) -> list[int]:
    return [tile["seq"] for tile in page.tiles]


def place_of_plant(page: VerifyPage) -> int:
    return next(place for place, tile in enumerate(page.tiles) if tile.get("plant"))


# --- what a page shows --------------------------------------------------------------------------


def test_a_page_shows_one_class_the_surest_first(ann):
    page = open_page(ann, class_index=0).page
    assert seqs(page) == list(range(28, -2, -2))
    assert page.class_index == 0


def test_without_a_class_it_is_the_one_with_the_most_open_images(ann, project):
    Task.objects.filter(image__seq__in=[1, 3]).delete()
    opened = open_page(ann)
    assert opened.page.class_index == 0
    assert opened.classes == {0: 15, 1: 13}


def test_its_images_are_leased_to_this_person(ann, cast, project):
    page = open_page(ann, class_index=0).page
    held = set(Task.objects.filter(lease_user=cast.annotator).values_list("image__seq", flat=True))
    assert held == set(seqs(page))
    assert open_page(entry(project, cast.second_annotator), class_index=0).reason == "nothing_left"


def test_asking_again_returns_the_same_page(ann):
    first = open_page(ann).page
    assert verify.open_page(access=ann, page_id=first.pk).page == first
    assert VerifyPage.objects.count() == 1


def test_somebody_elses_page_is_refused(ann, project, cast):
    first = open_page(ann).page
    with pytest.raises(ConflictError):
        verify.open_page(access=entry(project, cast.second_annotator), page_id=first.pk)


@pytest.mark.parametrize("purpose", ["test", "audit", "seed", "gold", "ahead"])
def test_batches_that_measure_or_keep_their_order_are_never_shown(ann, project, pool, purpose):
    LabelBatch.objects.update(purpose=purpose)
    assert open_page(ann).page is None


def test_marked_images_are_never_shown(ann, project, pool):
    for seq in (28, 26, 0):
        project.run.test_marks.create(image=pool[seq], seq=seq)
    assert not {28, 26, 0} & set(seqs(open_page(ann, class_index=0).page))


def test_images_that_this_person_answered_are_not_shown_again(ann, project, cast):
    Project.objects.update(overlap=2)
    Task.objects.update(wanted=2)
    ann = entry(project, cast.annotator)
    task = Task.objects.get(image__seq=28)
    labelling.claim(access=ann, count=30)
    labelling.submit(access=ann, answers=[answer(ann, task.pk)])
    assert 28 not in seqs(open_page(ann, class_index=0).page)
    assert Task.objects.filter(image__seq=28, state="open").count() == 1
    ben = entry(project, cast.second_annotator)
    labelling.release_leases(user=cast.annotator)
    assert 28 in seqs(open_page(ben, class_index=0).page)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "paused"}, "closed"),
        ({"archived_at": timezone.now()}, "closed"),
        ({"predictions": False}, "no_predictions"),
    ],
)
def test_a_project_may_give_no_pages(ann, project, cast, changes, reason):
    Project.objects.update(**changes)
    opened = open_page(entry(project, cast.annotator))
    assert (opened.page, opened.reason) == (None, reason)


def test_a_paused_person_gets_none(ann, project, cast):
    project.memberships.filter(user=cast.annotator).update(paused_at=timezone.now())
    assert open_page(entry(project, cast.annotator)).reason == "paused"


def test_without_a_model_there_are_none(project, images, cast):
    open_batch(project, images, "train")
    assert open_page(entry(project, cast.annotator)).reason == "no_model"


def test_a_class_without_open_images_is_said_so(ann):
    assert open_page(ann, class_index=2).reason == "nothing_left"
    assert Task.objects.filter(lease_user__isnull=False).count() == 0


# --- plants ----------------------------------------------------------------------------------------


def test_gold_of_another_class_is_planted(ann, project, pool):
    gold(project, pool[50], 2)
    gold(project, pool[51], 0)
    page = open_page(ann, class_index=0).page
    assert page.plants == 1
    assert [tile["seq"] for tile in page.tiles if tile.get("plant")] == [50]


def test_what_two_people_or_a_reviewer_said_is_planted(ann, project, pool):
    for seq, fields in ((60, {"votes": 2, "agreement": 1.0}), (61, {"method": "review"})):
        label(project, pool[seq], 1, **fields)
    label(project, pool[62], 1)  # one person alone may be wrong
    label(project, pool[63], 1, votes=3, agreement=2 / 3)
    label(project, pool[64], 0, votes=2, agreement=1.0)  # it is of this class
    label(project, pool[65], 1, votes=2, agreement=1.0, source="machine")
    page = open_page(ann, class_index=0, count=60).page
    assert {tile["seq"] for tile in page.tiles if tile.get("plant")} == {60, 61}


def label(project, image, index, **fields):
    fields = {"source": "human", "purpose": "train", **fields}
    Label.objects.create(image=image, project=project, seq=image.seq, class_index=index, **fields)


def test_nothing_that_measures_the_machine_is_planted(ann, project, pool, cast):
    project.run.test_marks.create(image=pool[50], seq=50)
    for seq in (50, 51, 52):
        gold(project, pool[seq], 2)
    open_batch(project, [pool[51]], "audit")
    label(project, pool[53], 1, votes=2, agreement=1.0, purpose="audit")
    done = open_batch(project, [pool[52]], "seed")
    task = done.tasks.get()
    fields = {"batch": done, "project": project, "image": pool[52], "kind": "skip"}
    Answer.objects.create(id=uuid.uuid4(), task=task, user=cast.annotator, **fields)
    assert open_page(ann, class_index=0).page.plants == 0


def test_a_page_without_plants_is_a_page_all_the_same(ann):
    page = open_page(ann, class_index=0).page
    assert page.plants == 0
    assert submit(ann, page).state == "taken"


# --- taken -------------------------------------------------------------------------------------------


def test_what_is_not_marked_gets_the_class_of_the_page(ann, project):
    page = open_page(ann, class_index=0).page
    outcome = submit(ann, page)
    assert (outcome.state, len(outcome.answers), outcome.released) == ("taken", 15, 0)
    assert set(Label.objects.values_list("class_index", "source")) == {(0, "human")}
    assert set(Answer.objects.values_list("how", "active_ms")) == {("verify", SLOW // 15)}
    assert LedgerEntry.objects.filter(purpose="train").count() == 15


def test_marked_images_get_their_class_or_go_to_others(ann, project, cast):
    page = open_page(ann, class_index=0).page
    outcome = submit(ann, page, {0: 2, 1: None})
    assert (len(outcome.answers), outcome.released) == (14, 1)
    assert Label.objects.get(seq=28).class_index == 2
    task = Task.objects.get(image__seq=26)
    assert (task.state, task.lease_user) == ("open", None)
    assert not Answer.objects.filter(task=task).exists()
    assert open_page(ann, class_index=0).reason == "nothing_left"  # others are asked
    ben = open_page(entry(project, cast.second_annotator), class_index=0)
    assert seqs(ben.page) == [26]


def test_a_repeat_changes_nothing(ann):
    page = open_page(ann, class_index=0).page
    first, again = submit(ann, page, {1: None}), submit(ann, page, {2: 1, 3: 1})
    assert (again.state, again.answers, again.released) == ("taken", first.answers, 1)
    assert Answer.objects.count() == 14


def test_one_undo_takes_the_page_back(ann, project):
    outcome = submit(ann, open_page(ann, class_index=0).page)
    back = [answer(ann, task, "withdrawn") for task, _token, _class in outcome.answers]
    results = labelling.submit(access=ann, answers=back).results
    assert {result["state"] for result in results} == {"withdrawn"}
    assert Label.objects.count() == 0
    project.counter.refresh_from_db()
    assert project.counter.label_spend == 0


def test_an_image_that_somebody_took_over_meanwhile_gets_an_extra_vote(ann, project, cast):
    page = open_page(ann, class_index=0).page
    task = Task.objects.get(image__seq=28)
    ben = entry(project, cast.second_annotator)
    labelling.submit(access=ben, answers=[answer(ben, task.pk)])
    states = [result["state"] for result in submit(ann, page).results]
    assert sorted(states) == ["accepted"] * 14 + ["extra"]
    assert Label.objects.get(seq=28).class_index == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({15: None}, InvalidInputError), ({0: 7}, UnknownClassError)],
)
def test_a_page_with_a_mistake_in_it_stays_open(ann, wrong, error):
    page = open_page(ann, class_index=0).page
    with pytest.raises(error):
        submit(ann, page, wrong)
    page.refresh_from_db()
    assert page.state == "open"
    assert Answer.objects.count() == 0


def test_pages_of_others_and_of_nowhere_are_not_found(ann, project, cast):
    page = open_page(ann).page
    with pytest.raises(NotFoundError):
        submit(entry(project, cast.second_annotator), page)
    with pytest.raises(NotFoundError):
        verify.submit_page(access=ann, page_id=uuid.uuid4(), shown_ms=1, wrong={})


def test_keeping_a_page_renews_its_leases(ann, cast):
    page = open_page(ann).page
    Task.objects.filter(lease_user=cast.annotator).update(lease_until=timezone.now())
    verify.keep(access=ann, page_id=page.pk)
    ends = Task.objects.filter(lease_user=cast.annotator).values_list("lease_until", flat=True)
    assert min(ends) > timezone.now() + timedelta(seconds=60)


# --- returned ------------------------------------------------------------------------------------


def nothing_is_stored(cast) -> bool:
    held = Task.objects.filter(lease_user=cast.annotator).exists()
    return not (Answer.objects.exists() or Label.objects.exists() or held)


def test_a_page_answered_too_fast_is_sent_back(ann, cast):
    page = open_page(ann, class_index=0).page
    outcome = submit(ann, page, {0: 1}, ms=15 * verify.MS_PER_TILE - 1)
    assert (outcome.state, outcome.reason) == ("returned", "fast")
    assert nothing_is_stored(cast)


def test_a_clock_that_is_wrong_does_not_help(ann, cast):
    page = open_page(ann, class_index=0).page
    outcome = verify.submit_page(access=ann, page_id=page.pk, shown_ms=10**7, wrong={})
    assert outcome.reason == "fast"


def test_a_page_with_a_missed_plant_is_sent_back(ann, project, pool, cast):
    gold(project, pool[50], 2)
    page = open_page(ann, class_index=0).page
    outcome = submit(ann, page, {(place_of_plant(page) + 1) % 16: None})
    assert (outcome.state, outcome.reason) == ("returned", "missed")
    assert nothing_is_stored(cast)


def test_a_plant_is_not_caught_by_giving_it_the_class_of_the_page(ann, project, pool):
    gold(project, pool[50], 2)
    page = open_page(ann, class_index=0).page
    assert submit(ann, page, {place_of_plant(page): 0}).reason == "missed"


@pytest.mark.parametrize("given", [None, 1, 2])
def test_a_plant_is_caught_by_marking_it_and_gets_no_answer(ann, project, pool, given):
    gold(project, pool[50], 2)
    page = open_page(ann, class_index=0).page
    assert submit(ann, page, {place_of_plant(page): given}).state == "taken"
    assert not Answer.objects.filter(image=pool[50]).exists()
    assert Answer.objects.count() == 15


def test_what_was_sent_back_is_sent_back_for_good(ann, project, pool):
    gold(project, pool[50], 2)
    page = open_page(ann, class_index=0).page
    submit(ann, page)
    again = submit(ann, page, {place_of_plant(page): None})
    assert (again.state, again.reason) == ("returned", "missed")


def test_the_next_page_comes_in_another_order(ann, project, pool):
    page = open_page(ann, class_index=0).page
    submit(ann, page, ms=0)
    following = open_page(ann, class_index=0).page
    assert sorted(seqs(following)) == sorted(seqs(page))
    assert seqs(following) != seqs(page)


def test_attention_counts_what_was_caught(ann, project, pool, cast):
    gold(project, pool[50], 2)
    page = open_page(ann, class_index=0).page
    submit(ann, page)
    page = open_page(ann, class_index=0).page
    submit(ann, page, {place_of_plant(page): None})
    open_page(ann, class_index=1)
    (found,) = attention(project)
    assert (found.user_id, found.pages, found.returned) == (cast.annotator.pk, 2, 1)
    assert (found.plants, found.caught, found.share) == (2, 1, 0.5)
    assert attention(project, cast.second_annotator) == []

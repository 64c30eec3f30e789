"""The reviewers' queue over HTTP."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labelapp.models import Label, Membership, Review
from labelapp.services import labelling, questions
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(cast, project, images) -> Review:
    """A label of Ann's that somebody is to look at."""
    open_batch(project, images, "residual")
    ann = entry(project, cast.annotator)
    task = labelling.next_tasks(access=ann, count=1).held[0]
    labelling.submit(access=ann, answers=[answer(ann, task.task_id)])
    questions.ask(
        project_id=project.pk,
        image_id=task.image_id,
        reason="disagreement",
        task_id=task.task_id,
        person_id=cast.annotator.pk,
    )
    return Review.objects.get()


@pytest.fixture
def ask(project, sign_in):
    def post(user, body, *, review: Review | None = None, name: str = "api_review"):
        name, extra = ("api_reviews", []) if review is None else (name, [review.pk])
        url = reverse(name, args=[project.public_id, *extra])
        return sign_in(user).post(url, body, content_type="application/json")

    return post


def test_a_reviewer_gets_an_image_with_its_votes(ask, cast, review):
    Membership.objects.filter(user=cast.second_annotator).update(role="reviewer")
    reply = ask(cast.second_annotator, {"count": 3}).json()
    assert reply["open"] == {"disagreement": 1, "skipped": 0, "unsure": 0, "sample": 0, "doubt": 0}
    found = reply["reviews"][0]
    assert (found["label"], found["votes"][0]["name"], found["votes"][0]["class"]) == (1, "Ann", 1)
    assert not {"top", "prediction", "purpose"} & set(found)


def test_a_decision_is_carried_out(ask, cast, review):
    reply = ask(cast.manager, {"decision": "class", "class": 2}, review=review).json()
    assert reply == {"ok": True, "outcome": "corrected", "before": 1, "after": 2, "stands": False}
    assert Label.objects.get().class_index == 2


def test_accepting_another_class_than_was_seen_is_refused(ask, cast, review):
    reply = ask(cast.manager, {"decision": "accept", "class": 0}, review=review)
    assert (reply.status_code, reply.json()["code"]) == (409, "label_changed")
    assert Review.objects.get().state == "open"
    reply = ask(cast.manager, {"decision": "accept", "class": 1}, review=review)
    assert reply.json()["outcome"] == "accepted"


def test_an_image_comes_again_first_to_who_holds_it(ask, cast, review):
    assert len(ask(cast.manager, {"count": 1}).json()["reviews"]) == 1
    held = {"count": 0, "holding": [review.pk], "again": review.pk, "reason": "sample"}
    assert [one["id"] for one in ask(cast.manager, held).json()["reviews"]] == [review.pk]
    assert ask(cast.owner, {**held, "holding": []}).json()["reviews"] == []


def test_a_decision_is_taken_back_once(ask, cast, review):
    ask(cast.manager, {"decision": "class", "class": 2}, review=review)
    for _ in range(2):
        reply = ask(cast.manager, {}, review=review, name="api_review_undo")
        assert (reply.status_code, reply.json()) == (200, {"ok": True})
    assert (Label.objects.get().class_index, Review.objects.get().state) == (1, "open")


def test_nobody_else_takes_it_back(ask, cast, review):
    ask(cast.manager, {"decision": "class", "class": 2}, review=review)
    for user, status in ((cast.annotator, 403), (cast.owner, 403), (cast.outsider, 404)):
        reply = ask(user, {}, review=review, name="api_review_undo")
        assert reply.status_code == status
    assert (Label.objects.get().class_index, Review.objects.get().state) == (2, "done")


def test_what_was_not_decided_is_a_conflict(ask, cast, review):
    reply = ask(cast.manager, {}, review=review, name="api_review_undo")
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")


def test_annotators_are_refused(ask, cast, review):
    assert ask(cast.annotator, {}).status_code == 403
    assert ask(cast.annotator, {"decision": "accept"}, review=review).status_code == 403


def test_outsiders_see_nothing(ask, cast, review):
    assert ask(cast.outsider, {}).status_code == 404
    assert ask(cast.outsider, {"decision": "accept"}, review=review).status_code == 404


def test_nobody_signed_out_gets_in(client, project, review):
    url = reverse("api_reviews", args=[project.public_id])
    assert client.post(url, {}, content_type="application/json").status_code in {401, 403}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"count": "x"},
        {"count": -1},
        {"holding": "x"},
        {"holding": [None]},
        {"holding": list(range(11))},
        {"again": "x"},
        {"reason": 5},
        {"reason": "nonsense"},
    ],
)
def test_nonsense_is_refused(ask, cast, review, body):
    reply = ask(cast.manager, body)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "burn"},
        {"decision": "class"},
        {"decision": "class", "class": True},
        {"decision": "class", "class": 77},
        {"decision": "send_back", "note": ""},
        {"decision": "send_back", "note": "\x00"},
        {"decision": "send_back", "note": "\ud800"},
        {"decision": "send_back", "note": "x" * 501},
    ],
)
def test_nonsense_decides_nothing(ask, cast, review, body):
    assert ask(cast.manager, body, review=review).status_code == 400
    assert Review.objects.get().state == "open"

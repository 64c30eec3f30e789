"""The grids' API: who may ask, what a page looks like, and what nobody ever sees."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from labelapp.models import Answer, GoldItem, LabelBatch, Task, VerifyPage
from tests.app.conftest import add_images, open_batch
from tests.app.model_help import add_model


@pytest.fixture
def pool(project):
    """60 images: 20 to train, 10 of T, 10 of an audit; the model knows them all."""
    images = add_images(project, 60)
    for start, purpose in ((0, "train"), (20, "test"), (30, "audit")):
        open_batch(project, images[start : 20 if start == 0 else start + 10], purpose)
    add_model(project, np.tile([0.1, 0.8, 0.1], (60, 1)), np.random.default_rng(0).random((60, 4)))
    return images


@pytest.fixture
def ask(project, cast, sign_in, pool):
    """Return a function that posts to an address of the project as this person."""

    def post(name: str, body: object, user=None, **arguments):
        url = reverse(name, kwargs={"pid": project.public_id, **arguments})
        client = sign_in(user or cast.annotator)
        return client.post(url, body, content_type="application/json")

    return post


def open_page(ask, **changes) -> dict:
    reply = ask("api_verify", {"id": str(uuid.uuid4()), **changes})
    assert reply.status_code == 200, reply.content
    return reply.json()


def submit(ask, page: dict, **body):
    VerifyPage.objects.update(created=timezone.now() - timedelta(minutes=5))
    body = {"shown_ms": 60_000, "wrong": {}, **body}
    return ask("api_verify_page", body, page=page["id"])


# --- the way through -----------------------------------------------------------------------------


def test_a_page_is_opened_and_answered(ask):
    opened = open_page(ask)
    page = opened["page"]
    assert (page["class"], page["state"], opened["reason"]) == (1, "open", "")
    assert opened["classes"] == [{"class": 1, "count": 20}]
    first = {"tile": 0, "seq": 0, "width": 28, "height": 28}
    assert {name: page["tiles"][0][name] for name in first} == first
    reply = submit(ask, page, wrong={"0": 2, "1": None}).json()
    assert (reply["state"], reply["released"], len(reply["answers"])) == ("taken", 1, 19)
    assert {result["state"] for result in reply["results"]} == {"accepted"}
    assert set(reply["answers"][0]) == {"task", "token", "class"}


def test_a_page_can_be_kept_alive(ask):
    page = open_page(ask)["page"]
    assert ask("api_verify_keep", {}, page=page["id"]).json() == {"ok": True}


def test_a_returned_page_says_why(ask):
    reply = submit(ask, open_page(ask)["page"], shown_ms=5).json()
    assert (reply["state"], reply["reason"], reply["answers"]) == ("returned", "fast", [])


def test_no_page_comes_with_the_reason(ask, project):
    LabelBatch.objects.update(state="done")
    opened = open_page(ask)
    assert (opened["page"], opened["reason"]) == (None, "nothing_left")


def test_more_like_these_are_tasks_like_all_others(ask):
    first = Task.objects.get(image__seq=0)
    reply = ask("api_similar", {"selected": [first.pk], "count": 3, "holding": []}).json()
    assert (reply["searched"], reply["left"], reply["lost"]) == (19, 20, [])
    assert len(reply["tasks"]) == 3
    assert reply["tasks"][0]["purpose_hint"] == "unsure"
    assert reply["tasks"][0]["token"]


# --- what nobody sees -----------------------------------------------------------------------------


def test_a_planted_image_looks_like_all_others(ask, project, pool):
    item = {"project": project, "image": pool[50], "source": "uploaded"}
    GoldItem.objects.create(**item, label_class=project.classes.get(index=2))
    tiles = open_page(ask)["page"]["tiles"]
    assert 50 in {tile["seq"] for tile in tiles}
    assert {frozenset(tile) for tile in tiles} == {
        frozenset({"tile", "seq", "image", "width", "height"})
    }


def test_tests_audits_and_marked_images_never_come_with_a_prediction(ask, project, pool):
    """Every address that gives out images: tasks, similar, verify; after every answer too."""
    marked = {3, 4, 5}
    for seq in marked:
        project.run.test_marks.create(image=pool[seq], seq=seq)
    first = Task.objects.get(image__seq=0)
    predicted, seen = set(), set()
    reply = ask("api_similar", {"selected": [first.pk], "count": 30}).json()
    tasks = reply["tasks"]
    reply = ask("api_tasks", {"count": 100, "holding": []}).json()
    tasks += reply["tasks"]
    sent = [
        {
            "id": str(uuid.uuid4()),
            "task": task["id"],
            "token": task["token"],
            "kind": "skip",
        }
        for task in tasks[:5]
    ]
    tasks += ask("api_answers", {"answers": sent, "count": 100, "holding": []}).json()["tasks"]
    for task in tasks:
        seen.add(task["seq"])
        if "top" in task:
            predicted.add(task["seq"])
    Task.objects.update(lease_user=None, lease_until=None)
    predicted |= {tile["seq"] for tile in open_page(ask, count=60)["page"]["tiles"]}
    assert seen == set(range(40))  # all were given out
    assert predicted == set(range(20)) - marked


def test_without_predictions_no_page_and_no_suggestion(ask, project):
    type(project).objects.update(predictions=False)
    assert open_page(ask)["reason"] == "no_predictions"
    tasks = ask("api_tasks", {"count": 100, "holding": []}).json()["tasks"]
    assert not any("top" in task for task in tasks)


# --- who may, and bad input ------------------------------------------------------------------------

BODIES = {
    "api_similar": ({"selected": [1]}, {}),
    "api_verify": ({"id": str(uuid.uuid4())}, {}),
    "api_verify_page": ({"shown_ms": 1, "wrong": {}}, {"page": str(uuid.uuid4())}),
    "api_verify_keep": ({}, {"page": str(uuid.uuid4())}),
}


@pytest.mark.parametrize("name", BODIES)
def test_outsiders_find_nothing(ask, cast, name):
    body, arguments = BODIES[name]
    assert ask(name, body, cast.outsider, **arguments).status_code == 404


@pytest.mark.parametrize("name", BODIES)
def test_strangers_must_sign_in(client, project, name):
    body, arguments = BODIES[name]
    url = reverse(name, kwargs={"pid": project.public_id, **arguments})
    assert client.post(url, body, content_type="application/json").status_code in {401, 403}


def test_a_page_of_somebody_else_is_not_found(ask, cast):
    page = open_page(ask)["page"]
    body = {"shown_ms": 1, "wrong": {}}
    reply = ask("api_verify_page", body, cast.second_annotator, page=page["id"])
    assert reply.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"selected": "x"},
        {"selected": [True]},
        {"selected": [1], "count": "many"},
        {"selected": []},
        {"selected": [1], "holding": [-5]},
    ],
)
def test_a_wrong_search_is_refused(ask, body):
    reply = ask("api_similar", body)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize(
    "body", [{}, {"id": 5}, {"id": "x"}, {"class": -1}, {"class": "cat"}, {"count": None}]
)
def test_a_wrong_page_is_refused(ask, body):
    reply = ask("api_verify", {"id": str(uuid.uuid4()), **body} if body else body)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [
        {"wrong": []},
        {"wrong": {"x": 1}},
        {"wrong": {"-1": 1}},
        {"wrong": {"99": None}},
        {"wrong": {"0": True}},
        {"wrong": {"0": "cat"}},
        {"wrong": {"0": -1}},
        {"wrong": {str(n): None for n in range(61)}},
        {"shown_ms": "long"},
        {"guideline_version": -1},
    ],
)
def test_a_wrong_answer_to_a_page_is_refused_and_stores_nothing(ask, body):
    reply = submit(ask, open_page(ask)["page"], **body)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_input")
    assert not Answer.objects.exists()


def test_a_class_that_is_gone_is_said_plainly(ask, project):
    page = open_page(ask)["page"]
    project.classes.filter(index=2).update(archived=True)
    reply = submit(ask, page, wrong={"0": 2})
    assert (reply.status_code, reply.json()["code"]) == (400, "unknown_class")
    assert submit(ask, page, wrong={"0": None}).json()["state"] == "taken"


def test_a_page_whose_class_was_archived_stores_nothing_and_says_so(ask, project):
    page = open_page(ask)["page"]
    project.classes.filter(index=1).update(archived=True)
    reply = submit(ask, page)
    assert (reply.status_code, reply.json()["code"]) == (400, "unknown_class")
    assert not Answer.objects.exists()

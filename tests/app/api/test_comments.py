"""Comments on images through the API."""

from __future__ import annotations

import uuid

import pytest

from labelapp.models import Comment, Membership
from labelapp.rights import Role


@pytest.fixture
def where(project, images) -> str:
    return f"/api/v1/projects/{project.public_id}/comments/"


def written(text: str = "blurred", seq: object = 3, identity: str | None = None) -> dict:
    return {"id": identity or str(uuid.uuid4()), "seq": seq, "text": text}


def send(client, where: str, *comments: object, **more):
    body = {"comments": list(comments), **more}
    return client.post(where, body, content_type="application/json")


def test_a_comment_is_stored_with_its_image_and_its_person(sign_in, cast, where, images):
    reply = send(sign_in(cast.annotator), where, written("  two objects "))
    assert reply.json()["results"][0]["state"] == "accepted"
    comment = Comment.objects.get()
    assert (comment.text, comment.image, comment.user) == ("two objects", images[3], cast.annotator)


def test_a_repeat_is_harmless(sign_in, cast, where):
    client, comment = sign_in(cast.annotator), written()
    send(client, where, comment)
    assert send(client, where, comment).json()["results"][0]["state"] == "duplicate"
    assert Comment.objects.count() == 1


def test_the_id_of_another_person_is_refused(sign_in, cast, where):
    comment = written()
    send(sign_in(cast.annotator), where, comment)
    result = send(sign_in(cast.second_annotator), where, comment).json()["results"][0]
    assert (result["ok"], result["code"]) == (False, "conflict")


@pytest.mark.parametrize(
    "comment",
    [
        written(text=""),
        written(text="   "),
        written(text="x" * 1001),
        written(text="a\x00b"),
        written(text="\ud800"),
        written(seq=-1),
        written(seq=True),
        written(seq=2**40),
        written(identity="no uuid"),
        "text",
        None,
    ],
)
def test_a_bad_comment_is_refused_and_loses_no_other(sign_in, cast, where, comment):
    results = send(sign_in(cast.annotator), where, comment, written()).json()["results"]
    assert [result["ok"] for result in results] == [False, True]


def test_an_image_that_is_not_there_is_refused(sign_in, cast, where):
    result = send(sign_in(cast.annotator), where, written(seq=999)).json()["results"][0]
    assert result["code"] == "not_found"


def test_an_outbox_never_empties_into_another_account(sign_in, cast, where):
    reply = send(sign_in(cast.second_annotator), where, written(), user=cast.annotator.pk)
    assert reply.status_code == 409
    assert reply.json()["fields"]["user"] == cast.annotator.pk


@pytest.mark.parametrize("body", [{}, {"comments": 3}, {"comments": [], "user": "x"}, []])
def test_a_wrong_body_is_refused(sign_in, cast, where, body):
    reply = sign_in(cast.annotator).post(where, body, content_type="application/json")
    assert reply.status_code == 400


def test_too_many_at_once_are_refused(sign_in, cast, where):
    assert send(sign_in(cast.annotator), where, *[written()] * 51).status_code == 400


def test_people_read_only_their_own(sign_in, cast, where):
    send(sign_in(cast.annotator), where, written("mine"))
    send(sign_in(cast.second_annotator), where, written("theirs"))
    shown = sign_in(cast.annotator).get(where, {"seq": 3}).json()["comments"]
    assert [(one["text"], one["mine"]) for one in shown] == [("mine", True)]


def test_reviewers_may_read_everybodys(sign_in, cast, where, project):
    send(sign_in(cast.annotator), where, written("mine"))
    Membership.objects.filter(user=cast.second_annotator).update(role=Role.REVIEWER)
    asked = {"seq": 3, "everybody": "1"}
    shown = sign_in(cast.second_annotator).get(where, asked).json()["comments"]
    assert [(one["text"], one["by"]) for one in shown] == [("mine", "Ann")]
    assert sign_in(cast.annotator).get(where, asked).status_code == 403


@pytest.mark.parametrize("seq", ["", "x", "-1", "99999999999", "²"])
def test_a_wrong_number_is_refused(sign_in, cast, where, seq):
    assert sign_in(cast.annotator).get(where, {"seq": seq}).status_code == 400


def test_who_is_not_signed_in_writes_nothing(client, where):
    assert send(client, where, written()).status_code in {401, 403}
    assert Comment.objects.count() == 0


def test_outsiders_do_not_learn_of_the_project(sign_in, cast, where):
    client = sign_in(cast.outsider)
    assert send(client, where, written()).status_code == 404
    assert client.get(where, {"seq": 3}).status_code == 404

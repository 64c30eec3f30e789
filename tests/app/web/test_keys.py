"""A person's own keys: stored by the labelling page, taken back in the settings."""

from __future__ import annotations

import pytest

from labelapp.errors import InvalidInputError
from labelapp.services.key_maps import set_keys


def kept(user) -> dict:
    user.refresh_from_db()
    return user.key_map


def post(client, body):
    return client.post("/me/keys/", body, content_type="application/json")


def test_keys_are_kept_by_project_and_for_all_of_them(sign_in, cast, project):
    client = sign_in(cast.annotator)
    post(client, {"scope": "*", "keys": {"action:skip": "x"}})
    post(client, {"scope": project.public_id, "keys": {"class:0": "ق"}})
    assert kept(cast.annotator) == {
        "*": {"action:skip": "x"},
        project.public_id: {"class:0": "ق"},
    }


def test_no_keys_take_the_scope_out(cast, project):
    set_keys(user=cast.annotator, scope="*", keys={"action:skip": "x"})
    set_keys(user=cast.annotator, scope="*", keys={})
    assert kept(cast.annotator) == {}


@pytest.mark.parametrize(
    "keys",
    [
        None,
        [],
        {"class:0": ""},
        {"class:0": 3},
        {"class:0": "a b"},
        {"class:0": "x" * 30},
        {"class:0": "\ud800"},
        {"class:x": "a"},
        {"__proto__": "a"},
        {"class:0": "a", "class:1": "a"},
        {f"class:{n}": str(n) for n in range(1300)},
    ],
)
def test_nonsense_is_refused(cast, project, keys):
    with pytest.raises(InvalidInputError):
        set_keys(user=cast.annotator, scope=project.public_id, keys=keys)
    assert kept(cast.annotator) == {}


def test_keys_of_classes_need_a_project(cast):
    with pytest.raises(InvalidInputError):
        set_keys(user=cast.annotator, scope="*", keys={"class:0": "a"})


@pytest.mark.parametrize("scope", [None, 3, "", "nosuchproject", "x" * 50, "\x00"])
def test_keys_of_a_project_that_one_is_not_in_are_refused(cast, project, scope):
    with pytest.raises(InvalidInputError):
        set_keys(user=cast.annotator, scope=scope, keys={"action:skip": "x"})


def test_an_outsider_cannot_tell_a_project_from_none(sign_in, cast, project):
    body = {"scope": project.public_id, "keys": {"class:0": "a"}}
    assert post(sign_in(cast.outsider), body).status_code == 400


@pytest.mark.parametrize("body", ["[]", "no json", "[" * 100_000])
def test_a_body_that_is_no_object_is_refused(sign_in, cast, body):
    assert post(sign_in(cast.annotator), body).status_code == 400


def test_who_is_not_signed_in_is_sent_to_the_sign_in(client, db):
    assert post(client, {"scope": "*", "keys": {}}).status_code == 302


def test_the_settings_show_own_keys_and_take_them_back(sign_in, cast, project):
    set_keys(user=cast.annotator, scope=project.public_id, keys={"class:0": "q", "class:1": "w"})
    client = sign_in(cast.annotator)
    assert "Shapes: 2 keys of your own" in client.get("/me/settings/").text
    client.post("/me/keys/reset/", {"scope": project.public_id})
    assert kept(cast.annotator) == {}
    assert "You have no keys of your own." in client.get("/me/settings/").text

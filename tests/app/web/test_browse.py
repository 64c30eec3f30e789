"""The browser's pages: who sees them, what they show, and what they keep to themselves."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labelapp.models import Label, Membership, Review, SavedView, WorkerBeat
from labelapp.rights import RIGHTS, Right, Role
from tests.app.browse_world import World, make_world
from tests.app.web.fetching import fetch


@pytest.fixture
def world(cast) -> World:
    return make_world(cast, n=80)


@pytest.fixture
def visit(world, cast, sign_in):
    """Return a function that gets a page of the browser as the owner."""
    client = sign_in(cast.owner)

    def get(name: str = "project_browse", *args, **query):
        return client.get(reverse(name, args=[world.project.public_id, *args]), query)

    get.client = client
    return get


def test_each_role_gets_what_the_table_says(world, cast, sign_in):
    seq = next(t.image.seq for t in world.truths if t.purpose == "train")
    for role in Role:
        Membership.objects.filter(project=world.project, user=cast.manager).update(role=role)
        client = sign_in(cast.manager)
        pid = world.project.public_id
        looks = {
            client.get(reverse(name, args=[pid, *args])).status_code
            for name, args in (
                ("project_browse", []),
                ("browse_tiles", []),
                ("browse_image", [seq]),
                ("browse_alike", [seq]),
                ("project_label_errors", []),
                ("label_errors_more", []),
                ("label_errors_status", []),
            )
        }
        assert looks == {200 if Right.BROWSE in RIGHTS[role] else 403}, role
        decide = client.post(reverse("browse_decide", args=[pid, seq]), {"action": "review"})
        acts = {Right.BROWSE, Right.REVIEW} <= RIGHTS[role]
        assert decide.status_code == (200 if acts else 403), role
        bulk = client.post(reverse("browse_bulk", args=[pid]), {"action": "review"})
        assert bulk.status_code == (200 if acts else 403), role
        search = client.get(reverse("browse_export", args=[pid]))
        assert (search.status_code == 200) == (Right.EXPORT in RIGHTS[role]), role


def test_the_page_shows_filters_chips_and_images_in_few_statements(visit, world):
    from django.db import connection  # noqa: PLC0415

    WorkerBeat.objects.create(name="test:1")
    visit(sort="unsure")  # which model is the newest is known for five seconds
    with CaptureQueriesContext(connection) as queries:
        reply = visit(label=1, source="human", sort="unsure")
    assert len(queries) <= 12
    text = reply.content.decode()
    assert "Label: square" in text
    assert f'href="{reverse("project_browse", args=[world.project.public_id])}?label=1' in text
    assert text.count('class="pic"') == len(reply.context["tiles"])
    assert len(reply.content) < 300_000


def test_the_grid_goes_on_where_it_ended(visit, world):
    seen, cursor = [], ""
    while True:
        page = visit("browse_tiles", cursor=cursor, sort="label").json()
        seen += [part.split('"')[0] for part in page["html"].split('data-seq="')[1:]]
        cursor = page["cursor"]
        if not cursor:
            break
    labelled = sorted((t.label, t.image.seq) for t in world.truths if t.label is not None)
    assert [int(seq) for seq in seen] == [seq for _, seq in labelled]


def test_nonsense_is_refused_with_words(visit):
    for query in ({"low": "2"}, {"label": "x"}, {"cursor": "zz"}):
        assert visit("browse_tiles", **query).status_code == 400
    assert visit("browse_image", 10**9).status_code == 404


def test_the_guess_for_a_test_image_is_nowhere_before_the_end(visit, world):
    hidden = [t for t in world.truths if t.hidden]
    for truth in hidden:
        text = visit("browse_image", truth.image.seq).content.decode()
        assert "Model says" not in text
    for one in range(3):
        page = visit("browse_tiles", guess=one).json()
        assert not any(f'data-seq="{t.image.seq}"' in page["html"] for t in hidden)
    _reply, body = fetch(visit.client, reverse("browse_export", args=[world.project.public_id]))
    rows = {int(row["image_id"]) - 1: row for row in csv.DictReader(io.StringIO(body.decode()))}
    assert len(rows) == 80
    assert {rows[t.image.seq]["model_says"] for t in hidden} == {""}
    assert {rows[t.image.seq]["margin"] for t in hidden if t.source != "machine"} == {""}


def test_the_panel_tells_the_past_and_takes_a_new_label(visit, world):
    truth = next(t for t in world.truths if t.purpose == "train" and t.label == 0)
    args = [world.project.public_id, truth.image.seq]
    reply = visit.client.post(reverse("browse_decide", args=args), {"action": "label", "class": 2})
    assert reply.json() == {"ok": True}
    assert Label.objects.get(pk=truth.image.pk).class_index == 2
    text = visit("browse_image", truth.image.seq).content.decode()
    assert "Reviewed: circle → star" in text
    assert "Ann" in text or "Ben" in text
    wrong = visit.client.post(
        reverse("browse_decide", args=args),
        {"action": "label", "class": 9},
        headers={"accept": "application/json"},
    )
    assert wrong.status_code == 400
    assert wrong.json()["code"] == "unknown_class"


def test_views_are_kept_shared_renamed_and_deleted(visit, world, cast, sign_in):
    pid = world.project.public_id
    save = reverse("browse_view_save", args=[pid])
    data = {"view": "Odd circles", "label": "0", "filter_name": "dogs", "sort": "unsure"}
    visit.client.post(save, data)
    view = SavedView.objects.get()
    assert view.query == "label=0&name=dogs&sort=unsure"
    manager = sign_in(cast.manager)
    page = reverse("project_browse", args=[pid])
    assert b"Odd circles" not in manager.get(page).content
    visit.client.post(save, {**data, "shared": "1"})
    assert b"Odd circles" in manager.get(page).content
    change = reverse("browse_view", args=[pid, view.pk])
    assert manager.post(change, {"do": "delete"}).status_code == 404
    visit.client.post(change, {"do": "rename", "view": "Circles"})
    assert b"Circles" in visit().content
    visit.client.post(change, {"do": "delete"})
    assert not SavedView.objects.exists()


def test_a_bulk_action_is_counted_first_and_says_how_it_goes(visit, world):
    from labelapp import tasks  # noqa: PLC0415

    url = reverse("browse_bulk", args=[world.project.public_id])
    counted = visit.client.post(url, {"action": "review", "query": "in=train"}).json()
    expected = sum(t.purpose == "train" for t in world.truths)
    assert (counted["total"], counted["live"]) == (expected, False)
    job = visit.client.post(counted["goUrl"], {"do": "confirm"}).json()
    assert job["live"]
    assert job["noWorker"]
    tasks.run_job(job["job"])
    after = visit.client.get(job["url"]).json()
    assert after["undoable"]
    assert after["words"] == f"Done: {expected} images."
    assert Review.objects.filter(reason="doubt").count() == expected
    bad = visit.client.post(url, {"action": "x"}, headers={"accept": "application/json"})
    assert bad.status_code == 400
    assert json.loads(bad.content)["code"] == "invalid_input"

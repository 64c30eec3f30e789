"""The live channel: who may listen, what a page hears, and what it hears after a gap."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Self

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError

from labelapp import events
from labelapp.live import reads, tailer, wake
from labelapp.live.consumers import DashboardConsumer
from labelapp.live.fragments import FRAGMENTS, render
from labelapp.live.routing import websocket_urlpatterns
from labelapp.models import Membership, Project, ProjectCounter, User, WorkerBeat
from labelapp.selectors.dashboard import overview
from tests.app import dashboard_data as data

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

application = URLRouter(websocket_urlpatterns)
later = database_sync_to_async
PATIENCE = 60  # seconds: the machine may be busy with something else


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(tailer, "POLL", 0.05)


@pytest.fixture
def run(project):
    data.beat()
    return data.running(project)


class Page:
    """A browser page: applies what it hears, as dashboard.js does.

    On asgiref's communicator, since channels.testing wants daphne.
    """

    def __init__(self, user, project, since: int | str = "") -> None:
        scope = {
            "type": "websocket",
            "path": f"/ws/p/{project.public_id}/",
            "query_string": f"since={since}".encode(),
            "headers": [],
            "user": user,
        }
        self.socket = ApplicationCommunicator(application, scope)
        self.html: dict[str, str] = {}
        self.data: dict[str, object] = {}
        self.events: list[dict] = []
        self.messages: list[dict] = []

    async def open(self) -> None:
        await self.socket.send_input({"type": "websocket.connect"})
        assert (await self.socket.receive_output(PATIENCE))["type"] == "websocket.accept"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.socket.wait(5)

    async def read(self) -> dict:
        output = await self.socket.receive_output(PATIENCE)
        assert output["type"] == "websocket.send", output
        return json.loads(output["text"])

    async def hear(self) -> dict:
        message = await self.read()
        self.messages.append(message)
        self.html |= message["html"]
        self.data |= message["data"]
        self.events += message["events"]
        return message

    async def hear_until(self, seq: int) -> None:
        while not self.messages or self.messages[-1]["seq"] < seq:
            await self.hear()

    async def close_code(self) -> int:
        while True:
            output = await self.socket.receive_output(PATIENCE)
            if output["type"] == "websocket.close":
                return output["code"]


def seq_of(project: Project) -> int:
    return ProjectCounter.objects.get(project=project).event_seq


async def test_a_page_gets_a_snapshot_first(cast, project, run):
    async with Page(cast.manager, project) as page:
        message = await page.hear()
    assert message["type"] == "snapshot"
    assert set(message["html"]) == set(FRAGMENTS)
    assert set(message["data"]) == {"cost", "history"}
    assert message["seq"] == await later(seq_of)(project)
    assert message["events"] == []


@pytest.mark.parametrize("who", ["outsider", "annotator"])
async def test_people_who_may_not_see_costs_are_closed_without_a_word(cast, project, who):
    page = Page(getattr(cast, who), project)
    await page.open()
    assert await page.close_code() == 4404


async def test_somebody_who_is_not_signed_in_is_closed(project):
    page = Page(AnonymousUser(), project)
    await page.open()
    assert await page.close_code() == 4404


async def test_a_project_that_does_not_exist_looks_the_same(cast, project):
    project.public_id = "nothing-here"
    page = Page(cast.owner, project)
    await page.open()
    assert await page.close_code() == 4404


async def test_events_missed_while_away_are_told_on_return(cast, project, run):
    seq = await later(seq_of)(project)
    await later(data.say)(project, "run.paused")
    await later(data.say)(project, "run.resumed")
    async with Page(cast.manager, project, since=seq) as page:
        await page.hear()
    assert [event["seq"] for event in page.events] == [seq + 1, seq + 2]


@pytest.mark.parametrize("since", ["", "x", "-1", "9" * 30, "1.5"])
async def test_nonsense_as_the_last_event_seen_is_taken_as_nothing_missed(
    cast, project, run, since
):
    async with Page(cast.manager, project, since=since) as page:
        assert (await page.hear())["events"] == []


async def test_a_change_arrives_without_asking(cast, project, run):
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(data.say)(project, "run.paused")
        message = await page.hear()
    assert message["type"] == "update"
    assert [event["type"] for event in message["events"]] == ["run.paused"]
    assert "The run was paused" in message["html"]["events"]


async def test_answers_arrive_though_they_are_no_events(cast, project, run):
    batch = await later(run.batches.get)(state="open")
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(data.answer)(batch, 5)
        await page.hear()
    assert "1,535" in page.html["figures"]


async def test_only_what_changed_is_sent(cast, project, run):
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(data.say)(project, "people.changed")
        message = await page.hear()
    assert set(message["html"]) == {"events"}
    assert message["data"] == {}


async def test_a_load_with_later_events_equals_a_fresh_load_later(cast, project, run):
    batch = await later(run.batches.get)(state="open")
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(data.answer)(batch, batch.remaining)
        await later(data.train)(run, 7)
        await later(data.open_batch)(run, data.RECORDED["bought"][8])
        await page.hear_until(await later(seq_of)(project))
        await asyncio.sleep(0.2)
    fresh = await later(overview)(project, "manager")
    assert page.data == fresh["charts"]
    assert page.html == await later(render)(fresh)


async def test_no_event_is_told_twice_or_lost_over_a_reconnect(cast, project, run):
    start = await later(seq_of)(project)
    async with Page(cast.manager, project, since=start) as first:
        await first.hear()
        await later(data.say)(project, "run.paused")
        await first.hear()
    await later(data.say)(project, "run.resumed")
    async with Page(cast.manager, project, since=first.messages[-1]["seq"]) as second:
        await second.hear()
        await later(data.say)(project, "people.changed")
        await second.hear()
    seqs = [event["seq"] for event in first.events + second.events]
    assert seqs == [start + 1, start + 2, start + 3]


async def test_a_burst_of_events_comes_in_few_messages(cast, project, run, monkeypatch):
    monkeypatch.setattr(tailer, "POLL", 2.0)
    monkeypatch.setattr(events, "hearers", [])
    start = await later(seq_of)(project)
    async with Page(cast.manager, project, since=start) as page:
        await page.hear()
        for _ in range(20):
            await later(data.say)(project, "training.progress")
        await page.hear_until(start + 20)
    assert len(page.messages) <= 4
    assert [event["seq"] for event in page.events] == list(range(start + 1, start + 21))


async def test_many_pages_cost_one_rendering(cast, project, run, monkeypatch):
    looks = []
    real = reads.view
    monkeypatch.setattr(reads, "view", lambda *args: looks.append(1) or real(*args))
    pages = [Page(cast.manager, project) for _ in range(8)]
    for page in pages:
        await page.__aenter__()
        await page.hear()
    before = len(looks)
    await later(data.say)(project, "run.paused")
    for page in pages:
        await page.hear()
    assert len(looks) == before + 1
    for page in pages:
        await page.__aexit__()


async def test_who_comes_while_the_counters_are_read_stays(cast, project, run, monkeypatch):
    """Their project is not among those that were read: it is not gone."""
    async with Page(cast.manager, project) as page:
        await page.hear()
        watching = tailer.tailer()
        late = tailer.Listener(project.pk + 1, cast.manager.pk)
        real = reads.versions

        def versions(ids):
            watching.feeds.setdefault(tailer._feed(late), tailer.Feed(*tailer._feed(late)))
            watching.feeds[tailer._feed(late)].listeners.add(late)
            return real(ids)

        monkeypatch.setattr(reads, "versions", versions)
        await watching.tick()
        monkeypatch.setattr(reads, "versions", real)
        assert late.closed is None
        watching.unsubscribe(late)


async def test_the_task_ends_when_nobody_listens(cast, project, run):
    async with Page(cast.manager, project) as page:
        await page.hear()
        watching = tailer.tailer()
        assert watching.running
    await asyncio.sleep(0.3)
    assert not watching.running
    assert watching.feeds == {}


async def test_it_goes_on_after_a_database_error(cast, project, run, monkeypatch):
    real, failures = reads.versions, [OperationalError("locked"), OperationalError("locked")]

    def versions(ids):
        if failures:
            raise failures.pop()
        return real(ids)

    async with Page(cast.manager, project) as page:
        await page.hear()
        monkeypatch.setattr(reads, "versions", versions)
        await later(data.say)(project, "run.paused")
        assert (await page.hear())["events"][0]["type"] == "run.paused"


async def test_somebody_who_lost_the_role_is_closed(cast, project, run, monkeypatch):
    monkeypatch.setattr(tailer, "CHECK_ACCESS", 0.1)
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(Membership.objects.filter(user=cast.manager).update)(role="annotator")
        assert await page.close_code() == 4404


async def test_a_deactivated_person_is_closed_and_others_stay(cast, project, run, monkeypatch):
    monkeypatch.setattr(tailer, "CHECK_ACCESS", 0.1)
    async with Page(cast.manager, project) as page, Page(cast.owner, project) as other:
        await page.hear()
        await other.hear()
        await later(User.objects.filter(pk=cast.manager.pk).update)(is_active=False)
        assert await page.close_code() == 4404
        await later(data.say)(project, "run.paused")
        assert (await other.hear())["type"] == "update"


async def test_a_session_that_ended_is_closed(cast, project, run):
    key = (project.pk, cast.manager.pk, "no-such-session")
    assert await later(reads.still_allowed)([key]) == {}
    free = (*key[:2], None)
    assert await later(reads.still_allowed)([free]) == {free: "manager"}


async def test_a_session_of_before_a_new_password_is_closed(cast, project, run, sign_in):
    client = await later(sign_in)(cast.manager)
    key = (project.pk, cast.manager.pk, client.cookies["sessionid"].value)
    assert await later(reads.still_allowed)([key]) == {key: "manager"}
    cast.manager.set_password("another horse battery")
    await later(cast.manager.save)()
    assert await later(reads.still_allowed)([key]) == {}


async def test_a_viewer_hears_all_but_the_buttons(cast, project, run):
    viewer = Membership.objects.filter(user=cast.second_annotator)
    await later(viewer.update)(role="viewer")
    async with Page(cast.second_annotator, project) as page, Page(cast.manager, project) as other:
        await page.hear()
        await other.hear()
        await later(data.say)(project, "run.paused")
        await page.hear()
    assert "button" in other.html["actions"]
    assert page.html["actions"].strip() == ""
    assert page.html["figures"] == other.html["figures"]


async def test_who_gets_another_role_comes_back_as_that(cast, project, run, monkeypatch):
    monkeypatch.setattr(tailer, "CHECK_ACCESS", 0.1)
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(Membership.objects.filter(user=cast.manager).update)(role="viewer")
        assert await page.close_code() == tailer.AGAIN


async def test_a_commit_wakes_the_page_long_before_the_poll(cast, project, run, monkeypatch):
    monkeypatch.setattr(tailer, "POLL", 30.0)
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(data.say)(project, "run.paused")
        assert (await page.hear())["events"][0]["type"] == "run.paused"


async def test_a_worker_that_dies_shows_on_a_page_where_nothing_else_happens(
    cast, project, run, monkeypatch
):
    monkeypatch.setattr(tailer, "CHECK_WORKER", 0.1)
    async with Page(cast.manager, project) as page:
        await page.hear()
        await asyncio.sleep(0.3)
        await later(WorkerBeat.objects.all().delete)()
        assert "No worker is running" in (await page.hear())["html"]["status"]


async def test_pages_of_a_deleted_project_are_closed(cast, project, run):
    async with Page(cast.manager, project) as page:
        await page.hear()
        await later(Project.objects.filter(pk=project.pk).update)(status="deleting")
        assert await page.close_code() == 4404


async def test_a_quiet_page_hears_a_ping(cast, project, run, monkeypatch):
    monkeypatch.setattr("labelapp.live.consumers.PING", 0.2)
    async with Page(cast.manager, project) as page:
        await page.hear()
        assert await page.read() == {"type": "ping"}


async def test_what_pages_say_is_ignored(cast, project, run):
    async with Page(cast.manager, project) as page:
        await page.hear()
        await page.socket.send_input({"type": "websocket.receive", "text": "{broken"})
        await later(data.say)(project, "run.paused")
        assert (await page.hear())["type"] == "update"


async def test_a_redis_that_is_away_is_asked_once_and_costs_no_time(monkeypatch, settings):
    asked = []

    class Away:
        def publish(self, *_: object) -> None:
            asked.append(1)
            raise OSError

    monkeypatch.setattr(wake, "_client", lambda url: Away())
    monkeypatch.setattr(wake, "_AWAY", {"until": 0.0})
    settings.ENV = replace(settings.ENV, redis_url="redis://nowhere:1/0")
    wake.announce(1)
    wake.announce(1)
    assert len(asked) == 1


async def test_a_socket_never_waits_for_a_channel_layer():
    """With Redis, one that waits for messages is cut by redis-py's time limit of five seconds."""
    assert get_channel_layer(DashboardConsumer.channel_layer_alias) is None

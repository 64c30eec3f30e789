"""Several people at once, against a real server: each image is labelled and paid for once."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from urllib.parse import urlsplit

import pytest

from tests.app.web.labelling_site import Site, running_site

IMAGES = 120


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("together") / "var", str(IMAGES)) as running:
        yield running


class Tab:
    """A browser tab that sends every request twice, as after lost replies."""

    def __init__(self, site: Site, who: str) -> None:
        self.site = site
        self.connection = http.client.HTTPConnection(urlsplit(site.address).netloc, timeout=60)
        self.headers = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={site.sessions[who]}; csrftoken={'a' * 32}",
            "X-CSRFToken": "a" * 32,
        }
        self.acknowledged: list[str] = []
        self.states: list[str] = []

    def post(self, what: str, body: dict) -> dict:
        path = f"/api/v1/projects/{self.site.project}/{what}/"
        self.connection.request("POST", path, json.dumps(body), self.headers)
        reply = self.connection.getresponse()
        content = json.loads(reply.read())
        assert reply.status == 200, content
        return content

    def work(self) -> None:
        """Answer until nothing is left."""
        while tasks := self.post("tasks", {"count": 4})["tasks"]:
            answers = [
                {
                    "id": str(uuid.uuid4()),
                    "task": task["id"],
                    "token": task["token"],
                    "kind": "class",
                    "class": task["seq"] % 3,
                }
                for task in tasks
            ]
            first = self.post("answers", {"answers": answers})["results"]
            again = self.post("answers", {"answers": answers})["results"]
            assert {result["state"] for result in again} == {"duplicate"}
            self.acknowledged += [result["id"] for result in first if result["ok"]]
            self.states += [result["state"] for result in first]


@pytest.fixture(scope="module")
def tabs(site) -> list[Tab]:
    """Two people with two tabs each, after they have worked through the batch together."""
    tabs = [Tab(site, who) for who in ("ann", "ben", "ann", "ben")]
    threads = [threading.Thread(target=tab.work) for tab in tabs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for tab in tabs:
        tab.connection.close()
    return tabs


def test_each_image_has_its_label(site, tabs):
    rows = site.ask("SELECT seq, class_index FROM labelapp_label ORDER BY seq")
    assert rows == [(seq, seq % 3) for seq in range(IMAGES)]


def test_every_acknowledged_answer_is_stored(site, tabs):
    acknowledged = {uuid.UUID(one).hex for tab in tabs for one in tab.acknowledged}
    assert acknowledged == {row[0] for row in site.ask("SELECT id FROM labelapp_answer")}


def test_each_label_is_charged_to_the_person_who_gave_it_once(site, tabs):
    accepted = sum(tab.states.count("accepted") for tab in tabs)
    (charges,) = site.ask("SELECT COUNT(*), COUNT(DISTINCT key) FROM labelapp_ledgerentry")
    assert accepted == IMAGES
    assert charges == (IMAGES, IMAGES)


def test_the_counters_agree_with_the_rows(site, tabs):
    (counter,) = site.ask("SELECT train, ROUND(label_spend, 6) FROM labelapp_projectcounter")
    assert counter == (IMAGES, round(IMAGES * 0.04, 6))


def test_the_batch_closed_once_and_woke_the_engine_once(site, tabs):
    assert site.ask("SELECT state, remaining FROM labelapp_labelbatch") == [("done", 0)]
    assert site.ask("SELECT kind FROM labelapp_job") == [("advance",)]
    assert site.ask("SELECT type FROM labelapp_event") == [("batch.closed",)]

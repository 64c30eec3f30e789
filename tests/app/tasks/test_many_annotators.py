"""Sixteen people against a real server that is killed twice: nothing is lost, nothing is double.

`MCAL_TEST_CROWD=2000` sets how many images they label (60 without it).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import connect

import pytest

from labelapp.services.votes import majority
from tests.app.tasks.crowd import PEOPLE, Kills, Person
from tests.app.web.labelling_site import ROOT, Server, environment, free_port

IMAGES = int(os.environ.get("MCAL_TEST_CROWD", "60"))
LIMIT = 60 + IMAGES  # seconds


if os.environ.get("MCAL_DATABASE_URL"):
    pytest.skip("this test looks into the SQLite file", allow_module_level=True)


@dataclass
class Crowd:
    """What is there when all is done."""

    folder: Path
    people: list[Person]
    seconds: float

    def ask(self, sql: str) -> list[tuple]:
        with closing(connect(self.folder / "mcal.sqlite3", timeout=20)) as database:
            return database.execute(sql).fetchall()

    def one(self, sql: str) -> tuple:
        (row,) = self.ask(sql)
        return row


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Crowd:
    folder = tmp_path_factory.mktemp("crowd") / "var"
    folder.mkdir(parents=True)
    made = subprocess.run(
        [sys.executable, "-m", "tests.app.tasks.crowd", str(IMAGES)],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(made.stdout.splitlines()[-1])
    server, halt = Server(folder, free_port()), threading.Event()
    kills = Kills([IMAGES // 3, 2 * IMAGES // 3])
    people = [
        Person(user, session, server.port, facts["project"], seed, halt, kills)
        for seed, (user, session) in enumerate(facts["sessions"])
    ]
    crowd = Crowd(folder, people, 0.0)
    server.start()
    begin = time.monotonic()
    try:
        for person in people:
            person.start()
        disturb(crowd, server, kills)
    finally:
        halt.set()
        server.stop()
    crowd.seconds = time.monotonic() - begin
    report(crowd)
    return crowd


def disturb(crowd: Crowd, server: Server, kills: Kills) -> None:
    """Let leases lapse all the time, and kill the server in the midst of answers, twice."""
    dice = random.Random(0)
    end = time.monotonic() + LIMIT
    while any(person.is_alive() for person in crowd.people):
        assert time.monotonic() < end, [person.tasks for person in crowd.people]
        if kills.due.wait(0.3):
            server.kill()
            kills.done()
            time.sleep(0.3)
            server.start()
        with closing(connect(crowd.folder / "mcal.sqlite3", timeout=20)) as database, database:
            database.execute(
                "UPDATE labelapp_task SET lease_until = '2020-01-01 00:00:00'"
                " WHERE lease_until IS NOT NULL AND id % 5 = ?",
                [dice.randrange(5)],
            )
    assert kills.at == [], "people finished before the last kill"


def report(crowd: Crowd) -> None:
    states = Counter(state for person in crowd.people for state in person.states)
    slowest = max(person.slowest for person in crowd.people)
    print(  # noqa: T201 - shown with -s
        f"\n{IMAGES} images, {PEOPLE} people, {crowd.seconds:.1f} s, slowest reply {slowest:.2f} s,"
        f" {dict(states)}"
    )


def test_the_server_never_failed_but_when_it_was_dead(crowd):
    assert [person.wrong for person in crowd.people if person.wrong] == []


def test_the_database_is_whole(crowd):
    assert crowd.one("PRAGMA integrity_check") == ("ok",)


def test_every_acknowledged_answer_is_there_exactly_once(crowd):
    rows = crowd.ask(
        'SELECT a.id, a.user_id, a.kind, c."index" FROM labelapp_answer a'
        " LEFT JOIN labelapp_labelclass c ON c.id = a.label_class_id"
    )
    stored = {uuid.UUID(row[0]): row[1:] for row in rows}
    assert len(stored) == len(rows)
    acknowledged = {
        uuid.UUID(one): (person.user, kind, index)
        for person in crowd.people
        for one, (kind, index) in person.acknowledged.items()
    }
    assert stored == acknowledged


def test_no_slot_is_filled_twice(crowd):
    slots = crowd.ask("SELECT id FROM labelapp_task WHERE state = 'done'")
    votes = crowd.ask(
        "SELECT task_id FROM labelapp_answer"
        " WHERE kind = 'class' AND NOT extra AND superseded_by IS NULL"
    )
    assert sorted(slots) == sorted(votes)
    assert crowd.one("SELECT COUNT(*) FROM labelapp_task WHERE state <> 'done'") == (0,)


def test_each_image_has_the_answers_that_it_is_to_have_and_their_majority(crowd):
    wanted = dict(crowd.ask("SELECT image_id, MAX(wanted) FROM labelapp_task GROUP BY image_id"))
    given, people = defaultdict(list), defaultdict(set)
    for image, user, index in crowd.ask(
        'SELECT a.image_id, a.user_id, c."index" FROM labelapp_answer a'
        " JOIN labelapp_labelclass c ON c.id = a.label_class_id"
        " WHERE NOT a.extra AND a.superseded_by IS NULL ORDER BY a.created, a.id"
    ):
        given[image].append(index)
        people[image].add(user)
    labels = dict(crowd.ask("SELECT image_id, class_index FROM labelapp_label"))
    assert len(labels) == len(wanted) == IMAGES
    assert {image: len(classes) for image, classes in given.items()} == wanted
    assert {image: len(users) for image, users in people.items()} == wanted
    assert {image: majority(classes).class_index for image, classes in given.items()} == labels


def test_each_answer_that_fills_a_slot_is_paid_once(crowd):
    votes = crowd.one("SELECT COUNT(*) FROM labelapp_task WHERE state = 'done'")[0]
    (paid,) = crowd.one("SELECT ROUND(SUM(amount), 6) FROM labelapp_ledgerentry")
    assert paid == pytest.approx(0.04 * votes)
    counter = crowd.one("SELECT residual, answers, label_spend FROM labelapp_projectcounter")
    (answers,) = crowd.one("SELECT COUNT(*) FROM labelapp_answer")
    assert counter == (IMAGES, answers, pytest.approx(0.04 * votes))


def test_the_batch_closed_once(crowd):
    assert crowd.ask("SELECT state, remaining FROM labelapp_labelbatch") == [("done", 0)]
    assert crowd.ask("SELECT kind FROM labelapp_job") == [("advance",)]
    assert crowd.ask("SELECT type FROM labelapp_event") == [("batch.closed",)]

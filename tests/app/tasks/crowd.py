"""A project for many people, and people who never behave: `python -m tests.app.tasks.crowd N`.

Half of the images want two answers, and a third one where people differ.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

PEOPLE = 16
CLASSES = 3


def make(images: int) -> dict[str, object]:
    """Fill the database of this process' settings."""
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from labelapp import models  # noqa: PLC0415
    from labelapp.orders import LabelOrder  # noqa: PLC0415
    from labelapp.services import batches  # noqa: PLC0415
    from tests.app.conftest import add_images  # noqa: PLC0415
    from tests.app.web.labelling_site import migrated  # noqa: PLC0415

    migrated(call_command)
    project = models.Project.objects.create(
        name="Crowd", overlap=2, overlap_share=0.5, overlap_max=3, status="running"
    )
    models.ProjectCounter.objects.create(project=project)
    for index in range(CLASSES):
        models.LabelClass.objects.create(project=project, index=index, name=f"class {index}")
    add_images(project, images)
    run = models.Run.objects.create(
        project=project, n=images, config={}, state={}, waiting_for="x", request_kind="label"
    )
    everything = list(range(images))
    order = LabelOrder(id="x", purpose="residual", iteration=0, buy=everything, train=[], mark=[])
    batches.open_batch(run=run, order=order)
    sessions = []
    for number in range(PEOPLE):
        user = models.User.objects.create_user(f"p{number}@example.org", None)
        models.Membership.objects.create(project=project, user=user, role="annotator")
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        sessions.append([user.pk, client.cookies["sessionid"].value])
    return {"project": project.public_id, "sessions": sessions}


class LostError(Exception):
    """No reply came: the request is sent again, unchanged."""


class Kills:
    """When the server is killed, counted in acknowledged answers, whatever the machine's speed.

    `due` is set as soon as a kill is; people go on for SLACK answers, so that it comes in the
    midst of requests, and then wait for it: a fast machine cannot finish before the last kill.
    """

    SLACK = 12

    def __init__(self, at: list[int]) -> None:
        self.at = list(at)
        self.due = threading.Event()
        self._count = 0
        self._change = threading.Condition()

    def acknowledged(self, answers: int) -> None:
        """Count the answers of one reply."""
        with self._change:
            self._count += answers
            self._look()

    def done(self) -> None:
        """Let people go on: the server was killed."""
        with self._change:
            self.at.pop(0)
            self._look()
            self._change.notify_all()

    def wait(self, halt: threading.Event) -> None:
        """Return when answers may be sent."""
        with self._change:
            while self.at and self._count >= self.at[0] + self.SLACK and not halt.is_set():
                self._change.wait(0.2)

    def _look(self) -> None:
        if self.at and self._count >= self.at[0]:
            self.due.set()
        else:
            self.due.clear()


@dataclass(eq=False)
class Person(threading.Thread):
    """Labels at full speed, loses replies, sends twice, skips, takes back, comes late."""

    user: int
    session: str
    port: int
    project: str
    seed: int
    halt: threading.Event
    kills: Kills
    acknowledged: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.random = random.Random(self.seed)
        self.tasks: list[dict[str, Any]] = []
        self.forgotten: list[dict[str, Any]] = []  # left alone; answered much later, perhaps
        self.outbox: list[dict[str, Any]] = []
        self.last: dict[str, Any] | None = None
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self.halt.is_set():
            try:
                if self.step():
                    break
            except LostError:
                time.sleep(0.02)
            except BaseException as error:  # noqa: BLE001 - the test shows it
                self.wrong.append(error)
                break
        if self.connection is not None:
            self.connection.close()

    def step(self) -> bool:
        """One request; True when the batch is complete."""
        if not self.outbox:
            self.outbox = self.say()
        self.kills.wait(self.halt)
        body: dict[str, object] = {"count": self.random.randint(1, 9)}
        body["holding"] = [task["id"] for task in self.tasks]
        body["on_screen"] = self.tasks[0]["id"] if self.tasks else None
        if not self.outbox:
            reply = self.post("tasks", body)
        else:
            reply = self.post("answers", {**body, "answers": self.outbox})
            self.read(reply["results"])
        self.tasks = [task for task in self.tasks if task["id"] not in reply["lost"]]
        self.tasks += reply["tasks"]
        if reply["tasks"] or self.tasks:
            return False
        time.sleep(0.05)
        return reply["progress"]["left_in_batch"] == 0

    def say(self) -> list[dict[str, Any]]:
        """Make the next answers, of whatever kind."""
        dice = self.random.random()
        if dice < 0.04 and self.last is not None:
            task, self.last = self.last, None
            return [self.answer(task, "withdrawn")]
        if dice < 0.08 and self.last is not None:
            return [self.answer(self.last)]
        if dice < 0.12 and self.forgotten:
            return [self.answer(self.forgotten.pop())]
        if dice < 0.16 and self.tasks:
            self.forgotten.append(self.tasks.pop())
        taken, self.tasks = self.tasks[:2], self.tasks[2:]
        if dice < 0.22 and taken:
            return [self.answer(taken[0], "skip"), *map(self.answer, taken[1:])]
        if taken:
            self.last = taken[-1]
        return [self.answer(task) for task in taken]

    def answer(self, task: dict[str, Any], kind: str = "class") -> dict[str, Any]:
        right = task["seq"] % CLASSES
        index = right if self.random.random() < 0.8 else self.random.randrange(CLASSES)
        return {
            "id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "task": task["id"],
            "token": task["token"],
            "kind": kind,
            "class": index if kind == "class" else None,
        }

    def read(self, results: list[dict[str, Any]]) -> None:
        for one, result in zip(self.outbox, results, strict=True):
            if result["ok"]:
                self.acknowledged[one["id"]] = (one["kind"], one["class"])
                self.states.append(result["state"])
            elif result["code"] != "conflict":
                self.wrong.append(result)
        if self.random.random() < 0.2:  # as a second tab would: all of it once more
            again = self.post("answers", {"answers": self.outbox})["results"]
            for result in again:
                if result["ok"] and result["state"] != "duplicate":
                    self.wrong.append(result)
        self.kills.acknowledged(sum(result["ok"] for result in results))
        self.outbox = []

    def post(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        begin = time.perf_counter()
        connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, 60)
        self.connection = connection
        headers = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={self.session}; csrftoken={'a' * 32}",
            "X-CSRFToken": "a" * 32,
        }
        try:
            path = f"/api/v1/projects/{self.project}/{what}/"
            connection.request("POST", path, json.dumps(body), headers)
            if self.random.random() < 0.08:
                connection.close()  # gone before the reply
            reply = connection.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.connection = None
            raise LostError from error
        self.slowest = max(self.slowest, time.perf_counter() - begin)
        if reply.status != 200:
            self.wrong.append((reply.status, content[:200]))
            raise LostError
        found: dict[str, Any] = json.loads(content)
        return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(int(sys.argv[1]))))

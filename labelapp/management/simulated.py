"""Simulated annotators: they sign in and answer over HTTP with the same endpoints as people.

What they know is what a person would see: the class of each image, handed to them in private.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from labelapp.management.browser import Browser, BrowserError

logger = logging.getLogger(__name__)

_AT_ONCE = 20  # what the server gives out at most
_WAIT_SECONDS = 0.5
_LONGEST_WAIT = 8.0
_OVER = {"finished", "archived", "failed"}


class SimulatedPerson(threading.Thread):
    """Labels one project until it is finished. `labels[seq]` is the class of image seq.

    `pace` is seconds per answer; at 0 all tasks at hand are answered in one request.
    """

    def __init__(
        self,
        *,
        base_url: str,
        project: str,
        email: str,
        password: str,
        labels: Sequence[int],
        pace: float,
        halt: threading.Event,
    ) -> None:
        super().__init__(name=email, daemon=True)
        self._browser = Browser(base_url)
        self._api = f"/api/v1/projects/{project}/"
        self._email, self._password = email, password
        self._labels = labels
        self._pace = pace
        self._halt = halt
        self._tasks: list[dict[str, Any]] = []
        self._unsaved: list[dict[str, object]] = []
        self.answers = 0

    def run(self) -> None:
        """Work until the project is finished or `halt` is set; try again after each error."""
        wait, signed_in = _WAIT_SECONDS, False
        while not self._halt.is_set():
            try:
                if not signed_in:
                    self._browser.sign_in(self._email, self._password)
                    signed_in = True
                if self._step():
                    return
                wait = _WAIT_SECONDS
            except BrowserError as error:
                logger.info("%s: %s; trying again", self._email, error)
                signed_in = signed_in and error.status not in {401, 403}
                self._halt.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    def _step(self) -> bool:
        """Answer what is at hand or ask for more; True when there will be no more."""
        if self._unsaved or self._tasks:
            self._answer()
            return False
        reply = self._browser.post(f"{self._api}tasks/", {"count": self._at_once, "holding": []})
        self._tasks = reply["tasks"]
        if not self._tasks:
            self._halt.wait(_WAIT_SECONDS)
        return not self._tasks and reply["status"]["state"] in _OVER

    @property
    def _at_once(self) -> int:
        return _AT_ONCE if self._pace == 0 else 9

    def _answer(self) -> None:
        if not self._unsaved:  # else: the last request got no reply; repeat it as it was
            self._halt.wait(self._pace)
            taken = self._tasks if self._pace == 0 else self._tasks[:1]
            self._unsaved = [self._answer_to(task) for task in taken]
            self._tasks = self._tasks[len(taken) :]
        holding = [task["id"] for task in self._tasks]
        count = max(0, self._at_once - len(holding))  # how many more, not how many in all
        request = {"answers": self._unsaved, "count": count, "holding": holding}
        reply = self._browser.post(f"{self._api}answers/", request)
        self.answers += sum(1 for result in reply["results"] if result["ok"])
        self._unsaved = []
        self._tasks = [task for task in self._tasks if task["id"] not in reply.get("lost", [])]
        known = {task["id"] for task in self._tasks}
        self._tasks += [task for task in reply["tasks"] if task["id"] not in known]

    def _answer_to(self, task: dict[str, Any]) -> dict[str, object]:
        return {
            "id": str(uuid.uuid4()),
            "task": task["id"],
            "token": task["token"],
            "kind": "class",
            "class": self._labels[task["seq"]],
            "active_ms": round(1000 * self._pace),
            "how": "api",
            "guideline_version": 0,
        }

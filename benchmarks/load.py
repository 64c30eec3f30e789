"""People at work, as a browser's page works: keep-alive, cookies, CSRF, nine tasks in hand."""

from __future__ import annotations

import json
import socket
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

HELD = 9  # one on the screen and eight prefetched


@dataclass
class Work:
    """What people did: seconds per request, the ids that the server acknowledged, wall time."""

    times: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, other: Work) -> None:
        """Take in another's work (the wall times add up: rounds follow each other)."""
        self.times += other.times
        self.acknowledged += other.acknowledged
        for state, count in other.states.items():
            self.states[state] = self.states.get(state, 0) + count
        self.seconds += other.seconds

    def at(self, share: float) -> float:
        """Return this quantile of the times in milliseconds."""
        ordered = sorted(self.times)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Page:
    """One keep-alive connection. A plain socket: the load must not cost what it measures."""

    def __init__(self, port: int, cookies: str, csrf: str) -> None:
        self.port = port
        self._connect()
        self.headers = (
            f"Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            f"Referer: http://127.0.0.1:{port}/\r\nUser-Agent: benchmark\r\n"
            "Accept: application/json\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\n"
            f"Content-Type: application/json\r\nCookie: {cookies}\r\nX-CSRFToken: {csrf}\r\n"
        )

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a request and return status and body."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self.headers}Content-Length: {len(content)}\r\n\r\n"
        self.socket.sendall(head.encode() + content)
        while b"\r\n\r\n" not in self.rest:
            self._more()
        top, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = top.decode("latin-1").split("\r\n")
        size = next(
            int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")
        )
        while len(self.rest) < size:
            self._more()
        content, self.rest = self.rest[:size], self.rest[size:]
        if any(line.lower() == "connection: close" for line in lines):
            self._connect()
        return int(lines[0].split()[1]), content

    def _connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def _more(self) -> None:
        read = self.socket.recv(65536)
        if not read:
            raise RuntimeError("the server closed the connection")
        self.rest += read


def work(
    port: int,
    cast: dict[str, Any],
    people: int,
    *,
    seconds: float,
    pace: float = 0.0,
    most: int = 10**9,
) -> Work:
    """Let people answer for so many seconds, one answer per `pace` each (0: without a pause).

    `most` answers together at the most, so that a small queue is not measured at its end.
    """

    def one(number: int, mine: Work) -> None:
        _person(port, cast, number, mine, seconds, pace, most // people, people)

    return together(people, one)


def together(people: int, one: Callable[[int, Work], None]) -> Work:
    """Let people work at once, each by `one(number, its own work)`; raise what one of them met."""
    sys.setswitchinterval(0.0005)
    shares = [Work() for _ in range(people)]
    with ThreadPoolExecutor(people) as threads:
        start = time.perf_counter()
        list(threads.map(one, range(people), shares))
        seconds = time.perf_counter() - start
    total = Work()
    for share in shares:
        total.add(share)
    total.seconds = seconds
    return total


def _person(
    port: int,
    cast: dict[str, Any],
    number: int,
    mine: Work,
    seconds: float,
    pace: float,
    most: int,
    people: int,
) -> None:
    csrf = "a" * 32
    page = Page(port, f"sessionid={cast['sessions'][number]}; csrftoken={csrf}", csrf)
    base = f"/api/v1/projects/{cast['project']}"
    queue = _send(page, f"{base}/tasks/", {"count": HELD, "holding": [], "on_screen": None})[
        "tasks"
    ]
    time.sleep(pace * number / people)
    following = time.monotonic()
    end = following + seconds
    while queue and len(mine.times) < most and time.monotonic() < end:
        given = _answer(queue.pop(0))
        holding = [task["id"] for task in queue]
        body = {
            "answers": [given],
            "count": HELD - len(queue),
            "holding": holding,
            "on_screen": holding[0] if holding else None,
            "user": cast["users"][number],
        }
        start = time.perf_counter()
        reply = _send(page, f"{base}/answers/", body)
        mine.times.append(time.perf_counter() - start)
        state = str(reply["results"][0].get("state") or reply["results"][0])
        mine.states[state] = mine.states.get(state, 0) + 1
        mine.acknowledged.append(given["id"])
        queue += reply["tasks"]
        if pace:
            following += pace
            time.sleep(max(0.0, following - time.monotonic()))


def _send(page: Page, path: str, body: object) -> dict[str, Any]:
    status, content = page.request("POST", path, body)
    if status != 200:
        raise RuntimeError(f"{path}: {status} {content[:300]!r}")
    reply: dict[str, Any] = json.loads(content)
    return reply


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "task": task["id"],
        "token": task["token"],
        "kind": "class",
        "class": task["seq"] % 10,
        "active_ms": 300,
        "how": "key",
        "guideline_version": 0,
    }

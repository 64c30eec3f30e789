"""Simulated people: sign in like everybody, answer once, go on after every kind of failure."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from labelapp.management.browser import Browser, BrowserError
from labelapp.management.simulated import SimulatedPerson

IMAGES = 45
LABELS = [number % 3 for number in range(IMAGES)]


class Office:
    """A labelling server in a few lines: sign-in with CSRF, tasks, answers; it can misbehave."""

    def __init__(self) -> None:
        self.open = list(range(IMAGES))
        self.answers: dict[str, dict] = {}  # by the answer's id
        self.sign_ins = 0
        self.requests = 0
        self.held_most = 0
        self.fail = {}  # request number -> status; 0 = take the answers, then drop the line
        self.signed_out_at: set[int] = set()
        self.signed_in = False

    def sign_in(self, form: dict) -> bool:
        good = form.get("login") == ["ann@localhost"] and form.get("password") == ["secret"]
        self.signed_in = good and form.get("csrfmiddlewaretoken") == ["the-token"]
        self.sign_ins += self.signed_in
        return self.signed_in

    def reply(self, body: dict) -> dict:
        results = []
        self.held_most = max(self.held_most, len(body["holding"]))
        for answer in body.get("answers", []):
            self.answers.setdefault(answer["id"], answer)
            results.append({"id": answer["id"], "ok": True, "state": "accepted"})
        done = {answer["task"] for answer in self.answers.values()}
        free = [n for n in self.open if n not in done and n not in body["holding"]]
        tasks = [{"id": n, "seq": n, "token": f"t{n}"} for n in free[: min(body["count"], 20)]]
        state = "labelling" if tasks or body["holding"] else "finished"
        return {"ok": True, "tasks": tasks, "results": results, "status": {"state": state}}


class Handler(BaseHTTPRequestHandler):
    office: Office

    def do_GET(self):
        self.send(200, b"form", ("Set-Cookie", "csrftoken=the-token; Path=/"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/accounts/login/":
            good = self.office.sign_in(parse_qs(body.decode()))
            cookie = [("Set-Cookie", "sessionid=s; Path=/")] if good else []
            return self.send(200, b"welcome", *cookie)
        return self.api(json.loads(body))

    def api(self, body: dict):
        self.office.requests += 1
        if self.office.requests in self.office.signed_out_at:
            self.office.signed_in = False
        if not self.office.signed_in or self.headers.get("X-CSRFToken") != "the-token":
            return self.send(403, b"{}")
        status = self.office.fail.get(self.office.requests, 200)
        if status == 0:
            self.office.reply(body)
            self.close_connection = True
            return None
        if status != 200:
            return self.send(status, b"{}")
        return self.send(200, json.dumps(self.office.reply(body)).encode())

    def send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def office():
    return Office()


@pytest.fixture
def url(office, monkeypatch):
    monkeypatch.setattr("labelapp.management.simulated._WAIT_SECONDS", 0.01)
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), type("OfficeHandler", (Handler,), {"office": office})
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def work(url: str, *, pace: float = 0.0, password: str = "secret", seconds: float = 10) -> int:
    halt = threading.Event()
    person = SimulatedPerson(
        base_url=url, project="p", email="ann@localhost", password=password,
        labels=LABELS, pace=pace, halt=halt,
    )  # fmt: skip
    person.start()
    person.join(seconds)
    halt.set()
    person.join(5)
    assert not person.is_alive()
    return person.answers


def assert_all_right(office: Office) -> None:
    given = {answer["task"]: answer["class"] for answer in office.answers.values()}
    assert given == dict(enumerate(LABELS))
    assert len(office.answers) == IMAGES


def test_everything_is_labelled_with_what_the_person_knows(office, url):
    assert work(url) == IMAGES
    assert_all_right(office)
    assert office.sign_ins == 1


def test_at_a_pace_answers_go_one_by_one(office, url):
    assert work(url, pace=0.001) == IMAGES
    assert_all_right(office)
    assert office.requests >= IMAGES


def test_at_a_pace_no_more_images_are_held_than_a_page_holds(office, url):
    work(url, pace=0.001)
    assert 1 <= office.held_most < 9


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(office, url, status):
    office.fail = {2: status, 3: status}
    work(url)
    assert_all_right(office)


def test_a_reply_that_is_lost_makes_no_second_answer(office, url):
    office.fail = {2: 0, 4: 0}
    work(url)
    assert_all_right(office)


def test_after_being_signed_out_the_person_signs_in_again(office, url):
    office.signed_out_at = {3}
    work(url)
    assert office.sign_ins == 2
    assert_all_right(office)


def test_a_wrong_password_does_no_harm(office, url):
    assert work(url, password="wrong", seconds=0.3) == 0
    assert office.answers == {}


def test_signing_in_fails_in_words(url):
    with pytest.raises(BrowserError, match="ann@localhost could not sign in"):
        Browser(url).sign_in("ann@localhost", "wrong")


def test_no_server_is_an_error_without_a_status():
    with pytest.raises(BrowserError) as caught:
        Browser("http://127.0.0.1:9").get("/")
    assert caught.value.status == 0

"""Each page of one dashboard hears in its own language."""

from __future__ import annotations

import pytest
from channels.db import database_sync_to_async

from labelapp.live import reads, tailer
from labelapp.models import User
from tests.app import dashboard_data as data
from tests.app.live.test_live import Page, seq_of

later = database_sync_to_async


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(tailer, "POLL", 0.05)


@pytest.fixture
def run(project):
    data.beat()
    return data.running(project)


class Speaking(Page):
    """A page whose browser has chosen a language."""

    def __init__(self, user, project, language: str, **rest) -> None:
        super().__init__(user, project, **rest)
        self.socket.scope["cookies"] = {"language": language}


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_two_pages_of_one_project_hear_the_same_in_two_languages(cast, project, run):
    seq = await later(seq_of)(project)
    async with (
        Speaking(cast.manager, project, "de", since=seq - 1) as german,
        Speaking(cast.owner, project, "en", since=seq - 1) as english,
    ):
        await german.hear()
        await english.hear()
        assert "Menschen labeln" in german.html["status"]
        assert "People label" in english.html["status"]
        await later(data.say)(project, "run.paused")
        await german.hear_until(seq + 1)
        await english.hear_until(seq + 1)
    assert german.events[-1]["text"] == "Der Lauf wurde pausiert"
    assert english.events[-1]["text"] == "The run was paused"


@pytest.mark.parametrize(
    ("cookie", "chosen", "accepted", "spoken"),
    [
        ("de", "", "", "de"),
        ("", "de", "en", "de"),
        ("", "", "fr,de;q=0.8,en;q=0.5", "de"),
        ("", "", "de-AT", "de"),
        ("xx", "", "", "en"),
        ("", "", "", "en"),
    ],
)
def test_a_socket_speaks_as_the_page_does(cookie, chosen, accepted, spoken):
    assert reads.language_of(User(language=chosen), cookie, accepted) == spoken

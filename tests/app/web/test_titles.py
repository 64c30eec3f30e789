"""Every page of a project is called the same in its title, its heading, and nowhere else twice."""

from __future__ import annotations

import html
import re
from collections import Counter

import pytest
from django.urls import reverse

from labelapp.models import Import, Webhook
from tests.app import dashboard_data
from tests.app.web.test_rights import routes

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(project, cast, sign_in):
    """Name, title and heading of every whole page that an owner of a running project can open."""
    dashboard_data.start(project)
    hook = Webhook.objects.create(project=project, url="https://hooks.example.org/", kinds=[])
    record = Import.objects.create(project=project, kind="zip", created_by=cast.owner)
    numbers = {"hook_id": hook.pk, "import_id": record.pk}
    client, found = sign_in(cast.owner), {}
    for name, pattern in routes().items():
        values = {k: numbers.get(k, 1) for k in pattern.pattern.converters} | {
            "pid": project.public_id
        }
        answer = client.get(reverse(name, kwargs=values))
        if answer.status_code != 200 or answer.streaming or b"<title>" not in answer.content:
            continue
        text = answer.content.decode()
        found[name] = tuple(_inner(text, tag) for tag in ("title", "h1"))
    return found


def _inner(text: str, tag: str) -> str:
    [inside] = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", inside)).strip()


def test_title_and_heading_say_the_same_in_one_style(pages, project):
    assert len(pages) >= 26
    wrong = {
        name: (title, heading)
        for name, (title, heading) in pages.items()
        if title != f"{heading}: {project.name} · MCAL" and name != "project"
    }
    assert wrong == {}


def test_the_overview_is_headed_by_the_project_itself(pages, project):
    assert pages["project"] == (f"Overview: {project.name} · MCAL", project.name)


def test_no_two_pages_have_one_title(pages):
    titles = Counter(title for title, _heading in pages.values())
    assert {title for title, count in titles.items() if count > 1} == set()

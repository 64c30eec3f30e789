"""The page of people's pace and cost: closed days from their sums, today live, for whom it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labelapp.models import DaysClosed, Membership, Project, User
from labelapp.selectors import annotators
from labelapp.services.days import close_days
from tests.app.web.fetching import fetch
from tests.app.work_world import World

pytestmark = pytest.mark.django_db


def url(project, name: str = "project_pace") -> str:
    return reverse(name, args=[project.public_id])


@pytest.fixture
def noon(monkeypatch):
    """Noon of today (UTC), and that is what time it is: nothing happens around midnight."""
    moment = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    monkeypatch.setattr(annotators, "SLOW", 1e9)  # a busy machine remembers nothing either
    return moment


@pytest.fixture
def world(project, cast, noon):
    """Ann and Ben worked three days ago and today; the days before today are closed."""
    Project.objects.filter(pk=project.pk).update(created=noon - timedelta(days=50))
    project.refresh_from_db()
    world = World(project)
    for back, images in ((40, [9]), (3, [0, 1, 2]), (0, [3, 4])):
        day = noon - timedelta(days=back, hours=1)
        for image in images:
            world.say(cast.annotator, image, 0, created=day)
            world.pay(cast.annotator, 0, created=day)
    world.say(cast.second_annotator, 0, 0, created=noon - timedelta(minutes=5))
    world.say(cast.second_annotator, 3, 0, 1, created=noon - timedelta(minutes=4))
    close_days()
    return world


@pytest.fixture
def boss(cast, world, sign_in):
    return sign_in(cast.manager)


def rows(response) -> dict[str, object]:
    return {str(row["person"].user): row["words"] for row in response.context["rows"]}


def test_the_page_adds_closed_days_and_today(boss, project, cast):
    page = boss.get(url(project))
    ann, ben = rows(page)["Ann"], rows(page)["Ben"]
    assert (ann.answers, ann.cost, ann.pace) == ("5", "$0.20", "2,400")
    assert (ben.answers, ben.cost) == ("2", "$0.00")
    assert ben.agreement.startswith("50\u00a0%")
    assert ann.compared == ben.compared == 2
    assert [day for day, _words in page.context["days"]][-1] == page.context["days"][-1][0]
    assert boss.get(url(project), {"days": "all"}).context["total"].answers == "8"
    assert boss.get(url(project), {"days": "7"}).context["total"].answers == "7"


def test_what_took_long_is_kept_for_a_while_and_the_page_says_so(
    boss, project, cast, world, monkeypatch, noon
):
    clock = iter(range(0, 1000, 2))  # every look at the clock is two seconds later
    monkeypatch.setattr(annotators, "SLOW", 0.1)
    monkeypatch.setattr(annotators.time, "monotonic", lambda: next(clock))
    first = boss.get(url(project))
    assert first.context["at"] is None
    world.say(cast.annotator, 7, 0, created=noon - timedelta(minutes=1))
    kept = boss.get(url(project))
    assert kept.context["at"] == noon
    assert rows(kept)["Ann"] == rows(first)["Ann"]
    monkeypatch.setattr(annotators.time, "monotonic", lambda: 5000)
    anew = boss.get(url(project))
    assert anew.context["at"] is None
    assert rows(anew)["Ann"].answers == "6"


def test_the_page_takes_few_queries(boss, project, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        assert boss.get(url(project)).status_code == 200


def test_columns_sort_both_ways_and_nonsense_is_the_usual(boss, project):
    def names(sort: str) -> list[str]:
        return list(rows(boss.get(url(project), {"sort": sort})))

    assert names("answers")[:2] == names("nonsense")[:2] == ["Ann", "Ben"]
    assert names("-answers")[:2] == ["Ben", "Ann"]
    assert names("-person")[:2] == ["Ben", "Ann"]
    text = boss.get(url(project), {"sort": "-cost"}).content.decode()
    assert 'aria-sort="ascending"' in text


def test_one_person_by_day(boss, project, cast):
    page = boss.get(url(project), {"person": cast.annotator.pk})
    assert [words.answers for _day, words in page.context["days"]] == ["2", "3"]
    assert boss.get(url(project), {"person": "x"}).status_code == 400
    assert boss.get(url(project), {"person": 10**9}).status_code == 200


def test_the_file_has_a_line_for_each_person_and_day(boss, project):
    _answer, body = fetch(boss, f"{url(project, 'pace_csv')}?days=all")
    lines = body.decode().splitlines()
    assert lines[0].startswith("day,person,email,role,answers")
    assert len(lines) == 1 + 4
    assert sum(int(line.split(",")[4]) for line in lines[1:]) == 8


def test_days_that_nobody_has_added_up_are_named_and_left_out(boss, project):
    DaysClosed.objects.update(work=timezone.now().date() - timedelta(days=10))
    text = boss.get(url(project)).content.decode()
    assert "are not added up yet" in text


def test_somebody_who_left_stays_in_the_figures(boss, project, cast):
    Membership.objects.filter(user=cast.annotator).delete()
    text = boss.get(url(project)).content.decode()
    assert "Ann" in text
    assert "left" in text


def test_viewers_see_it_and_annotators_do_not(project, cast, sign_in, world):
    viewer = User.objects.create_user("viewer@example.org", "x")
    Membership.objects.create(project=project, user=viewer, role="viewer")
    _answer, body = fetch(sign_in(viewer), f"{url(project, 'pace_csv')}?days=all")
    assert b"Ann" in body
    assert b"@" not in body
    for name in ("project_pace", "pace_csv"):
        assert sign_in(viewer).get(url(project, name)).status_code == 200
        assert sign_in(cast.annotator).get(url(project, name)).status_code == 403

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from labelapp.models import Answer, GoldResult, LedgerEntry, Membership, User
from labelapp.selectors.me import my_work
from labelapp.web.me import clock


@pytest.fixture
def work(project, batch):
    """Return a function that stores one paid answer."""

    def make(user: User, rank: int, *, days_ago: int = 0, ms: int = 2000, **fields) -> Answer:
        task = batch.tasks.get(rank=rank)
        values = {
            "kind": "class",
            "label_class": project.classes.first(),
            "created": timezone.now() - timedelta(days=days_ago),
            **fields,
        }
        answer = Answer.objects.create(
            id=uuid.uuid4(),
            task=task,
            batch=batch,
            project=project,
            image=task.image,
            user=user,
            active_ms=ms,
            **values,
        )
        LedgerEntry.objects.create(
            project=project,
            key=f"answer:{answer.pk}",
            purpose="seed",
            quantity=1,
            unit_price="0.04",
            amount="0.04",
            user=user,
            created=answer.created,
        )
        return answer

    return make


def test_images_time_and_earnings_are_counted_by_day(cast, work):
    work(cast.annotator, 0)
    work(cast.annotator, 1, ms=4000)
    work(cast.annotator, 2, days_ago=1)
    (row,) = my_work(cast.annotator)
    assert (row.total.images, row.total.active_ms) == (3, 8000)
    assert row.total.earned == Decimal("0.12")
    assert [day.images for day in row.days.values()] == [2, 1]


def test_other_peoples_work_is_not_mine(cast, work):
    work(cast.second_annotator, 0)
    (row,) = my_work(cast.annotator)
    assert (row.total.images, row.total.earned, row.days) == (0, 0, {})


def test_corrected_extra_and_skipped_answers_count_as_time_only(cast, work):
    work(cast.annotator, 0, superseded_by=uuid.uuid4())
    work(cast.annotator, 1, extra=True)
    work(cast.annotator, 2, kind="skip", label_class=None)
    (row,) = my_work(cast.annotator)
    assert (row.total.images, row.total.active_ms) == (0, 6000)


def test_work_in_a_project_that_one_left_stays(cast, work):
    work(cast.annotator, 0)
    Membership.objects.filter(user=cast.annotator).delete()
    (row,) = my_work(cast.annotator)
    assert (row.member, row.total.images) == (False, 1)


def test_the_page_shows_the_figures(cast, work, sign_in):
    work(cast.annotator, 0, ms=61_000)
    page = sign_in(cast.annotator).get("/me/").text
    assert "$0.04" in page
    assert "1 min" in page
    assert "Shapes" in page


def test_the_page_of_a_newcomer_is_friendly(cast, sign_in):
    assert "Nothing yet" in sign_in(cast.outsider).get("/me/").text


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 s"), (59_400, "59 s"), (61_000, "1 min"), (3_720_000, "1 h 02 min")],
)
def test_times_are_in_the_unit_that_people_use(ms, words):
    assert clock(ms) == words


def test_the_name_and_the_colours_are_saved(cast, sign_in):
    form = {"display_name": "  Ann   B ", "theme": "dark"}
    assert sign_in(cast.annotator).post("/me/settings/", form).status_code == 302
    cast.annotator.refresh_from_db()
    assert (cast.annotator.display_name, cast.annotator.theme) == ("Ann B", "dark")


@pytest.mark.parametrize("form", [{"display_name": "", "theme": "dark"}, {"display_name": "A"}])
def test_wrong_settings_are_refused(cast, sign_in, form):
    assert sign_in(cast.annotator).post("/me/settings/", form).status_code == 400


def test_the_theme_switch_goes_back_to_its_page(cast, sign_in):
    client = sign_in(cast.annotator)
    assert client.post("/me/theme/", {"theme": "light", "next": "/me/"}).url == "/me/"
    cast.annotator.refresh_from_db()
    assert cast.annotator.theme == "light"


def test_the_theme_switch_leads_nowhere_else(cast, sign_in):
    form = {"theme": "light", "next": "https://evil.example/"}
    assert sign_in(cast.annotator).post("/me/theme/", form).url == "/"


def test_a_theme_that_does_not_exist_is_refused(cast, sign_in):
    assert sign_in(cast.annotator).post("/me/theme/", {"theme": "pink"}).status_code == 400


def test_people_see_how_well_they_did_but_not_on_which_images(
    cast, project, batch, images, sign_in
):
    task = batch.tasks.get(image=images[3])
    given = Answer.objects.create(
        id=uuid.uuid4(),
        task=task,
        batch=batch,
        project=project,
        image=images[3],
        user=cast.annotator,
        kind="class",
        label_class=project.classes.get(index=2),
    )
    GoldResult.objects.create(
        answer=given,
        project=project,
        user=cast.annotator,
        image=images[3],
        truth=1,
        given=2,
        right=False,
    )
    text = sign_in(cast.annotator).get(reverse("me")).text
    assert "square as star" in text
    assert images[3].name not in text
    assert "square as star" not in sign_in(cast.second_annotator).get(reverse("me")).text

"""Which language a page speaks, and where its scripts get their words."""

from __future__ import annotations

import pytest
from django.test import Client

from labelapp.models import User
from labelapp.web.languages import catalogue_of
from tests.app.conftest import PASSWORD


def test_a_stranger_is_met_in_the_language_of_the_browser(db):
    response = Client(headers={"accept-language": "de-DE,de;q=0.9"}).get("/accounts/login/")
    assert b'<html lang="de"' in response.content
    assert response["Content-Language"] == "de"


def test_a_language_that_is_not_here_becomes_english(db):
    response = Client(headers={"accept-language": "fr"}).get("/accounts/login/")
    assert b'<html lang="en"' in response.content


def test_the_choice_in_the_settings_holds_from_the_next_page_on(cast):
    page = Client()
    page.force_login(cast.annotator)
    form = {"display_name": "Ann", "theme": "auto", "language": "de"}
    saved = page.post("/me/settings/", form, follow=True)
    assert b'<html lang="de"' in saved.content
    assert page.cookies["language"].value == "de"
    assert User.objects.get(pk=cast.annotator.pk).language == "de"


def test_the_choice_wins_over_the_browser(cast):
    page = Client(headers={"accept-language": "de"})
    page.force_login(cast.annotator)
    form = {"display_name": "Ann", "theme": "auto", "language": "en"}
    assert b'<html lang="en"' in page.post("/me/settings/", form, follow=True).content


def test_the_choice_follows_the_person_to_another_browser(cast):
    User.objects.filter(pk=cast.annotator.pk).update(language="de")
    page = Client()
    form = {"login": cast.annotator.email, "password": PASSWORD}
    assert page.post("/accounts/login/", form).status_code == 302
    assert b'<html lang="de"' in page.get("/me/").content


def test_the_language_of_the_last_person_does_not_stay_with_the_next(cast):
    page = Client()
    page.cookies["language"] = "de"
    page.force_login(cast.annotator)  # as the browser wishes
    page.get("/me/")
    assert b'<html lang="en"' in page.get("/me/").content


def test_a_language_that_does_not_exist_is_refused(cast):
    page = Client()
    page.force_login(cast.annotator)
    response = page.post(
        "/me/settings/", {"display_name": "Ann", "theme": "auto", "language": "xx"}
    )
    assert response.status_code == 400
    assert User.objects.get(pk=cast.annotator.pk).language == ""


def test_a_request_that_asks_for_no_person_is_not_slowed_by_languages(
    db, client, django_assert_num_queries
):
    client.cookies["sessionid"] = "whatever"
    with django_assert_num_queries(0):
        client.get("/words/de/0.js")


def test_english_pages_load_no_catalogue(db, client):
    assert catalogue_of("en") == ""
    assert b"/words/" not in client.get("/accounts/login/").content


def test_the_words_of_the_scripts_may_be_kept_for_ever(db, client):
    address = catalogue_of("de")
    response = client.get(address)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/javascript")
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    page = Client(headers={"accept-language": "de"}).get("/accounts/login/")
    assert f'<script defer src="{address}">'.encode() in page.content


@pytest.mark.parametrize("address", ["/words/fr/0.js", "/words/../0.js"])
def test_words_of_a_language_that_is_not_here_are_not_found(db, client, address):
    assert client.get(address).status_code == 404

"""What somebody asks of a run is news to the others who may steer it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from labelapp.models import Delivery, Import, Membership, SteeringAction, User, Webhook
from labelapp.rights import Role
from labelapp.selectors.notifications import notice
from labelapp.services import audit, notify_events
from labelapp.services.notify_events import make_news
from tests.app.services.test_notify import say, told


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, settings):
    monkeypatch.setattr(notify_events, "_seen", {})
    settings.MAIL_ON = False


@pytest.fixture
def second_manager(project) -> User:
    user = User.objects.create_user("second@example.org", "x", display_name="Second")
    Membership.objects.create(project=project, user=user, role=Role.MANAGER)
    return user


def words_of(user):
    row = notice(told(user, "run_steered")[-1])
    return row.words.title, row.words.text, row.url


def test_the_other_managers_hear_who_steered_and_what_it_was_said_to_cost(
    project, cast, second_manager
):
    action = SteeringAction.objects.create(
        project=project, user=cast.manager, action="stop", said={"total": "11.97"}, spent=0
    )
    say(project, "run.steered", {"action": "stop", "id": action.pk})
    assert make_news() == 2  # the owner and the second manager
    assert told(cast.manager) == told(cast.annotator) == []
    title, text, url = words_of(second_manager)
    assert title.startswith("A manager stopped the training")
    assert text == f"By {cast.manager}. Said to cost $11.97 in all."
    assert url == f"/p/{project.public_id}/steer/"
    SteeringAction.objects.update(undone_at=timezone.now(), undone_by=second_manager)
    say(project, "run.steered", {"action": "stop", "id": action.pk, "undone": True})
    make_news()
    assert len(told(second_manager, "run_steered")) == 1
    title, text, _url = words_of(cast.manager)
    assert (title, text) == ("A manager took back what was asked of the run", "By Second.")


def test_other_terms_merged_classes_and_new_images_are_news_too(project, cast, second_manager):
    audit.write(user=second_manager, project=project, action="run.changed")
    say(project, "run.changed", {"what": ["epsilon"]})
    make_news()
    assert told(second_manager) == []
    expected = "Changed while the run goes on: the share of wrong labels allowed"
    assert words_of(cast.manager)[:2] == (expected, "By Second.")
    action = SteeringAction.objects.create(
        project=project, user=cast.manager, action="classes", spent=0
    )
    say(project, "classes.changed", {"what": "merged", "words": "a → b", "id": action.pk})
    make_news()
    assert words_of(second_manager)[0] == "Classes were merged while the run goes on"
    Import.objects.create(
        project=project, created_by=cast.owner, state="done", finished=timezone.now()
    )
    say(project, "images.added", {"added": 12})
    make_news()
    title, text, _url = words_of(second_manager)
    assert title.replace("\xa0", " ") == "Joined the running project: 12 images"
    assert text == f"By {cast.owner}."
    assert len(told(cast.owner)) == 2


def test_webhooks_hear_of_steering_without_a_name(project, cast, second_manager):
    Webhook.objects.create(project=project, url="https://x.example/", kinds=["run_steered"])
    action = SteeringAction.objects.create(
        project=project, user=second_manager, action="stop", said={"total": "11.97"}, spent=0
    )
    say(project, "run.steered", {"action": "stop", "id": action.pk})
    make_news()
    body = Delivery.objects.get().body
    assert "Second" not in body
    assert "Said to cost $11.97 in all." in body


def test_whoever_is_gone_is_not_named(project, cast):
    say(project, "run.steered", {"action": "reopen", "id": 12345})
    make_news()
    assert words_of(cast.manager)[:2] == ("The finished project was opened again", "")

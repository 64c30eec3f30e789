from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labelapp.models import Invitation, Membership, User
from labelapp.selectors.projects import access
from labelapp.services import people

NEW = {"email": "new@example.org", "display_name": "New", "password": "one two three four"}


@pytest.fixture
def page(project) -> str:
    return reverse("project_people", args=[project.public_id])


@pytest.fixture
def link(cast, project) -> str:
    owner = access(cast.owner, project.public_id)
    return reverse("invitation", args=[people.create_invitation(access=owner, role="annotator")[1]])


def test_the_link_is_shown_once(cast, page, sign_in):
    client = sign_in(cast.owner)
    answer = client.post(page, {"role": "annotator", "days": "14", "note": "Carla"})
    found = re.search(r"http://testserver(/invite/[\w-]+/)", answer.text)
    assert found
    assert Client().get(found[1]).status_code == 200
    again = client.get(page).text
    assert "Carla" in again
    assert "/invite/" not in again


def test_pages_with_links_are_not_cached(cast, page, sign_in, link):
    answer = sign_in(cast.owner).post(page, {"role": "annotator", "days": "14"})
    assert "no-store" in answer.headers["Cache-Control"]
    assert "no-store" in Client().get(link).headers["Cache-Control"]


@pytest.mark.parametrize("days", ["0", "", "x", "-3", "9999999", "1e3"])
def test_a_wrong_number_of_days_makes_no_link(cast, page, sign_in, days):
    answer = sign_in(cast.owner).post(page, {"role": "annotator", "days": days})
    assert answer.status_code == 400
    assert not Invitation.objects.exists()


def test_a_manager_is_not_offered_owners(cast, page, sign_in):
    client = sign_in(cast.manager)
    assert 'value="owner"' not in client.get(page).text
    assert client.post(page, {"role": "owner", "days": "14"}).status_code == 403


def test_annotators_see_no_people(cast, page, sign_in):
    assert sign_in(cast.annotator).get(page).status_code == 403


def test_a_new_person_joins_and_is_signed_in(project, link):
    client = Client()
    assert "Join Shapes" in client.get(link).text
    answer = client.post(link, NEW)
    assert answer.url == f"/p/{project.public_id}/"
    user = User.objects.get(email="new@example.org")
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_wrong_form_keeps_what_was_typed_but_never_the_password(link):
    answer = Client().post(link, {**NEW, "email": "nonsense"})
    assert answer.status_code == 400
    assert "not an e-mail address" in answer.text
    assert 'value="nonsense"' in answer.text
    assert NEW["password"] not in answer.text


def test_a_person_with_an_account_joins_with_it(cast, project, link, sign_in):
    client = sign_in(cast.outsider)
    assert "signed in as Outsider" in client.get(link).text
    client.post(link)
    assert Membership.objects.get(project=project, user=cast.outsider).role == "annotator"


def test_opening_a_link_joins_nobody(cast, project, link, sign_in):
    sign_in(cast.outsider).get(link)
    assert not Membership.objects.filter(user=cast.outsider).exists()


def test_a_member_with_more_rights_is_told_that_nothing_changed(cast, project, link, sign_in):
    client = sign_in(cast.manager)
    client.post(link)
    assert "already a manager" in client.get("/").text
    assert Membership.objects.get(project=project, user=cast.manager).role == "manager"


@pytest.mark.parametrize("end", ["expires", "revoked_at", "accepted_at"])
def test_a_link_that_is_over_answers_410(link, end):
    Invitation.objects.update(**{end: timezone.now() - timedelta(minutes=1)})
    for answer in (Client().get(link), Client().post(link, NEW)):
        assert answer.status_code == 410
        assert "expired_link" in answer.text
    assert not User.objects.filter(email="new@example.org").exists()


def test_a_made_up_link_answers_404(db):
    assert Client().get("/invite/made-up/").status_code == 404


def test_a_role_is_changed_on_the_page(cast, project, sign_in):
    url = reverse("member_role", args=[project.public_id, cast.annotator.pk])
    sign_in(cast.owner).post(url, {"role": "manager"})
    assert Membership.objects.get(project=project, user=cast.annotator).role == "manager"


def test_a_member_is_removed_on_the_page(cast, project, sign_in):
    url = reverse("member_remove", args=[project.public_id, cast.annotator.pk])
    sign_in(cast.manager).post(url)
    assert not Membership.objects.filter(project=project, user=cast.annotator).exists()


def test_the_last_owner_is_told_why_nothing_happens(cast, project, page, sign_in):
    client = sign_in(cast.owner)
    client.post(reverse("member_remove", args=[project.public_id, cast.owner.pk]))
    assert "needs an owner" in client.get(page).text


def test_an_invitation_is_taken_back_on_the_page(cast, project, page, link, sign_in):
    pk = Invitation.objects.get().pk
    sign_in(cast.owner).post(reverse("invitation_revoke", args=[project.public_id, pk]))
    assert Client().get(link).status_code == 410


def test_invitations_of_other_projects_are_not_found(cast, project, link, sign_in):
    other = type(project).objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.outsider, role="owner")
    pk = Invitation.objects.get().pk
    url = reverse("invitation_revoke", args=[other.public_id, pk])
    assert sign_in(cast.outsider).post(url).status_code == 404
    assert Invitation.objects.get().revoked_at is None


def test_a_member_is_paused_and_resumed_on_the_page(cast, project, page, sign_in):
    client = sign_in(cast.manager)
    client.post(reverse("member_pause", args=[project.public_id, cast.annotator.pk]))
    member = Membership.objects.get(user=cast.annotator)
    assert member.paused_at is not None
    Membership.objects.filter(pk=member.pk).update(pause_reason="gold:12:20:0.8")
    text = client.get(page).text
    assert "12 were answered rightly" in text
    client.post(reverse("member_resume", args=[project.public_id, cast.annotator.pk]))
    assert Membership.objects.get(user=cast.annotator).paused_at is None

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.errors import ConflictError, ExpiredError, ForbiddenError, InvalidInputError
from labelapp.models import Answer, AuditLog, Membership, PasswordResetLink, Task, User
from labelapp.selectors.people import may_create_projects, reset_link_for
from labelapp.selectors.projects import access
from labelapp.services import accounts, people

NEW = {"email": " New@Example.org ", "display_name": "New  Person", "password": "a b c d e f g"}


@pytest.fixture
def boss(db):
    return User.objects.create_superuser("boss@example.org", "x", display_name="Boss")


@pytest.fixture
def token(cast, project):
    owner = access(cast.owner, project.public_id)
    return people.create_invitation(access=owner, role="annotator")[1]


def refused(token: str, **changes) -> dict[str, object]:
    with pytest.raises(InvalidInputError) as caught:
        accounts.join_with_new_account(token=token, **{**NEW, **changes})
    return caught.value.fields


def test_a_new_person_gets_an_account_and_joins(project, token):
    user, joined = accounts.join_with_new_account(token=token, **NEW)
    assert (user.email, user.display_name) == ("new@example.org", "New Person")
    assert user.check_password(NEW["password"])
    assert joined.project == project
    assert not user.is_superuser


def test_a_link_makes_one_account(token):
    accounts.join_with_new_account(token=token, **NEW)
    with pytest.raises(ExpiredError):
        accounts.join_with_new_account(token=token, **{**NEW, "email": "b@example.org"})
    assert not User.objects.filter(email="b@example.org").exists()


def test_losing_the_race_leaves_no_account(token, monkeypatch):
    def lost(**_named):
        raise ExpiredError("Somebody else was faster.")

    monkeypatch.setattr(accounts, "accept_invitation", lost)
    with pytest.raises(ExpiredError):
        accounts.join_with_new_account(token=token, **NEW)
    assert not User.objects.filter(email="new@example.org").exists()


def test_a_wrong_address_a_weak_password_and_no_name_are_named(token):
    fields = refused(token, email="nonsense", display_name=" ", password="short")
    assert set(fields) == {"email", "display_name", "password"}


def test_an_address_longer_than_the_database_keeps_is_refused(token):
    long = f"{'x' * 60}@{'.'.join(['d' * 60] * 4)}.org"
    assert set(refused(token, email=long)) == {"email"}


def test_an_address_that_has_an_account_is_sent_to_sign_in(cast, token):
    assert "sign in" in str(refused(token, email=" OWNER@example.org")["email"])


def test_a_password_like_the_address_is_refused(token):
    assert set(refused(token, email="longaddress@example.org", password="longaddress")) == {
        "password"
    }


def test_a_deactivated_person_keeps_answers_and_loses_leases(cast, batch, boss):
    soon = timezone.now() + timedelta(seconds=60)
    Task.objects.filter(rank=0).update(lease_user=cast.annotator, lease_until=soon)
    before = Answer.objects.count()
    accounts.deactivate(actor=boss, user_id=cast.annotator.pk)
    assert Task.objects.get(rank=0).lease_user is None
    assert Answer.objects.count() == before
    assert Membership.objects.filter(user=cast.annotator).exists()
    assert AuditLog.objects.get().action == "person.deactivated"


def test_sessions_of_a_deactivated_person_do_not_come_back(cast, boss, sign_in):
    theirs, other = sign_in(cast.annotator), sign_in(cast.manager)
    accounts.deactivate(actor=boss, user_id=cast.annotator.pk)
    accounts.reactivate(actor=boss, user_id=cast.annotator.pk)
    assert theirs.get("/me/").status_code == 302
    assert other.get("/me/").status_code == 200


def test_a_deactivated_person_loses_the_links_they_made(cast, project, boss, token):
    Membership.objects.filter(user=cast.manager).update(role="owner")
    accounts.deactivate(actor=boss, user_id=cast.owner.pk)
    with pytest.raises(ExpiredError):
        accounts.join_with_new_account(token=token, **NEW)


def test_the_only_owner_of_a_project_stays(cast, project, boss):
    with pytest.raises(ConflictError, match="only owner of: Shapes"):
        accounts.deactivate(actor=boss, user_id=cast.owner.pk)
    assert User.objects.get(pk=cast.owner.pk).is_active


def test_of_two_owners_of_the_installation_one_may_go(cast, boss):
    second = User.objects.create_superuser("second@example.org", "x")
    accounts.deactivate(actor=boss, user_id=second.pk)
    assert not User.objects.get(pk=second.pk).is_active


def test_the_owner_does_not_deactivate_himself(boss):
    with pytest.raises(ConflictError):
        accounts.deactivate(actor=boss, user_id=boss.pk)


def test_a_person_comes_back_with_the_old_rights(cast, project, boss):
    accounts.deactivate(actor=boss, user_id=cast.annotator.pk)
    accounts.reactivate(actor=boss, user_id=cast.annotator.pk)
    person = User.objects.get(pk=cast.annotator.pk)
    assert access(person, project.public_id).role == "annotator"


@pytest.mark.parametrize("verb", [accounts.deactivate, accounts.reactivate])
def test_project_owners_do_not_manage_accounts(cast, verb):
    with pytest.raises(ForbiddenError):
        verb(actor=cast.owner, user_id=cast.annotator.pk)


def test_project_owners_make_no_reset_links(cast):
    with pytest.raises(ForbiddenError):
        accounts.create_reset_link(actor=cast.owner, user_id=cast.annotator.pk)
    assert not PasswordResetLink.objects.exists()


def test_a_reset_link_sets_a_password_once(cast, boss):
    _, token = accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)
    accounts.set_password_by_link(token=token, password="quite another one")
    assert User.objects.get(pk=cast.annotator.pk).check_password("quite another one")
    with pytest.raises(ExpiredError):
        accounts.set_password_by_link(token=token, password="and a third one")


def test_a_weak_password_leaves_the_reset_link_good(cast, boss):
    _, token = accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)
    with pytest.raises(InvalidInputError):
        accounts.set_password_by_link(token=token, password="short")
    assert reset_link_for(token).user == cast.annotator


def test_a_newer_reset_link_ends_the_older_one(cast, boss):
    _, old = accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)
    accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)
    with pytest.raises(ExpiredError):
        reset_link_for(old)


def test_a_reset_link_lasts_a_day(cast, boss):
    _, token = accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)
    left = PasswordResetLink.objects.get().expires - timezone.now()
    assert timedelta(hours=23.9) < left <= timedelta(hours=24)
    PasswordResetLink.objects.update(expires=timezone.now())
    with pytest.raises(ExpiredError):
        reset_link_for(token)


def test_reset_links_of_the_deactivated_do_not_work(cast, boss):
    _, token = accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)
    accounts.deactivate(actor=boss, user_id=cast.annotator.pk)
    with pytest.raises(ExpiredError):
        reset_link_for(token)
    with pytest.raises(ConflictError):
        accounts.create_reset_link(actor=boss, user_id=cast.annotator.pk)


def test_who_only_labels_makes_no_projects(cast, project, boss):
    makers = [cast.owner, cast.manager, boss]
    assert all(may_create_projects(user) for user in makers)
    assert not may_create_projects(cast.annotator)
    assert not may_create_projects(cast.outsider)


def test_colours_that_do_not_exist_are_refused(cast):
    with pytest.raises(InvalidInputError):
        accounts.set_theme(user=cast.owner, theme="pink")

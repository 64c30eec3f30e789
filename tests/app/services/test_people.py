from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.errors import (
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from labelapp.models import AuditLog, Event, Invitation, Membership, Task
from labelapp.rights import RIGHTS
from labelapp.selectors.people import assignable_roles, invitation_for, members
from labelapp.selectors.projects import access
from labelapp.selectors.role_table import ROLES, role_table
from labelapp.services import pauses, people


@pytest.fixture
def owner(cast, project):
    return access(cast.owner, project.public_id)


@pytest.fixture
def manager(cast, project):
    return access(cast.manager, project.public_id)


def invite(by, role: str = "annotator") -> str:
    return people.create_invitation(access=by, role=role)[1]


def role_of(project, user) -> str | None:
    return (
        Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()
    )


def test_the_token_is_not_stored(owner):
    invitation, token = people.create_invitation(access=owner, role="annotator")
    assert len(token) >= 40
    assert token not in str(Invitation.objects.values().get())
    assert invitation.expires - timezone.now() > timedelta(days=13.9)


def test_an_invited_person_joins(cast, project, owner):
    joined = people.accept_invitation(user=cast.outsider, token=invite(owner))
    assert joined.changed
    assert role_of(project, cast.outsider) == "annotator"
    assert Event.objects.get().type == "people.changed"


def test_a_link_works_once(cast, project, owner):
    token = invite(owner)
    people.accept_invitation(user=cast.outsider, token=token)
    Membership.objects.filter(user=cast.outsider).delete()
    with pytest.raises(ExpiredError):
        people.accept_invitation(user=cast.outsider, token=token)
    assert role_of(project, cast.outsider) is None


def test_of_two_who_race_for_a_link_one_wins(cast, project, owner, monkeypatch):
    token = invite(owner)
    seen = invitation_for(token)  # both have looked before either writes
    monkeypatch.setattr(people, "invitation_for", lambda _token: seen)
    people.accept_invitation(user=cast.outsider, token=token)
    Membership.objects.filter(project=project, user=cast.second_annotator).delete()
    with pytest.raises(ExpiredError):
        people.accept_invitation(user=cast.second_annotator, token=token)
    assert role_of(project, cast.second_annotator) is None


def test_an_old_link_is_refused(cast, owner):
    token = invite(owner)
    Invitation.objects.update(expires=timezone.now())
    with pytest.raises(ExpiredError) as caught:
        people.accept_invitation(user=cast.outsider, token=token)
    assert (caught.value.status, caught.value.code) == (410, "expired_link")


def test_a_link_that_was_taken_back_is_refused(cast, owner):
    token = invite(owner)
    people.revoke_invitation(access=owner, invitation_id=Invitation.objects.get().pk)
    with pytest.raises(ExpiredError):
        people.accept_invitation(user=cast.outsider, token=token)


def test_a_used_link_cannot_be_taken_back(cast, owner):
    people.accept_invitation(user=cast.outsider, token=invite(owner))
    with pytest.raises(ConflictError):
        people.revoke_invitation(access=owner, invitation_id=Invitation.objects.get().pk)


def test_a_link_that_never_was_is_not_found(cast):
    with pytest.raises(NotFoundError):
        people.accept_invitation(user=cast.outsider, token="made-up")


def test_a_link_to_a_deleted_project_is_not_found(cast, project, owner):
    token = invite(owner)
    type(project).objects.filter(pk=project.pk).update(status="deleting")
    with pytest.raises(NotFoundError):
        people.accept_invitation(user=cast.outsider, token=token)


def test_nobody_is_made_less_by_a_link_and_the_link_stays_good(cast, project, owner):
    token = invite(owner)
    joined = people.accept_invitation(user=cast.manager, token=token)
    assert (joined.changed, joined.role) == (False, "manager")
    assert role_of(project, cast.manager) == "manager"
    assert people.accept_invitation(user=cast.outsider, token=token).changed


def test_a_link_can_make_a_member_more(cast, project, owner):
    people.accept_invitation(user=cast.annotator, token=invite(owner, "manager"))
    assert role_of(project, cast.annotator) == "manager"


def test_managers_invite_managers_but_no_owners(manager):
    invite(manager, "manager")
    with pytest.raises(ForbiddenError):
        invite(manager, "owner")


@pytest.mark.parametrize("role", ["", "king", "OWNER"])
def test_a_role_that_does_not_exist_is_refused(owner, role):
    with pytest.raises(ForbiddenError):
        invite(owner, role)


@pytest.mark.parametrize("days", [0, -1, 91])
def test_a_link_lasts_between_one_and_ninety_days(owner, days):
    with pytest.raises(InvalidInputError):
        people.create_invitation(access=owner, role="annotator", days=days)


def test_annotators_invite_nobody(cast, project):
    with pytest.raises(ForbiddenError):
        invite(access(cast.annotator, project.public_id))


def test_a_role_is_changed_and_logged(cast, project, owner):
    people.change_role(access=owner, user_id=cast.annotator.pk, role="manager")
    assert role_of(project, cast.annotator) == "manager"
    entry = AuditLog.objects.get(action="role.changed")
    assert (entry.before, entry.after) == ({"role": "annotator"}, {"role": "manager"})


def test_managers_do_not_touch_owners(cast, project, manager):
    with pytest.raises(ForbiddenError):
        people.change_role(access=manager, user_id=cast.owner.pk, role="annotator")
    with pytest.raises(ForbiddenError):
        people.remove_member(access=manager, user_id=cast.owner.pk)
    assert role_of(project, cast.owner) == "owner"


def test_managers_do_not_make_themselves_owners(cast, manager):
    with pytest.raises(ForbiddenError):
        people.change_role(access=manager, user_id=cast.manager.pk, role="owner")


def test_the_last_owner_stays_owner(cast, project, owner):
    with pytest.raises(ConflictError):
        people.change_role(access=owner, user_id=cast.owner.pk, role="manager")
    with pytest.raises(ConflictError):
        people.remove_member(access=owner, user_id=cast.owner.pk)
    assert role_of(project, cast.owner) == "owner"


def test_a_deactivated_owner_does_not_count_as_one(cast, project, owner):
    people.change_role(access=owner, user_id=cast.manager.pk, role="owner")
    type(cast.manager).objects.filter(pk=cast.manager.pk).update(is_active=False)
    with pytest.raises(ConflictError):
        people.remove_member(access=owner, user_id=cast.owner.pk)


def test_one_of_two_owners_may_leave(cast, project, owner):
    people.change_role(access=owner, user_id=cast.manager.pk, role="owner")
    people.remove_member(access=owner, user_id=cast.owner.pk)
    assert role_of(project, cast.owner) is None


def test_a_removed_person_loses_the_leases(cast, project, batch, owner):
    soon = timezone.now() + timedelta(seconds=60)
    Task.objects.filter(rank=0).update(lease_user=cast.annotator, lease_until=soon)
    Task.objects.filter(rank=1).update(lease_user=cast.second_annotator, lease_until=soon)
    people.remove_member(access=owner, user_id=cast.annotator.pk)
    assert Task.objects.get(rank=0).lease_user is None
    assert Task.objects.get(rank=1).lease_user == cast.second_annotator


def test_a_removed_person_does_not_come_back_by_an_own_link(cast, project, owner, manager):
    token = invite(manager)
    people.remove_member(access=owner, user_id=cast.manager.pk)
    with pytest.raises(ExpiredError):
        people.accept_invitation(user=cast.manager, token=token)


def test_a_manager_who_becomes_annotator_loses_open_links(cast, owner, manager):
    token = invite(manager, "manager")
    people.change_role(access=owner, user_id=cast.manager.pk, role="annotator")
    with pytest.raises(ExpiredError):
        people.accept_invitation(user=cast.manager, token=token)


def test_annotators_remove_nobody_but_may_leave(cast, project):
    mine = access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        people.remove_member(access=mine, user_id=cast.second_annotator.pk)
    people.remove_member(access=mine, user_id=cast.annotator.pk)
    assert role_of(project, cast.annotator) is None


def test_people_outside_the_project_are_not_found(cast, owner):
    with pytest.raises(NotFoundError):
        people.change_role(access=owner, user_id=cast.outsider.pk, role="manager")


# --- reviewers -----------------------------------------------------------------------------------


def test_a_reviewer_is_between_annotators_and_managers(cast, project):
    owner = access(cast.owner, project.public_id)
    people.change_role(access=owner, user_id=cast.annotator.pk, role="reviewer")
    _, token = people.create_invitation(access=owner, role="annotator")
    assert not people.accept_invitation(user=cast.annotator, token=token).changed
    _, token = people.create_invitation(access=owner, role="manager")
    assert people.accept_invitation(user=cast.annotator, token=token).changed


def test_managers_make_reviewers_and_owners_come_first(cast, project):
    manager = access(cast.manager, project.public_id)
    assert [str(role) for role in assignable_roles(manager)] == [
        "annotator",
        "reviewer",
        "viewer",
        "manager",
    ]
    people.change_role(access=manager, user_id=cast.annotator.pk, role="reviewer")
    roles = [m.role for m in members(manager)]
    assert roles == ["owner", "manager", "reviewer", "annotator"]


def test_a_manager_who_becomes_a_reviewer_loses_their_links(cast, project):
    manager = access(cast.manager, project.public_id)
    people.create_invitation(access=manager, role="annotator")
    owner = access(cast.owner, project.public_id)
    people.change_role(access=owner, user_id=cast.manager.pk, role="reviewer")
    assert Invitation.objects.get().revoked_at is not None


def test_a_manager_cannot_pause_an_owner_but_lift_their_own_pause(cast, project):
    manager = access(cast.manager, project.public_id)
    with pytest.raises(ForbiddenError):
        pauses.pause(access=manager, user_id=cast.owner.pk)
    pauses.pause(access=manager, user_id=cast.manager.pk)
    pauses.resume(access=manager, user_id=cast.manager.pk)
    with pytest.raises(ConflictError):
        pauses.resume(access=manager, user_id=cast.manager.pk)


def test_annotators_pause_nobody(cast, project):
    ann = access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        pauses.resume(access=ann, user_id=cast.annotator.pk)
    with pytest.raises(NotFoundError):
        pauses.pause(access=access(cast.owner, project.public_id), user_id=cast.outsider.pk)


def test_a_viewer_looks_on_and_no_link_takes_that_away(cast, project, owner):
    people.accept_invitation(user=cast.outsider, token=invite(owner, "viewer"))
    found = access(cast.outsider, project.public_id)
    assert found.rights == {"view_dashboard", "browse"}
    token = invite(owner, "annotator")  # labels, but sees no costs: neither more nor less
    assert not people.accept_invitation(user=cast.outsider, token=token).changed
    people.accept_invitation(user=cast.outsider, token=invite(owner, "manager"))
    assert role_of(project, cast.outsider) == "manager"


def test_the_table_of_roles_says_what_the_rights_say():
    columns = zip(*(row.cells for row in role_table()), strict=True)
    counts = [sum(cells) for cells in columns]
    assert counts == [len(RIGHTS[role]) for role in ROLES]


def test_an_invitation_for_an_address_is_for_that_address(cast, project, owner):
    email = cast.outsider.email
    token = people.create_invitation(access=owner, role="annotator", email=email)[1]
    with pytest.raises(ForbiddenError, match="sent to"):
        people.accept_invitation(user=cast.second_annotator, token=token)
    assert people.accept_invitation(user=cast.outsider, token=token).changed

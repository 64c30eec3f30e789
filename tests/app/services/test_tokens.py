from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.errors import BadTokenError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import AccessToken, AuditLog, Membership, Project, User
from labelapp.rights import SCOPES, Right, Scope
from labelapp.selectors.projects import access, visible_projects
from labelapp.services import accounts, audit, tokens


def make(user, *scopes: str, **changes) -> str:
    values = {"name": "nightly", "scopes": scopes or ("read",), **changes}
    return tokens.create(user=user, **values)[1]


def test_the_text_is_not_stored_and_begins_as_pages_show_it(cast):
    token, text = tokens.create(user=cast.manager, name=" my  script ", scopes=["read"])
    assert text.startswith("mcal_")
    assert len(text) > 40
    assert text not in str(AccessToken.objects.values().get())
    assert (token.prefix, token.name) == (text[:12], "my script")
    assert AuditLog.objects.get().action == "token.created"


def test_a_token_grants_what_its_person_and_its_scopes_both_allow(cast, project):
    manager = tokens.person_of(make(cast.manager, "read", "export"))
    found = access(manager, project.public_id)
    assert {right for right in Right if found.may(right)} == {
        Right.VIEW_DASHBOARD,
        Right.BROWSE,
        Right.EXPORT,
    }
    annotator = tokens.person_of(make(cast.annotator, "read", "label", "export"))
    found = access(annotator, project.public_id)
    assert {right for right in Right if found.may(right)} == {Right.LABEL}


def test_a_refusal_says_whether_the_role_or_the_token_lacks_the_right(cast, project):
    with pytest.raises(ForbiddenError, match="scope"):
        access(tokens.person_of(make(cast.manager, "read")), project.public_id, Right.EXPORT)
    with pytest.raises(ForbiddenError, match="role"):
        access(tokens.person_of(make(cast.annotator, "export")), project.public_id, Right.EXPORT)


def test_no_scope_covers_people_the_log_webhooks_or_the_end(db):
    covered = frozenset().union(*SCOPES.values())
    assert set(Right) - covered == {
        Right.MANAGE_PEOPLE,
        Right.AUDIT_LOG,
        Right.WEBHOOKS,
        Right.DELETE,
    }


def test_a_token_of_one_project_sees_no_other(cast, project):
    other = Project.objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.manager, role="owner")
    user = tokens.person_of(make(cast.manager, "read", pid=project.public_id))
    assert list(visible_projects(user)) == [project]
    with pytest.raises(NotFoundError):
        access(user, other.public_id)


def test_no_token_for_a_project_of_others(cast, project):
    with pytest.raises(NotFoundError):
        make(cast.outsider, pid=project.public_id)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": " "}, "name"), ({"scopes": ["delete"]}, "scopes"), ({"days": 0}, "days")],
)
def test_what_is_wrong_is_named(cast, changes, field):
    with pytest.raises(InvalidInputError) as caught:
        make(cast.manager, **changes)
    assert set(caught.value.fields) == {field}


def test_the_wrong_the_old_the_revoked_and_those_of_people_who_left_are_refused(cast, project):
    boss = User.objects.create_superuser("boss@example.org", "x")
    old, revoked, left = make(cast.owner), make(cast.manager), make(cast.annotator)
    AccessToken.objects.filter(user=cast.owner).update(expires=timezone.now())
    tokens.revoke(user=cast.manager, token_id=AccessToken.objects.get(user=cast.manager).pk)
    User.objects.filter(pk=cast.annotator.pk).update(is_active=False)
    for text, words in ((old, "too old"), (revoked, "revoked"), (left, "deactivated")):
        with pytest.raises(BadTokenError, match=words):
            tokens.person_of(text)
    for text in ("", "mcal_", old[:-1], old.upper()):
        with pytest.raises(BadTokenError):
            tokens.person_of(text)
    make(cast.second_annotator)
    accounts.deactivate(actor=boss, user_id=cast.second_annotator.pk)
    assert AccessToken.objects.get(user=cast.second_annotator).revoked_at


def test_last_used_is_written_once_a_minute(cast, django_assert_num_queries):
    text = make(cast.manager)
    tokens.person_of(text)
    with django_assert_num_queries(1):
        tokens.person_of(text)
    long_ago = timezone.now() - timedelta(minutes=2)
    AccessToken.objects.update(last_used=long_ago)
    tokens.person_of(text)
    assert AccessToken.objects.get().last_used > long_ago


def test_the_audit_log_names_the_token(cast, project):
    text = make(cast.owner, *Scope)
    user = tokens.person_of(text)
    assert audit.write(user=user, project=project, action="export.started").token == text[:12]


def test_who_manages_people_revokes_tokens_of_the_project_and_no_others(cast, project):
    make(cast.annotator, "label", pid=project.public_id)
    make(cast.annotator, "label")
    bound, free = AccessToken.objects.order_by("pk")
    manager = access(cast.manager, project.public_id)
    tokens.revoke_in_project(access=manager, token_id=bound.pk)
    with pytest.raises(NotFoundError):
        tokens.revoke_in_project(access=manager, token_id=free.pk)
    annotator = access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        tokens.revoke_in_project(access=annotator, token_id=bound.pk)
    with pytest.raises(NotFoundError):
        tokens.revoke(user=cast.manager, token_id=free.pk)

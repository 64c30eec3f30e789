"""Hand-written reads give what the ORM gives, on every database."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from labelapp.models import Membership, Project, User
from labelapp.rights import Right
from labelapp.selectors.projects import access
from labelapp.selectors.sessions import access_by_session


@pytest.fixture
def session(cast) -> str:
    client = Client()
    client.force_login(cast.annotator, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies["sessionid"].value


def values(instance) -> dict:
    return {field.attname: getattr(instance, field.attname) for field in instance._meta.fields}


def test_every_column_reads_as_the_orm_reads_it(cast, project, session):
    Project.objects.filter(pk=project.pk).update(
        budget=Decimal("12.345678"),
        archived_at=timezone.now(),
        rivals=["cnn_fast"],
        settings={"flip": True},
        gold_pause_below=0.7,
    )
    User.objects.filter(pk=cast.annotator.pk).update(key_map={"*": {"a": "ü"}})
    by_session = access_by_session(session, project.public_id, Right.LABEL)
    by_orm = access(User.objects.get(pk=cast.annotator.pk), project.public_id)
    assert by_session is not None
    assert values(by_session.project) == values(by_orm.project)
    assert values(by_session.user) == values(by_orm.user)
    assert by_session.role == by_orm.role


def test_the_right_is_asked_for(cast, project, session):
    assert access_by_session(session, project.public_id, Right.STEER) is None
    Membership.objects.filter(project=project, user=cast.annotator).update(role="manager")
    assert access_by_session(session, project.public_id, Right.STEER) is not None


def test_a_session_that_was_tampered_with_is_nobodys(cast, project, session):
    stored = Session.objects.get(session_key=session)
    stored.session_data = stored.session_data[:-3] + "abc"
    stored.save()
    assert access_by_session(session, project.public_id, Right.LABEL) is None


def test_a_session_without_a_person_is_nobodys(project):
    client = Client()
    anonymous = client.session
    anonymous["seen"] = 1
    anonymous.save()
    assert access_by_session(anonymous.session_key, project.public_id, Right.LABEL) is None

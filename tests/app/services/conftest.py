"""Who labels and who decides, while the module's `batch` is open."""

from __future__ import annotations

import pytest

from labelapp.models import Membership
from labelapp.rights import Role
from labelapp.selectors.projects import Access
from tests.app.services.labelling_help import entry


@pytest.fixture
def ann(cast, project, batch) -> Access:
    return entry(project, cast.annotator)


@pytest.fixture
def ben(cast, project, batch) -> Access:
    return entry(project, cast.second_annotator)


@pytest.fixture
def boss(cast, project, batch) -> Access:
    return entry(project, cast.manager)


@pytest.fixture
def eve(cast, project, batch) -> Access:
    """A reviewer."""
    Membership.objects.create(project=project, user=cast.outsider, role=Role.REVIEWER)
    return entry(project, cast.outsider)


@pytest.fixture
def owner(cast, project, batch) -> Access:
    return entry(project, cast.owner)

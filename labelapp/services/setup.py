"""First start: the owner with a generated password, and the demo project. Idempotent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from labelapp.formats import demo_set
from labelapp.models import Project, User
from labelapp.selectors.projects import access
from labelapp.services import imports, projects
from labelapp.services.terms import Method, Terms

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
DEMO_NAME = "Fashion-MNIST demo"
DEMO_ROUNDS = 8  # a whole run is watched in minutes


@dataclass(frozen=True)
class FirstStart:
    """What is there now. `password` and `project` only when this call made them."""

    owner: User
    password: str | None
    project: Project | None


@transaction.atomic
def first_start(*, with_demo: bool = True) -> FirstStart:
    """Make the owner and the demo project if this installation has no owner yet.

    All in one transaction: an owner without a printed password cannot remain from a crash
    before the commit, and a deleted demo project does not come back at the next start.
    """
    owner = User.objects.filter(is_superuser=True).order_by("pk").first()
    if owner is not None:
        return FirstStart(owner, None, None)
    password = new_password()
    owner = User.objects.create_superuser(settings.OWNER_EMAIL, password, display_name="Owner")
    return FirstStart(owner, password, create_demo_project(owner=owner) if with_demo else None)


@transaction.atomic
def create_demo_project(*, owner: User, name: str = DEMO_NAME) -> Project:
    """Create the demo project and start the import of its 10,000 images."""
    project = projects.create_project(
        user=owner,
        name=name,
        class_names=demo_set.demo_classes(),
        terms=Terms(0.05, 0.95, Decimal("0.04"), Decimal("3.6"), "USD"),
        method=Method(),
        settings={"flip": True, "max_rounds": DEMO_ROUNDS},
    )
    Project.objects.filter(pk=project.pk).update(is_demo=True)
    project.is_demo = True
    imports.start_import(access=access(owner, project.public_id), kind="demo", source="demo")
    return project


def new_password() -> str:
    """Return a random password of 20 characters in four groups (about 99 bits)."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    return "-".join(groups)

"""What `tools/screenshots.py` adds to the demo's run: a budget, a rival, names, gold, a webhook.

Uses the services that pages use, on the data folder of MCAL_DATA_DIR. With `plan` the run gets its
budget and a network that races, once it has begun. Without, all that a team has is added: no worker
runs meanwhile, the jobs that this asks for are done at the next start.
"""

from __future__ import annotations

import os
import sys
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "labelapp.settings"

import django  # noqa: E402

django.setup()

from django.db import transaction  # noqa: E402

from labelapp.errors import RunMovedError  # noqa: E402
from labelapp.models import Membership, Project, Run, User  # noqa: E402
from labelapp.rights import Role  # noqa: E402
from labelapp.selectors.projects import Access, access  # noqa: E402
from labelapp.services import (  # noqa: E402
    gold_items,
    guidelines,
    label_issues,
    notify_events,
    notify_sweeps,
    people,
    people_report,
    review_samples,
    run_settings,
    steering,
    webhooks,
)
from labelapp.services.terms import Terms  # noqa: E402
from tools.screenshots import PASSWORD  # noqa: E402

NAMES = (
    "Amira Haddad",
    "Ben Okafor",
    "Chloé Martin",
    "Davi Rocha",
    "Emil Lindqvist",
    "Fatima Khan",
)


BUDGET = Decimal(150)
RIVAL = "cnn_small+checkpoints=5"


def main() -> None:
    """Add all of it; what a service refuses is said and left out."""
    project = Project.objects.order_by("pk").first()
    owner = User.objects.filter(is_superuser=True).first()
    assert project is not None
    assert owner is not None
    if "plan" in sys.argv:
        plan(access(owner, project.public_id))
        return
    with transaction.atomic():
        name_people(project, owner)
    me = access(owner, project.public_id)
    attempt("guidelines", lambda: write_guidelines(me))
    attempt("gold", lambda: gold_items.adopt(access=me))
    attempt("sample", lambda: review_samples.draw(access=me, kind="labels", size=40))
    attempt("report", lambda: people_report.request(access=me))
    attempt("errors", lambda: label_issues.start(access=me))
    hook = {"url": "https://hooks.example.org/labels", "kinds": ["run_finished", "budget"]}
    attempt("webhook", lambda: webhooks.create(access=me, **hook))
    attempt("invitation", lambda: people.create_invitation(access=me, role="reviewer", note="Eva"))
    notify_events.make_news()
    notify_sweeps.look_at_budgets()


def plan(me: Access) -> None:
    """Give the run that has just begun a budget, and a network that races, unless it has them."""
    if RIVAL in me.project.rivals:
        return
    now = {field.name: getattr(me.project, field.name) for field in fields(Terms)}
    terms = Terms(**now | {"budget": BUDGET})
    run_settings.change_settings(access=me, terms=terms)
    methods = replace(steering.Methods.of(me.project), rivals=(RIVAL,))
    for _try in range(run_settings.TRIES):
        version = Run.objects.get(project=me.project).version
        try:
            steering.change_methods(access=me, methods=methods, version=version)
        except RunMovedError:  # a step of the run came in between
            continue
        return
    sys.exit("The run goes on too fast for a second network.")


def write_guidelines(me: Access) -> None:
    """Write the first version, without examples."""
    guidelines.save_guidelines(access=me, text=TEXT, entries={}, base_version=0)


TEXT = """Choose what the picture shows, not what it might be called in a shop.

Shirt or T-shirt: a collar or buttons make it a shirt. Coat or pullover: a coat opens in front."""


def name_people(project: Project, owner: User) -> None:
    """Give the simulated people names and the owner a password; a customer looks on."""
    owner.display_name = "Olga Petrova"
    owner.set_password(PASSWORD)
    owner.save(update_fields=["display_name", "password"])
    simulated = User.objects.filter(is_simulated=True).order_by("pk")
    for user, name in zip(simulated, NAMES, strict=False):
        email = name.split()[0].lower().replace("é", "e") + "@example.org"
        User.objects.filter(pk=user.pk).update(display_name=name, email=email, is_simulated=False)
    viewer = User.objects.create_user("noor@example.org", display_name="Noor Aziz")
    Membership.objects.create(project=project, user=viewer, role=Role.VIEWER)


def attempt(what: str, do) -> None:  # type: ignore[no-untyped-def]
    """Do it, or say why not."""
    try:
        do()
    except Exception as problem:  # noqa: BLE001 - a picture without it is still a picture
        print(f"  without {what}: {problem}")


if __name__ == "__main__":
    main()

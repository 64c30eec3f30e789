"""The demo with simulated people: their accounts, what they know, and what came of it."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db import transaction

from labelapp.formats import demo_set
from labelapp.models import Certificate, Image, Iteration, Label, Membership, Project, User
from labelapp.rights import Role
from labelapp.services import setup


@dataclass(frozen=True)
class SimulatedAccount:
    """An account of a simulated person, with the password that was just made for it."""

    email: str
    password: str


@dataclass(frozen=True)
class DemoPlan:
    """What the simulated people are told in private: project, accounts."""

    project: str
    accounts: list[SimulatedAccount]


@dataclass(frozen=True)
class DemoResult:
    """How the run ended. Money in the project's currency; errors are shares."""

    images: int
    human: int
    machine: int
    rounds: int
    label_spend: Decimal
    compute_spend: Decimal
    human_only: Decimal
    machine_errors: int
    human_errors: int
    epsilon: float
    audited: int = 0
    promise: str = ""  # of the certificate, empty without one

    @property
    def spent(self) -> Decimal:
        """Labels and compute together."""
        return self.label_spend + self.compute_spend

    @property
    def saving(self) -> float:
        """Share of the human-only cost that was not spent."""
        return float(1 - self.spent / self.human_only) if self.human_only else 0.0

    @property
    def machine_error(self) -> float:
        """Share of the machine's labels that are wrong."""
        return self.machine_errors / self.machine if self.machine else 0.0

    @property
    def delivered_error(self) -> float:
        """Share of the whole data set that is wrong."""
        wrong = self.machine_errors + self.human_errors
        return wrong / self.images if self.images else 0.0


@transaction.atomic
def prepare_demo(*, owner: User, people: int) -> tuple[Project, DemoPlan]:
    """Return a demo project that is not finished, and simulated accounts that may label it.

    Makes what is missing; a finished demo is kept and another one is begun.
    """
    project = _unfinished_demo(owner)
    accounts = [_account(number) for number in range(1, people + 1)]
    for account in accounts:
        user = User.objects.get(email=account.email)
        Membership.objects.get_or_create(
            project=project, user=user, defaults={"role": Role.ANNOTATOR}
        )
    return project, DemoPlan(project.public_id, accounts)


def _unfinished_demo(owner: User) -> Project:
    demos = Project.objects.filter(is_demo=True, memberships__user=owner)
    demos = demos.exclude(status=Project.Status.DELETING)
    live = demos.filter(archived_at=None).exclude(status=Project.Status.FINISHED)
    found = live.order_by("-created").first()
    if found is not None:
        return found
    count = demos.count()
    name = f"{setup.DEMO_NAME} {count + 1}" if count else setup.DEMO_NAME
    return setup.create_demo_project(owner=owner, name=name)


def _account(number: int) -> SimulatedAccount:
    """Make or renew a simulated person's account: its password is new each time."""
    email, password = f"simulated-{number}@localhost", setup.new_password()
    user = User.objects.filter(email=email, is_simulated=True).first()
    if user is None:
        User.objects.create_user(
            email, password, display_name=f"Simulated {number}", is_simulated=True
        )
    else:
        user.set_password(password)
        user.is_active = True
        user.save(update_fields=["password", "is_active"])
    return SimulatedAccount(email, password)


def renew_owner_password(owner: User) -> str:
    """Give the owner of a demo installation a new password and return it."""
    password = setup.new_password()
    owner.set_password(password)
    owner.save(update_fields=["password"])
    return password


def plan_path() -> Path:
    """Return where the simulated people find their instructions."""
    return Path(settings.DATA_DIR) / "demo_people.json"


def write_plan(plan: DemoPlan) -> None:
    """Write the instructions of the simulated people, readable by this system user only."""
    descriptor = os.open(plan_path(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(asdict(plan), handle)


def read_plan() -> DemoPlan:
    """Read what `write_plan` wrote."""
    content = json.loads(plan_path().read_text())
    accounts = [SimulatedAccount(**account) for account in content["accounts"]]
    return DemoPlan(content["project"], accounts)


def known_labels(project: Project) -> list[int]:
    """Return the true class of each image of a demo project, by the image's number."""
    by_name = demo_set.demo_labels()
    names = Image.objects.filter(project=project).order_by("seq").values_list("name", flat=True)
    return [by_name[name] for name in names]


def result_of(project: Project) -> DemoResult:
    """Compare what was delivered with the known labels, and add up what it cost."""
    truth = known_labels(project)
    wrong, counts = _count_errors(project, truth)
    project.counter.refresh_from_db()
    return DemoResult(
        images=len(truth),
        human=counts[Label.Source.HUMAN],
        machine=counts[Label.Source.MACHINE],
        rounds=Iteration.objects.filter(run__project=project).count(),
        label_spend=project.counter.label_spend,
        compute_spend=project.counter.compute_spend,
        human_only=len(truth) * project.price_per_label,
        machine_errors=wrong[Label.Source.MACHINE],
        human_errors=wrong[Label.Source.HUMAN],
        epsilon=project.epsilon,
        audited=project.counter.audit,
        promise=_promise(project),
    )


def _promise(project: Project) -> str:
    found = Certificate.objects.filter(run__project=project).first()
    return str(found.content.get("promise", "")) if found else ""


def _count_errors(project: Project, truth: list[int]) -> tuple[Counter[str], Counter[str]]:
    """Return (wrong labels, all labels), each by source."""
    wrong: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    labels = Label.objects.filter(project=project).values_list("seq", "class_index", "source")
    for seq, index, source in labels:
        counts[source] += 1
        wrong[source] += truth[seq] != index
    return wrong, counts

"""Who holds what, ready for the managers' page."""

from __future__ import annotations

from dataclasses import dataclass, field

from labelapp.models import LabelBatch, Membership, Project
from labelapp.selectors.dashboard_words import number, purpose_words
from labelapp.selectors.quality import pause_words
from labelapp.selectors.queue import Holding, experts_wait_for, holdings

SHOWN = 12  # tasks of one person; more are counted


@dataclass
class Hands:
    """What one person holds, what is on screen first."""

    user_id: int
    name: str
    email: str
    tasks: list[Holding] = field(default_factory=list)

    @property
    def shown(self) -> list[Holding]:
        """The first tasks."""
        return self.tasks[:SHOWN]

    @property
    def more(self) -> int:
        """How many tasks are not shown."""
        return max(0, len(self.tasks) - SHOWN)

    @property
    def releasable(self) -> int:
        """How many tasks others could take."""
        return sum(task.kind != "own" for task in self.tasks)


def by_person(project: Project) -> list[Hands]:
    """Return who holds tasks, without gold: nobody is to know which images those are."""
    people: dict[int, Hands] = {}
    for task in holdings(project):
        hands = people.setdefault(
            task.user_id, Hands(task.user_id, task.name or task.email, task.email)
        )
        if task.purpose != "gold":
            hands.tasks.append(task)
    return [hands for hands in people.values() if hands.tasks]


def overview(project: Project) -> dict[str, object]:
    """Return everything that the page shows."""
    batches = LabelBatch.objects.filter(project=project, state=LabelBatch.State.OPEN)
    paused = Membership.objects.filter(project=project, paused_at__isnull=False)
    people = by_person(project)
    return {
        "people": people,
        "over": sum(task.kind == "over" for hands in people for task in hands.tasks),
        "batches": [_batch(batch) for batch in batches.order_by("pk")],
        "experts": experts_wait_for(project),
        "paused": [
            (member, pause_words(member.pause_reason))
            for member in paused.select_related("user").order_by("paused_at")
        ],
    }


def _batch(batch: LabelBatch) -> dict[str, object]:
    given = max(0, batch.size - batch.remaining)
    return {
        "purpose_words": purpose_words(batch.purpose),
        "wanted": batch.size,
        "given": given,
        "wanted_text": number(batch.size),
        "given_text": number(given),
    }

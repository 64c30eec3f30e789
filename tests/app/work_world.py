"""People who answer images on chosen days, as plain rows."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from labelapp.models import Answer, LabelClass, LedgerEntry, Task, WorkDay
from tests.app.conftest import add_images, open_batch

FIRST = date(2026, 3, 1)


def at(day: int, hour: float = 12) -> datetime:
    """A moment of the day with this number, the first one being 0."""
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day, hours=hour)


class World:
    """People answer images on chosen days."""

    def __init__(self, project) -> None:
        self.project = project
        self.batch = open_batch(project, add_images(project, 10))
        self.tasks = list(Task.objects.filter(batch=self.batch).order_by("rank"))
        self.classes = list(LabelClass.objects.filter(project=project).order_by("index"))

    def say(self, user, image: int, day: int, what: int | None = 0, instead=None, **fields):
        task, key = self.tasks[image], uuid.uuid4()
        if instead is not None:
            Answer.objects.filter(pk=instead.pk).update(superseded_by=key)
        return Answer.objects.create(
            id=key,
            task=task,
            batch=self.batch,
            project=self.project,
            image_id=task.image_id,
            user=user,
            kind="skip" if what is None else "class",
            label_class=None if what is None else self.classes[what],
            active_ms=1500,
            **{"created": at(day), **fields},
        )

    def pay(self, user, day: int, amount: str = "0.04", created=None, **fields) -> None:
        LedgerEntry.objects.create(
            project=self.project,
            key=str(uuid.uuid4()),
            **{"purpose": "train", "quantity": 1, **fields},
            unit_price=Decimal(amount),
            amount=Decimal(amount),
            user=user,
            created=created or at(day),
        )

    def work(self, user, day: int) -> dict[str, int]:
        row = WorkDay.objects.get(project=self.project, user=user, day=FIRST + timedelta(days=day))
        return {
            name: value for name, value in vars(row).items() if isinstance(value, int) and value
        }

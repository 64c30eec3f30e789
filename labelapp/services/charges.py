"""What people's answers cost: each slot is charged once, to the answer that fills it."""

from __future__ import annotations

from decimal import Decimal

from labelapp.models import Answer, LabelBatch, LedgerEntry, Task
from labelapp.services.answer_input import Given
from labelapp.services.desk import Desk, key_of
from labelapp.services.statements import insert


def charge(desk: Desk, answer: Answer, batch: LabelBatch) -> None:
    """Book one label's price for the answer that fills the slot; corrections are free."""
    price = desk.access.project.price_per_label
    _book(desk, batch, f"answer:{answer.pk}", Decimal(1), price)


def refund(desk: Desk, task: Task, given: Given) -> None:
    """Book the charge back: a label that was taken back is paid to whoever gives it in the end."""
    keys = [f"answer:{answer_id}" for answer_id in desk.given.get(key_of(task), [])]
    charges = LedgerEntry.objects.filter(project_id=task.project_id, key__in=keys)
    paid = charges.order_by("-pk").values_list("unit_price", flat=True)[0]
    _book(desk, desk.batch(task), f"withdrawn:{given.id}", Decimal(-1), paid)


def _book(desk: Desk, batch: LabelBatch, key: str, quantity: Decimal, price: Decimal) -> None:
    insert(
        LedgerEntry(
            project_id=batch.project_id,
            key=key,
            purpose=batch.purpose,
            quantity=quantity,
            unit_price=price,
            amount=quantity * price,
            user_id=desk.me,
        )
    )
    desk.spend += quantity * price

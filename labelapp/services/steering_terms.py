"""On which terms a finished project is opened again: the share of wrong labels, and the budget."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError
from labelapp.selectors.money_words import price
from labelapp.services.terms import budget_problem


def check_terms(epsilon: float | None, budget: Decimal | None) -> None:
    """Raise InvalidInputError for a share of wrong labels or a budget that makes no sense."""
    if epsilon is not None and not 0 < epsilon < 1:
        text = _("The allowed error must lie between 0 % and 100 %, both excluded.")
        raise InvalidInputError(text, epsilon=text)
    if text := budget_problem(budget):
        raise InvalidInputError(text, budget=text)


def plain(terms: dict[str, Any]) -> dict[str, Any]:
    """Return the terms ready for JSON: a budget as text."""
    budget = terms["budget"]
    return terms | {"budget": None if budget is None else str(budget.normalize())}


def too_little(least: float, currency: str) -> str:
    """Say what budget opening again takes at least, to the cent above; `least` is in `currency`."""
    cents = Decimal(f"{least - 1e-9:.9f}").quantize(Decimal("0.01"), ROUND_CEILING)
    text = _(
        "With this budget the new promise could only be worse than the one there is: the next "
        "training and a check of the machine's labels bring the sum to %(least)s at least. Give a "
        "larger budget, or leave the project as it is."
    )
    return text % {"least": price(cents, currency)}

"""What a project promises and pays, and how the engine is to work: values and their checks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from labelapp import choices
from labelapp.models import Project
from labelapp.selectors.candidate_words import candidate_name, candidate_problem, is_one_network
from labelapp.selectors.dashboard_words import number

MAX_PRICE = Decimal(100_000)
MAX_BUDGET = Decimal(1_000_000_000)
MAX_RIVALS = 4
CURRENCIES = ("USD", "EUR", "GBP", "CHF", "JPY", "INR", "CAD", "AUD", "CNY", "BRL", "KES", "PHP")


@dataclass(frozen=True)
class Terms:
    """What a project promises and what it pays. Shares are of 1, money in `currency`.

    Without a budget the promise is kept at whatever it costs.
    """

    epsilon: float
    confidence: float
    price_per_label: Decimal
    compute_price_per_hour: Decimal
    currency: str
    budget: Decimal | None = None

    def check(self) -> dict[str, str]:
        """Return what is wrong, by field; empty when all is well."""
        wrong = {}
        if not 0 < self.epsilon < 1:
            wrong["epsilon"] = _("The allowed error must lie between 0 % and 100 %, both excluded.")
        if not 0.5 <= self.confidence < 1:
            wrong["confidence"] = _("The confidence must lie between 50 % and 100 % (excluded).")
        for field in ("price_per_label", "compute_price_per_hour"):
            if message := _price_problem(getattr(self, field), field):
                wrong[field] = message
        if self.currency not in CURRENCIES:
            wrong["currency"] = _("Choose one of %(currencies)s.") % {
                "currencies": ", ".join(CURRENCIES)
            }
        if message := budget_problem(self.budget):
            wrong["budget"] = message
        return wrong


def budget_problem(amount: Decimal | None) -> str:
    """Say what is wrong with a budget; empty when it is one, or none."""
    if amount is None or (amount.is_finite() and amount <= MAX_BUDGET and round(amount, 6) > 0):
        return ""
    text = _("A budget must lie above 0, up to %(most)s; or leave it empty.")
    return text % {"most": number(MAX_BUDGET)}


def _price_problem(price: Decimal, field: str) -> str:
    if not price.is_finite() or not 0 <= price <= MAX_PRICE:
        return _("A price must lie between 0 and %(most)s.") % {"most": number(MAX_PRICE)}
    if round(price, 6) == 0 and field == "price_per_label":  # what the database keeps of it
        return _("A label that costs nothing leaves nothing to save: give its real price.")
    return ""


def amounts(project: Project) -> dict[str, str | None]:
    """Return a project's prices and budget as text, without trailing zeros, for the audit log."""
    found = {
        name: getattr(project, name)
        for name in ("price_per_label", "compute_price_per_hour", "budget")
    }
    return {name: None if v is None else str(v.normalize()) for name, v in found.items()}


@dataclass(frozen=True)
class Method:
    """How the engine works in a project: names of labelapp.choices; `arch` and `rivals` are candidates.

    Networks, M(.) and L(.) can change while the run goes on (services.steering), the rest cannot.
    """

    certificate: str = "audit"
    acquisition: str = "margin"
    certainty: str = "margin"
    arch: str = "cnn_small"
    rivals: tuple[str, ...] = ()
    curve_model: str = "joint"
    cost_model: str = "linear"

    def check(self) -> dict[str, str]:
        """Return what is wrong, by field; empty when all is well.

        Candidates that begin at pre-trained weights need the file of those weights.
        """
        known: dict[str, Collection[str]] = {
            "certificate": choices.CERTIFICATES,
            "acquisition": choices.ACQUISITIONS,
            "certainty": choices.CERTAINTIES,
            "curve_model": choices.CURVE_MODELS,
            "cost_model": choices.COST_MODELS,
        }
        wrong = {
            field: _("Choose one of %(names)s.") % {"names": ", ".join(names)}
            for field, names in known.items()
            if getattr(self, field) not in names
        }
        if message := candidate_problem(self.arch):
            wrong["arch"] = message
        if message := self._rivals_problem():
            wrong["rivals"] = message
        archs = (self.arch, *self.rivals)
        if self.acquisition in choices.DISAGREEMENT and any(map(is_one_network, archs)):
            wrong.setdefault(
                "acquisition",
                _(
                    "Only the members of an ensemble can disagree. Give every network 2 checkpoints "
                    "or runs, or more, or choose images in another way."
                ),
            )
        return wrong

    def _rivals_problem(self) -> str:
        problems = {name: candidate_problem(name) for name in self.rivals}
        if said := [f"{candidate_name(name)}: {text}" for name, text in problems.items() if text]:
            return " ".join(said)
        if len({self.arch, *self.rivals}) != 1 + len(self.rivals):
            return _("Each network races once: the first one is in the race already.")
        return (
            _("At most %(most)s networks race with the first one.") % {"most": MAX_RIVALS}
            if len(self.rivals) > MAX_RIVALS
            else ""
        )

"""The sliders of "what if": their ranges, and what they say, as people write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from labelapp.models import Project
from labelapp.selectors.what_if import Wanted
from labelapp.services.rules import MAX_OVERLAP
from labelapp.services.terms import Terms

NAMES = ("epsilon", "confidence", "price", "compute", "overlap", "share", "budget")
"""Names of the fields, in the address and in the form. All but prices and `overlap` in per cent."""

_FIELDS = {
    "price": "price_per_label",
    "compute": "compute_price_per_hour",
    "share": "overlap_share",
}
SPAN = Decimal(10)  # a price slider reaches from a tenth of the present price to ten times it


class WhatIfForm(forms.Form):
    """What somebody asks; what is left out stays as it is. `budget_off`: no budget."""

    epsilon = forms.FloatField(required=False, min_value=0.01, max_value=99)
    confidence = forms.FloatField(required=False, min_value=50, max_value=99.99)
    price = forms.DecimalField(required=False, min_value=0)
    compute = forms.DecimalField(required=False, min_value=0)
    overlap = forms.IntegerField(required=False, min_value=1, max_value=MAX_OVERLAP)
    share = forms.FloatField(required=False, min_value=1, max_value=100)
    budget = forms.DecimalField(required=False, min_value=0)
    budget_off = forms.BooleanField(required=False)

    def wanted(self, project: Project) -> Wanted:
        """Return the terms asked for; what cannot be read stays as the project has it."""
        data, present = self.cleaned_data, Wanted.of(project)

        def value(name: str) -> Any:
            given = data.get(name)
            return getattr(present, _FIELDS.get(name, name)) if given is None else given

        def part(name: str) -> float:
            given = data.get(name)
            kept = getattr(present, _FIELDS.get(name, name))
            return float(kept) if given is None or _same(given, kept) else given / 100

        off = data.get("budget_off")
        return Wanted(
            epsilon=part("epsilon"),
            confidence=part("confidence"),
            price_per_label=value("price"),
            compute_price_per_hour=value("compute"),
            overlap=value("overlap"),
            overlap_share=part("share"),
            budget=None if off else value("budget"),
        )


def _same(per_cent: float, of_one: float) -> bool:
    """Tell whether a slider stands where the project does: 29 % is 0.29, not 0.28999999999999998."""
    return abs(per_cent - of_one * 100) < 1e-9


def as_terms(wanted: Wanted, project: Project) -> Terms:
    """Return the wanted terms as the run's settings take them."""
    return Terms(
        epsilon=wanted.epsilon,
        confidence=wanted.confidence,
        price_per_label=wanted.price_per_label,
        compute_price_per_hour=wanted.compute_price_per_hour,
        currency=project.currency,
        budget=wanted.budget,
    )


@dataclass(frozen=True)
class Slider:
    """A range and a number beside it. `log`: equal ways are equal factors; `present` the run's."""

    name: str
    unit: str
    value: str
    present: str
    low: str
    high: str
    step: str
    log: bool = False

    @property
    def label(self) -> str:
        """What it changes."""
        return _words(self.name)[0]

    @property
    def help(self) -> str:
        """What that means, where the label does not say it."""
        return _words(self.name)[1]


def sliders(
    project: Project, wanted: Wanted, *, human_only: float, spent: float
) -> tuple[list[Slider], Slider]:
    """Return the sliders, and the one of the budget, which can be off."""
    present, currency = Wanted.of(project), project.currency
    plain = [
        _per_cent("epsilon", present.epsilon, wanted.epsilon, (0.5, 20, 0.1)),
        _per_cent("confidence", present.confidence, wanted.confidence, (80, 99.5, 0.5)),
        _price("price", present.price_per_label, wanted.price_per_label, currency),
        _price(
            "compute",
            present.compute_price_per_hour,
            wanted.compute_price_per_hour,
            _("%(currency)s/h") % {"currency": currency},
        ),
        *_overlap(project, present, wanted),
    ]
    return plain, _budget(present, wanted, currency, human_only, spent)


def _words(name: str) -> tuple[str, str]:
    """Return the label and the help of a slider."""
    return {
        "epsilon": (_("Wrong labels allowed, at most"), _("Of all labels of the result.")),
        "confidence": (_("How sure the promise must be"), ""),
        "price": (_("Price of one label by people"), _("One answer of one person.")),
        "compute": (_("Price of one hour of computing"), ""),
        "overlap": (_("People asked about one image"), _("Each answer is paid.")),
        "share": (_("On this share of the images"), _("The others get one answer.")),
        "budget": (_("Budget"), _("For everything, what is spent already included.")),
    }[name]


def _per_cent(
    name: str, present: float, wanted: float, limits: tuple[float, float, float]
) -> Slider:
    low, high, step = limits
    shown = [_text(value * 100) for value in (wanted, present)]
    low, high = min(low, present * 100, wanted * 100), max(high, present * 100, wanted * 100)
    return Slider(
        name=name,
        unit="%",
        value=shown[0],
        present=shown[1],
        low=_text(low),
        high=_text(high),
        step=_text(step),
    )


def _price(name: str, present: Decimal, wanted: Decimal, unit: str) -> Slider:
    """A slider of factors; of steps where the present price is 0."""
    log = present > 0
    high = max(present * SPAN, wanted) if log else max(Decimal(10), wanted)
    low = min(present / SPAN, wanted if wanted > 0 else present) if log else Decimal(0)
    return Slider(
        name=name,
        unit=unit,
        value=_text(wanted),
        present=_text(present),
        low=_text(low),
        high=_text(high),
        step="any" if log else "0.1",
        log=log,
    )


def _overlap(project: Project, present: Wanted, wanted: Wanted) -> list[Slider]:
    """Where people who disagree bring further answers, more are asked than one at first."""
    adaptive = project.overlap_max > 0
    low, high = (2, project.overlap_max - 1) if adaptive else (1, 5)
    people = Slider(
        name="overlap",
        unit="",
        value=str(wanted.overlap),
        present=str(present.overlap),
        low=str(min(low, present.overlap)),
        high=str(max(high, present.overlap, wanted.overlap)),
        step="1",
    )
    share = _per_cent("share", present.overlap_share, wanted.overlap_share, (5, 100, 5))
    return [people, share]


def _budget(
    present: Wanted, wanted: Wanted, currency: str, human_only: float, spent: float
) -> Slider:
    most = max(human_only, spent, float(present.budget or 0), float(wanted.budget or 0), 1.0)
    step = 10 ** (len(str(int(most))) - 3)
    high = (int(most / step) + 1) * step
    shown = wanted.budget if wanted.budget is not None else present.budget
    return Slider(
        name="budget",
        unit=currency,
        value=_text(shown if shown is not None else round(high / 2 / step) * step),
        present="" if present.budget is None else _text(present.budget),
        low="0",
        high=_text(high),
        step=_text(step),
    )


def _text(value: Decimal | float) -> str:
    """Return a number as inputs take it: no trailing zeros, no exponent."""
    exact = value if isinstance(value, Decimal) else Decimal(f"{value:.10g}")
    return f"{exact.normalize():f}"


def query_of(project: Project, wanted: Wanted) -> dict[str, str]:
    """Return what differs from the project as the address says it."""
    present = Wanted.of(project)
    values: Mapping[str, str] = {
        "epsilon": _text(wanted.epsilon * 100),
        "confidence": _text(wanted.confidence * 100),
        "price": _text(wanted.price_per_label),
        "compute": _text(wanted.compute_price_per_hour),
        "overlap": str(wanted.overlap),
        "share": _text(wanted.overlap_share * 100),
    }
    found = {
        name: text
        for name, text in values.items()
        if getattr(present, _FIELDS.get(name, name)) != getattr(wanted, _FIELDS.get(name, name))
    }
    if present.budget != wanted.budget:
        found |= {"budget_off": "on"} if wanted.budget is None else {"budget": _text(wanted.budget)}
    return found

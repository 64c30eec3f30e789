"""The form of a project: percentages and prices as people write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from labelapp.errors import InvalidInputError
from labelapp.models import Project
from labelapp.services.class_lists import check_names, split_names
from labelapp.services.projects import CURRENCIES, Terms


class ProjectForm(forms.Form):
    """What defines a project. The service checks the values; this only reads them."""

    name = forms.CharField(
        max_length=120,
        label="Name",
        help_text="What your team calls this data set.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Birds of the delta"}),
    )
    classes = forms.CharField(
        label="Classes",
        help_text="Paste the list: one per line, or separated by commas. Each image gets exactly "
        "one of them. The order fixes the keys, so put the frequent ones first.",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "placeholder": "cat\ndog"}),
    )
    epsilon = forms.FloatField(
        label="Wrong labels allowed, at most",
        help_text="The promise on the finished data set. Smaller means that people label more and "
        "the machine less, so it costs more; 5 % is a common choice.",
        widget=forms.NumberInput(attrs={"step": "any", "min": "0", "max": "100"}),
    )
    confidence = forms.FloatField(
        label="How sure the promise must be",
        help_text="At 95 %, one project in twenty may by bad luck exceed the share above. Higher "
        "needs more test images.",
        widget=forms.NumberInput(attrs={"step": "any", "min": "50", "max": "100"}),
    )
    price_per_label = forms.DecimalField(
        label="Price of one label by people",
        help_text="What you pay for one answer. Annotators see what they have earned.",
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )
    compute_price_per_hour = forms.DecimalField(
        label="Price of one hour of computing",
        help_text="Each training is charged with it. A dear hour makes the engine train less "
        "often; 0 if the machine stands there anyway.",
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )
    currency = forms.ChoiceField(label="Currency", choices=[(c, c) for c in CURRENCIES])
    flip = forms.BooleanField(
        required=False,
        label="Images may be mirrored",
        help_text="Training then shows each image also mirrored, left for right, which helps with "
        "animals and things, and harms with letters, digits, and anything that has a side.",
    )

    def clean(self) -> dict[str, Any]:
        """Say everything that is wrong at once, also when another field cannot be read."""
        data = self.cleaned_data
        if set(Terms.__dataclass_fields__) <= set(data):
            for field, message in self.terms().check().items():
                self.add_error(field, message)
        if "classes" in data:
            try:
                check_names(self.class_names())
            except InvalidInputError as error:
                self.show(error)
        return data

    def terms(self) -> Terms:
        """Return what was promised and priced, shares of 1."""
        data = self.cleaned_data
        return Terms(
            epsilon=data["epsilon"] / 100,
            confidence=data["confidence"] / 100,
            price_per_label=data["price_per_label"],
            compute_price_per_hour=data["compute_price_per_hour"],
            currency=data["currency"],
        )

    def class_names(self) -> list[str]:
        """Return the pasted list, split."""
        return split_names(self.cleaned_data["classes"])

    def show(self, error: InvalidInputError) -> None:
        """Put the service's complaints beside their fields."""
        for field, message in error.fields.items():
            self.add_error(field if field in self.fields else None, str(message))


NEW_PROJECT: dict[str, Any] = {
    "epsilon": 5,
    "confidence": 95,
    "price_per_label": Decimal("0.04"),
    "compute_price_per_hour": Decimal("3.60"),
    "currency": "USD",
    "flip": True,
}


def initial_of(project: Project) -> dict[str, Any]:
    """Return a project's values as its form shows them."""
    return {
        "name": project.name,
        "classes": "\n".join(project.classes.order_by("index").values_list("name", flat=True)),
        "epsilon": _percent(project.epsilon),
        "confidence": _percent(project.confidence),
        "price_per_label": plain(project.price_per_label),
        "compute_price_per_hour": plain(project.compute_price_per_hour),
        "currency": project.currency,
        "flip": bool(project.settings.get("flip")),
    }


def _percent(share: float) -> str:
    return f"{share * 100:.10g}"


def plain(amount: Decimal) -> str:
    """Return a price without trailing zeros: 0.04, 3.6, 100."""
    return f"{amount.normalize():f}"

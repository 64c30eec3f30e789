"""The form of a project: percentages and prices as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labelapp import choices
from labelapp.errors import InvalidInputError
from labelapp.models import Project
from labelapp.selectors.candidate_words import candidate_name, candidate_names
from labelapp.selectors.dashboard_words import chosen_share
from labelapp.services.class_lists import check_names, split_names
from labelapp.services.terms import CURRENCIES, Method, Terms
from labelapp.services.training_settings import TrainingSettings
from labelapp.web.candidate_field import CandidateField, RivalsField
from labelapp.web.training_fields import (
    PRESET_WORDS,
    TrainingForm,
    preset_values,
    training_facts,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def _words(names: dict[str, str]) -> list[tuple[str, StrOrPromise]]:
    return [(name, _(words)) for name, words in names.items()]


def _choice(
    label: StrOrPromise, help_text: StrOrPromise, names: dict[str, str]
) -> forms.ChoiceField:
    return forms.ChoiceField(
        required=False, label=label, help_text=help_text, choices=_words(names)
    )


NEXT_HELP = _(
    "Which images people are asked for after each training. Margin is the best start: where this was "
    "measured, none was clearly cheaper, and k-center cost a fifth more. k-center and "
    "informativeness compare images with each other, which takes more computing each round; the two "
    "that ask ensembles need two members or more of every network."
)
SURE_HELP = _("The order in which it may label. Margin is the usual; none costs more.")
_ADVANCED = ("acquisition", "certainty", "arch", "rivals", "curve_model", "cost_model")


class NameForm(forms.Form):
    """A project's name: it can change at any time."""

    name = forms.CharField(
        max_length=120,
        label=_("Name"),
        help_text=_("What your team calls this data set."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "placeholder": _("Birds of the delta")}
        ),
    )

    def complain(self, wrong: Mapping[str, object]) -> None:
        """Put complaints beside their fields, where there is none yet."""
        for field, message in wrong.items():
            if field not in self.errors:
                self.add_error(field if field in self.fields else None, str(message))


class TermsForm(NameForm):
    """A project's promise and prices. The service checks the values; this only reads them."""

    epsilon = forms.FloatField(
        label=_("Wrong labels allowed, at most"),
        help_text=_(
            "The promise on the finished data set. Smaller means that people label more and "
            "the machine less, so it costs more; 5 % is a common choice."
        ),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0", "max": "100"}),
    )
    confidence = forms.FloatField(
        label=_("How sure the promise must be"),
        help_text=_(
            "At 95 %, one project in twenty may by bad luck exceed the share above. Higher "
            "needs more labels by people."
        ),
        widget=forms.NumberInput(attrs={"step": "any", "min": "50", "max": "100"}),
    )
    price_per_label = forms.DecimalField(
        label=_("Price of one label by people"),
        help_text=_("What you pay for one answer. Annotators see what they have earned."),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )
    compute_price_per_hour = forms.DecimalField(
        label=_("Price of one hour of computing"),
        help_text=_(
            "Each training is charged with it. A dear hour makes the engine train less "
            "often; 0 if the machine stands there anyway."
        ),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )
    currency = forms.ChoiceField(label=_("Currency"), choices=[(c, c) for c in CURRENCIES])
    budget = forms.DecimalField(
        required=False,
        label=_("Budget"),
        help_text=_(
            "Empty: the promise is kept at whatever it costs. If the money does not "
            "suffice for the promise, the error is made as small as it allows and is stated."
        ),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )

    def clean(self) -> dict[str, Any]:
        """Say everything that is wrong at once, also when another field cannot be read."""
        if set(Terms.__dataclass_fields__) <= set(self.cleaned_data):
            self.complain(self.terms().check())
        return self.cleaned_data

    def terms(self) -> Terms:
        """Return what was promised and priced, shares of 1."""
        data = self.cleaned_data
        return Terms(
            epsilon=data["epsilon"] / 100,
            confidence=data["confidence"] / 100,
            price_per_label=data["price_per_label"],
            compute_price_per_hour=data["compute_price_per_hour"],
            currency=data["currency"],
            budget=data["budget"],
        )


class RunForm(TermsForm):
    """What can still change while the run goes on: all but the currency."""

    currency = None  # type: ignore[assignment]  # Django's way to leave a field out

    def clean(self) -> dict[str, Any]:
        """Check the terms in the currency that the run has."""
        self.cleaned_data["currency"] = self.initial["currency"]
        return super().clean()


class ProjectForm(TrainingForm, TermsForm):
    """What defines a project, before its run starts."""

    classes = forms.CharField(
        label=_("Classes"),
        help_text=_(
            "Paste the list: one per line, or separated by commas. Each image gets exactly "
            "one of them. The order fixes the keys, so put the frequent ones first."
        ),
        widget=forms.Textarea(
            attrs={"rows": 8, "spellcheck": "false", "placeholder": _("cat\ndog")}
        ),
    )
    certificate = forms.ChoiceField(
        required=False,
        label=_("How the promise is kept"),
        help_text=_(
            "Before the end, people look at a random part of what the machine labelled, "
            "usually a few hundred images, until the promise is proven or the machine gets less to "
            "label. Without that check the error is estimated from images that also steered the run."
        ),
        choices=_words(choices.CERTIFICATES),
        widget=forms.RadioSelect,
    )
    acquisition = _choice(_("What people label next"), NEXT_HELP, choices.ACQUISITIONS)
    certainty = _choice(_("What the machine is sure of"), SURE_HELP, choices.CERTAINTIES)
    arch = CandidateField(
        required=False,
        label=_("What is trained"),
        help_text=_(
            "The quicker networks stand first. Checkpoints are states near the end of one "
            "training, runs are trainings from other beginnings: two or more of either make an "
            "ensemble, whose mean labels."
        ),
    )
    rivals = RivalsField(
        required=False,
        label=_("What races with it"),
        help_text=_(
            "Each is trained every round, and paid, until it is unlikely to be the cheapest."
        ),
    )
    curve_model = _choice(
        _("How the error is forecast"),
        _("How it falls as people label more, by the trainings so far: the plan rests on it."),
        choices.CURVE_MODELS,
    )
    cost_model = _choice(
        _("How training times are forecast"),
        _("How long later trainings take, by those so far: the plan counts their price."),
        choices.COST_MODELS,
    )
    flip = forms.BooleanField(
        required=False,
        label=_("Images may be mirrored"),
        help_text=_(
            "Training then shows each image also mirrored, left for right, which helps with "
            "animals and things, and harms with letters, digits, and anything that has a side."
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Say everything that is wrong at once, also when another field cannot be read."""
        data = super().clean()
        self.complain(self._method_problems())
        self.complain(self.training().check())
        if "classes" in data:
            try:
                check_names(self.class_names())
            except InvalidInputError as error:
                self.complain(error.fields)
        return data

    def method(self) -> Method:
        """Return how the engine is to work; what a form leaves out is the usual."""
        data = self.cleaned_data
        names = [field.name for field in fields(Method) if field.name != "rivals"]
        given = {name: data[name] for name in names if data.get(name)}
        return Method(**given, rivals=tuple(data.get("rivals", ())))

    def _method_problems(self) -> dict[str, str]:
        """Return what is wrong with the method, but for candidates that could not even be read."""
        found = self.method().check()
        unread = {"arch", "rivals"} & set(self.errors)
        return {n: text for n, text in found.items() if not unread or n in self.errors}

    def advanced_errors(self) -> bool:
        """Tell whether something is wrong among what the page folds away."""
        return bool(set(_ADVANCED) & set(self.errors)) or self.initial.get("preset") not in {
            None,
            "usual",
        }

    def filled(self) -> ProjectForm:
        """Return the form as it was typed, with the values of the chosen preset; nothing is saved."""
        typed: dict[str, Any] = {name: self[name].data for name in self.fields}
        chosen = typed["preset"] if typed["preset"] in PRESET_WORDS else "usual"
        return type(self)(initial=typed | preset_values(chosen) | {"preset": chosen})

    def class_names(self) -> list[str]:
        """Return the pasted list, split."""
        return split_names(self.cleaned_data["classes"])


NEW_PROJECT: dict[str, Any] = {
    "epsilon": 5,
    "confidence": 95,
    "price_per_label": Decimal("0.04"),
    "compute_price_per_hour": Decimal("3.60"),
    "currency": "USD",
    "flip": True,
    **asdict(Method()),
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
        "budget": None if project.budget is None else plain(project.budget),
        **{field.name: getattr(project, field.name) for field in fields(Method)},
        **_as_typed(TrainingSettings.of(project.settings)),
        "flip": bool(project.settings.get("flip")),
    }


def fixed_facts(project: Project, *, terms: bool) -> list[tuple[StrOrPromise, StrOrPromise]]:
    """Return in words what cannot change any more; with `terms` promise and prices, too."""
    facts: list[tuple[StrOrPromise, StrOrPromise]] = [
        (_("How the promise is kept"), _(choices.CERTIFICATES[project.certificate])),
        (_("Images may be mirrored"), _("yes") if project.settings.get("flip") else _("no")),
        (_("What people label next"), _(choices.ACQUISITIONS[project.acquisition])),
        (_("What the machine is sure of"), _(choices.CERTAINTIES[project.certainty])),
        (_("What is trained"), candidate_name(project.arch)),
        (_("What races with it"), candidate_names(project.rivals)),
        (_("How the error is forecast"), _(choices.CURVE_MODELS[project.curve_model])),
        (_("How training times are forecast"), _(choices.COST_MODELS[project.cost_model])),
        *training_facts(TrainingSettings.of(project.settings)),
    ]
    return _terms_facts(project) + facts if terms else facts


def _as_typed(settings: TrainingSettings) -> dict[str, Any]:
    """Return the settings as fields show them: whole numbers without a point."""
    return {n: int(v) if v == int(v) else v for n, v in settings.values().items()}


def _terms_facts(project: Project) -> list[tuple[StrOrPromise, StrOrPromise]]:
    currency = project.currency
    budget = _("none") if project.budget is None else f"{plain(project.budget)} {currency}"
    return [
        (_("Wrong labels allowed, at most"), chosen_share(project.epsilon)),
        (_("How sure the promise must be"), chosen_share(project.confidence)),
        (_("Price of one label by people"), f"{plain(project.price_per_label)} {currency}"),
        (
            _("Price of one hour of computing"),
            f"{plain(project.compute_price_per_hour)} {currency}",
        ),
        (_("Budget"), budget),
    ]


def _percent(of_one: float) -> str:
    return f"{of_one * 100:.10g}"


def plain(amount: Decimal) -> str:
    """Return a price without trailing zeros: 0.04, 3.6, 100."""
    return f"{amount.normalize():f}"

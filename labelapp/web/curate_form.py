"""The form of a search for the best training set: shares in per cent, candidates by their parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from labelapp import choices
from labelapp.engine_candidates import Parts, WrongCandidateError, parts_of
from labelapp.models import Curation, Project
from labelapp.selectors.candidate_words import candidate_name, candidate_problem, complaint
from labelapp.selectors.money_words import chosen_share, number
from labelapp.services.curation_settings import (
    ACQUISITIONS,
    LABELS,
    MOST_SEEDS,
    SCHEMES,
    CurationSettings,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ACQUIRER_RUNS = 4  # members of the usual acquirer, as in docs/search.md
MOST = 1_000  # checkpoints, or runs
WAYS: dict[str, str] = {choices.PLAIN: gettext_noop("From scratch")} | {
    way: choices.WAYS[way] for way in ("tuned", "frozen")
}
"""How a network may be trained here: nothing that learns from images outside the part."""
PART_OF = {
    "model": gettext_lazy("The model to be trained"),
    "acquirer": gettext_lazy("The networks that choose"),
}
"""Under which heading the fields of a candidate stand, by how their names begin."""
BESIDE = {"model": "model_net", "acquirer": "acquirer_net", "seeds": "repeats"}
"""Where a complaint about a setting stands, if not beside the field of its name."""


def _words(names: dict[str, str]) -> list[tuple[str, StrOrPromise]]:
    return [(name, gettext_lazy(words)) for name, words in names.items()]


def _per_cent(label: StrOrPromise, help_text: StrOrPromise, low: int = 0) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"step": "any", "min": str(low), "max": "99"})
    return forms.FloatField(label=label, help_text=help_text, widget=widget)


def _choice(
    label: StrOrPromise, names: dict[str, str], help_text: StrOrPromise = ""
) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, help_text=help_text, choices=_words(names))


def _count(label: StrOrPromise, most: int, help_text: StrOrPromise = "") -> forms.IntegerField:
    said = lazy(_from_1_to, str)(most)
    return forms.IntegerField(
        label=label,
        help_text=help_text,
        min_value=1,
        max_value=most,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), said),
    )


def _from_1_to(most: int) -> str:
    return _("Give a whole number from %(least)s to %(most)s.") % {
        "least": number(1),
        "most": number(most),
    }


class CurateForm(forms.Form):
    """What is searched for. The service checks the values; this only reads them."""

    share = _per_cent(
        gettext_lazy("Share that is kept"),
        gettext_lazy("Of the images that are not held out. 50 % is the usual."),
        low=1,
    )
    labels = _choice(gettext_lazy("Which labels"), LABELS)
    model_net = _choice(
        gettext_lazy("Network"),
        choices.ARCHITECTURES,
        gettext_lazy("What you want to train in the end: the part is judged by it."),
    )
    model_way = _choice(gettext_lazy("How it is trained"), WAYS)
    model_seeds = _count(gettext_lazy("Runs, whose mean it is"), MOST)
    model_checkpoints = _count(gettext_lazy("Checkpoints of a run"), MOST)
    acquirer_net = forms.ChoiceField(
        label=gettext_lazy("Network"),
        required=False,
        help_text=gettext_lazy(
            "Its members choose where they disagree. A small one is cheaper, and its part serves "
            "larger networks too."
        ),
        choices=[("", gettext_lazy("The same network")), *_words(choices.ARCHITECTURES)],
    )
    acquirer_way = _choice(gettext_lazy("How it is trained"), WAYS)
    acquirer_seeds = _count(
        gettext_lazy("Runs"), MOST, gettext_lazy("Each is a training of its own; 4 are the usual.")
    )
    acquirer_checkpoints = _count(
        gettext_lazy("Checkpoints of a run"),
        MOST,
        gettext_lazy("Cheap: they cost no training. They differ less than runs do."),
    )
    repeats = _count(
        gettext_lazy("Repeats"),
        MOST_SEEDS,
        gettext_lazy("Each repeats the whole search. With 1 there is no interval; 3 is a start."),
    )
    compare = forms.BooleanField(
        required=False,
        label=gettext_lazy("Compare with all images and with a random part"),
        help_text=gettext_lazy(
            "Three more trainings each time. Without them nobody knows what the part is worth."
        ),
    )
    scheme = _choice(
        gettext_lazy("How"),
        SCHEMES,
        gettext_lazy("Build up was the best at every size in the paper."),
    )
    acquisition = _choice(gettext_lazy("What is taken first"), ACQUISITIONS)
    outliers = _per_cent(
        gettext_lazy("Outliers passed over"),
        gettext_lazy(
            "The most uncertain images are never taken. 0 is the usual: in the paper it hurt in "
            "two of three experiments."
        ),
    )
    held_out = _per_cent(
        gettext_lazy("Held out to judge"),
        gettext_lazy("Of all images. Nobody learns from these; the models are judged by them."),
        low=1,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():  # the list of errors has no headings
            field.part_of = PART_OF.get(name.partition("_")[0])  # type: ignore[attr-defined]

    @classmethod
    def of(cls, settings: CurationSettings) -> CurateForm:
        """Return the form as these settings fill it."""
        return cls(initial=values_of(settings))

    def clean(self) -> dict[str, Any]:
        """Say what is wrong with the search, beside its fields."""
        if not self.errors:
            for name, text in self._wrong().items():
                field = BESIDE.get(name, name)
                self.add_error(field if field in self.fields else None, text)
        return self.cleaned_data

    def _wrong(self) -> dict[str, str]:
        wrong: dict[str, str] = {}
        for who in ("model", "acquirer"):
            try:
                problem = candidate_problem(self._candidate(who))
            except WrongCandidateError as error:
                problem = complaint(str(error), self._parts(who).net)
            if problem:
                wrong[who] = problem
        return wrong or self.settings().check()

    def _parts(self, who: str) -> Parts:
        data = self.cleaned_data
        net = data[f"{who}_net"] or data["model_net"]
        return Parts(net, data[f"{who}_way"], data[f"{who}_checkpoints"], data[f"{who}_seeds"])

    def _candidate(self, who: str) -> str:
        return self._parts(who).name

    def settings(self) -> CurationSettings:
        """Return what was chosen; the form is valid, or about to be found so."""
        data = self.cleaned_data
        return CurationSettings(
            share=data["share"] / 100,
            scheme=data["scheme"],
            acquisition=data["acquisition"],
            acquirer=self._candidate("acquirer"),
            model=self._candidate("model"),
            outliers=data["outliers"] / 100,
            seeds=tuple(range(data["repeats"])),
            held_out=data["held_out"] / 100,
            compare=data["compare"],
            labels=data["labels"],
        )


def values_of(settings: CurationSettings) -> dict[str, Any]:
    """Return the values that the form's fields have for these settings."""
    model, acquirer = parts_of(settings.model), parts_of(settings.acquirer)
    values: dict[str, Any] = {
        name: round(100 * getattr(settings, name), 6) for name in ("share", "outliers", "held_out")
    }
    values = {name: f"{value:g}" for name, value in values.items()}
    for who, parts in (("model", model), ("acquirer", acquirer)):
        values |= {f"{who}_net": parts.net, f"{who}_way": parts.way}
        values |= {f"{who}_seeds": parts.seeds, f"{who}_checkpoints": parts.checkpoints}
    if acquirer.net == model.net:
        values["acquirer_net"] = ""
    same = ("labels", "scheme", "acquisition", "compare")
    return (
        values | {name: getattr(settings, name) for name in same} | {"repeats": len(settings.seeds)}
    )


def usual(project: Project, last: Curation | None) -> CurationSettings:
    """Return what the form begins with: the last search, or one for the project's own network."""
    if last is not None:
        found = CurationSettings.of(last.settings)
        if not found.check():
            return found
    try:
        model = parts_of(project.arch)
    except WrongCandidateError:
        return CurationSettings()
    if model.way not in WAYS:
        model = Parts(model.net, choices.PLAIN, model.checkpoints, model.seeds)
    acquirer = Parts(model.net, choices.PLAIN, seeds=ACQUIRER_RUNS)
    return replace(CurationSettings(), model=model.name, acquirer=acquirer.name)


def settings_rows(curation: Curation) -> list[tuple[str, str]]:
    """Return what a search was asked, in words."""
    asked = CurationSettings.of(curation.settings)

    def said(names: dict[str, str], name: str) -> str:
        return _(names[name]) if name in names else name

    return [
        (_("Share that is kept"), chosen_share(asked.share)),
        (_("Which labels"), said(LABELS, asked.labels)),
        (_("Model"), candidate_name(asked.model)),
        (_("Chosen by"), candidate_name(asked.acquirer)),
        (_("How"), said(SCHEMES, asked.scheme)),
        (_("What is taken first"), said(ACQUISITIONS, asked.acquisition)),
        (_("Outliers passed over"), chosen_share(asked.outliers) if asked.outliers else _("none")),
        (_("Held out to judge"), chosen_share(asked.held_out)),
        (_("Repeats"), number(len(asked.seeds))),
    ]

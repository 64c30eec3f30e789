"""The form of a project's rules for its people: percentages as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import Project
from labelapp.selectors.projects import active_classes
from labelapp.services.rules import Rules, rules_of

SKIPS = [
    (Project.SkipPolicy.OTHERS, gettext_lazy("To other people first, then back to me")),
    (Project.SkipPolicy.ME, gettext_lazy("Back to me, a while later")),
    (Project.SkipPolicy.REVIEW, gettext_lazy("To the reviewers")),
]


def _number(**attributes: str) -> forms.NumberInput:
    return forms.NumberInput(attrs={"step": "any", "min": "0", **attributes})


class RulesForm(forms.Form):
    """The service checks the values; this only reads them."""

    overlap = forms.IntegerField(
        label=gettext_lazy("People asked about one image"),
        help_text=gettext_lazy(
            "Each answers without seeing the others, and each answer is paid. Two or three find "
            "mistakes that one person alone makes unseen."
        ),
        widget=_number(max="9"),
    )
    overlap_share = forms.FloatField(
        label=gettext_lazy("On this share of the images"),
        help_text=gettext_lazy(
            "Chosen by lot before anybody sees them; the others get one answer."
        ),
        widget=_number(max="100"),
    )
    overlap_max = forms.IntegerField(
        required=False,
        label=gettext_lazy("Where they disagree, up to"),
        help_text=gettext_lazy(
            "One more person at a time, until more than half agree. Empty: nobody more is asked."
        ),
        widget=_number(max="9"),
    )
    skip_policy = forms.ChoiceField(
        label=gettext_lazy("Where skipped images go"),
        choices=SKIPS,
        help_text=gettext_lazy(
            "“Cannot tell” always goes to the reviewers. Test and audit images are never dropped."
        ),
    )
    predictions = forms.BooleanField(
        required=False,
        label=gettext_lazy("Show the machine's guesses"),
        help_text=gettext_lazy(
            "Its five likeliest classes beside the image, and pages of one class to confirm. Never "
            "on test and audit images: they measure the machine."
        ),
    )
    label_ahead = forms.BooleanField(
        required=False,
        label=gettext_lazy("Label on while the machine trains"),
        help_text=gettext_lazy(
            "People then get images that they will most probably have to label anyway."
        ),
    )
    gold_share = forms.FloatField(
        label=gettext_lazy("Gold among the images"),
        help_text=gettext_lazy(
            "Images whose class is known for sure, asked among the others and not told apart from "
            "them. They measure each person, and are paid like all others. While there is gold, "
            "no image has the machine's guesses beside it: gold has none and would be known by that."
        ),
        widget=_number(max="50"),
    )
    gold_first = forms.IntegerField(
        label=gettext_lazy("Gold for newcomers"),
        help_text=gettext_lazy("So many gold images come first for everybody who is new here."),
        widget=_number(max="200"),
    )
    gold_pause_below = forms.FloatField(
        required=False,
        label=gettext_lazy("Pause a person below"),
        help_text=gettext_lazy(
            "This share of their gold answers must be right. Empty: nobody is paused by a rule."
        ),
        widget=_number(max="100"),
    )
    gold_pause_after = forms.IntegerField(
        label=gettext_lazy("Judged after"),
        help_text=gettext_lazy("Fewer gold answers say too little about a person."),
        widget=_number(max="1000"),
    )

    def complain(self, wrong: Mapping[str, object]) -> None:
        """Put complaints beside their fields, where there is none yet."""
        for field, message in wrong.items():
            if field not in self.errors:
                self.add_error(field if field in self.fields else None, str(message))

    def rules(self) -> Rules:
        """Return the rules, shares of 1."""
        data = self.cleaned_data
        below = data["gold_pause_below"]
        return Rules(
            overlap=data["overlap"],
            overlap_share=data["overlap_share"] / 100,
            overlap_max=data["overlap_max"] or 0,
            skip_policy=data["skip_policy"],
            predictions=data["predictions"],
            label_ahead=data["label_ahead"],
            gold_share=data["gold_share"] / 100,
            gold_first=data["gold_first"],
            gold_pause_below=None if below is None else below / 100,
            gold_pause_after=data["gold_pause_after"],
        )


def initial_rules(project: Project) -> dict[str, Any]:
    """Return a project's rules as its form shows them."""
    rules = rules_of(project)
    below = rules.gold_pause_below
    return {
        "overlap": rules.overlap,
        "overlap_share": _percent(rules.overlap_share),
        "overlap_max": rules.overlap_max or None,
        "skip_policy": rules.skip_policy,
        "predictions": rules.predictions,
        "label_ahead": rules.label_ahead,
        "gold_share": _percent(rules.gold_share),
        "gold_first": rules.gold_first,
        "gold_pause_below": None if below is None else _percent(below),
        "gold_pause_after": rules.gold_pause_after,
    }


def _percent(of_one: float) -> str:
    return f"{of_one * 100:.10g}"


def aliases_as_text(project: Project) -> str:
    """Return one line for each class: "cat = kitten, tomcat"."""
    lines = (f"{c.name} = {', '.join(c.aliases)}".rstrip() for c in active_classes(project))
    return "\n".join(lines)


def read_aliases(project: Project, text: str) -> tuple[dict[int, list[str]], str]:
    """Return the other names by class index, and what is wrong with the text, if anything."""
    classes = {c.name.casefold(): c.index for c in active_classes(project)}
    found: dict[int, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, _equals, names = line.partition(" =")
        index = classes.get(" ".join(name.split()).casefold())
        if index is None:
            problem = _("Line %(line)s does not begin with a class and “ = ”: %(text)s")
            return {}, problem % {"line": number, "text": line.strip()[:60]}
        found.setdefault(index, []).extend(names.split(","))
    return found, ""

"""Form fields for how candidates train: each with one sentence, its unit, and its usual value.

Empty means the usual value. Settings that only some candidates use stand in groups of their own;
the page folds them, and shows a group only where such a candidate is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from labelapp.engine_candidates import PRESETS, usual_value
from labelapp.selectors.money_words import number
from labelapp.services.training_settings import COUNTS, TrainingSettings, limits

if TYPE_CHECKING:
    from django.forms import BoundField

PRESET_WORDS: dict[str, str] = {
    "usual": gettext_noop("Usual values: they depend on the network and the images"),
    "fewest_labels": gettext_noop(
        "Fewest labels: races a training that learns from unlabelled images too, and takes longer"
    ),
    "budget_annotator": gettext_noop(
        "Budget annotator: the values of Gikunda's paper, five pre-trained networks"
    ),
}

WORDS: dict[str, tuple[str, str]] = {
    "first": (
        gettext_noop("Labels before the first training"),
        gettext_noop(
            "Images. Fewer cost less, and the first model sees less. Usual: a hundredth of all."
        ),
    ),
    "fixed_delta": (
        gettext_noop("Labels per round"),
        gettext_noop(
            "Images. Empty: as many as the plan finds cheapest. A fixed number gives up that "
            "choice; the run then goes on until stopping has become dearer twice in a row."
        ),
    ),
    "epochs": (
        gettext_noop("Epochs"),
        gettext_noop("Passes over the labelled images in one training. More take longer."),
    ),
    "min_steps": (
        gettext_noop("Steps at least"),
        gettext_noop(
            "Steps of the optimiser, however few the images are: a small set is passed over more "
            "often."
        ),
    ),
    "batch": (
        gettext_noop("Batch"),
        gettext_noop("Images per step. More need more memory and make fewer steps of an epoch."),
    ),
    "learning_rate": (
        gettext_noop("Learning rate"),
        gettext_noop("The largest step size of a training; pre-trained networks take less."),
    ),
    "sgd": (
        gettext_noop("Optimiser"),
        gettext_noop("The method that follows the gradient. Each wants rates of its own."),
    ),
    "tail": (
        gettext_noop("Share of a training that gives checkpoints"),
        gettext_noop("0.3 means the last three tenths of its steps, at a constant rate."),
    ),
    "tail_rate": (
        gettext_noop("Rate there"),
        gettext_noop(
            "As a share of the largest rate. A higher one makes checkpoints that differ more."
        ),
    ),
    "spacing": (
        gettext_noop("Steps between two checkpoints"),
        gettext_noop(
            "0 spreads them evenly over that share. More than fit make the training longer."
        ),
    ),
    "members_gib": (
        gettext_noop("Disk for the members"),
        gettext_noop(
            "GiB at most for one ensemble. A training that would need more fails before it begins."
        ),
    ),
    "pseudo_threshold": (
        gettext_noop("Sure enough at first"),
        gettext_noop("Calibrated confidence from which a machine label trains along, 0.5 to 1."),
    ),
    "pseudo_decay": (
        gettext_noop("Less with each round by"),
        gettext_noop("What is taken off that confidence in each round."),
    ),
    "pseudo_floor": (
        gettext_noop("But never below"),
        gettext_noop("The confidence at which it stops falling."),
    ),
    "pseudo_weight": (
        gettext_noop("Weight of a machine label"),
        gettext_noop("In the loss, against 1 of a label by people."),
    ),
    "pseudo_balance": (
        gettext_noop("Balance of the classes"),
        gettext_noop("Of each class at most so many times as many as of the rarest."),
    ),
    "pseudo_most": (
        gettext_noop("Machine labels at most"),
        gettext_noop("In multiples of the images labelled by people: it bounds the time."),
    ),
    "semi_unlabelled": (
        gettext_noop("Images without a label"),
        gettext_noop("For each one with a label. More take longer."),
    ),
    "semi_weight": (
        gettext_noop("Weight of their loss"),
        gettext_noop("Against 1 of the labelled images."),
    ),
    "semi_memory": (
        gettext_noop("Memory of the thresholds"),
        gettext_noop("Per step, below 1. Closer to 1: they follow the network more slowly."),
    ),
    "semi_average": (
        gettext_noop("Memory of the weights"),
        gettext_noop("Per step, below 1: a running mean of the weights scores the images."),
    ),
    "semi_longer": (
        gettext_noop("Longer trainings"),
        gettext_noop("Times as many steps as a plain training."),
    ),
    "neighbours": (
        gettext_noop("Neighbours"),
        gettext_noop("Images most like it that tell how ordinary an image is."),
    ),
    "representativeness": (
        gettext_noop("Weight of being like others"),
        gettext_noop("The larger, the fewer outliers are asked for; 0 leaves the uncertainty."),
    ),
    "uncertainty": (
        gettext_noop("Weight of being uncertain"),
        gettext_noop("The larger, the more the model's doubts decide."),
    ),
}
"""Label and help of each setting."""

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "all": ("", ("first", "fixed_delta", "epochs", "batch", "learning_rate", "min_steps", "sgd")),
    "members": (
        gettext_noop("Members of ensembles"),
        ("tail", "tail_rate", "spacing", "members_gib"),
    ),
    "pseudo": (
        gettext_noop("Pseudo-labels"),
        tuple(name for name in WORDS if name.startswith("pseudo_")),
    ),
    "semi": (
        gettext_noop("Consistency training"),
        tuple(name for name in WORDS if name.startswith("semi_")),
    ),
    "informativeness": (
        gettext_noop("Informativeness"),
        ("neighbours", "representativeness", "uncertainty"),
    ),
}
"""Key -> title and settings; a group but the first belongs to the candidates of its key."""

FIXED = gettext_noop(
    "How candidates train is fixed while the run goes on: each one's error curve and times were "
    "measured with these values, and forecasts would mix two different trainings."
)


@dataclass(frozen=True)
class Group:
    """Settings that belong together, and whether the page shows them unfolded."""

    key: str
    title: str
    fields: list[BoundField]
    open: bool


def setting_field(name: str) -> forms.Field:
    """Return the form field of one setting; the service checks its range."""
    label, help_text = (lazy(_, str)(words) for words in WORDS[name])
    if name == "sgd":
        return forms.TypedChoiceField(
            required=False,
            label=label,
            help_text=help_text,
            coerce=float,
            empty_value=None,
            choices=[
                ("", gettext_lazy("usual of the network")),
                ("0", "AdamW"),
                ("1", gettext_lazy("SGD with momentum")),
            ],
        )
    least, most, whole = limits(name)
    attrs = {"min": f"{least:g}", "max": f"{most:.10g}", "step": "1" if whole else "any"}
    widget = forms.NumberInput(attrs={**attrs, "placeholder": _placeholder(name)})
    kind = forms.IntegerField if whole else forms.FloatField
    return kind(required=False, label=label, help_text=help_text, widget=widget)


def _placeholder(name: str) -> object:
    value = usual_value(name)
    if value is None:
        return gettext_lazy("usual")
    return lazy(_usual, str)(value)


def _usual(value: float) -> str:
    return _("usual: %(value)s") % {"value": setting_number(value)}


def setting_number(value: float) -> str:
    """Return a setting's value as people read it, with the decimals that it has."""
    return number(value, len(f"{value:.7f}".rstrip("0").partition(".")[2]))


class TrainingForm(forms.Form):
    """The settings of how candidates train, and the preset that fills them in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["preset"] = forms.ChoiceField(
            required=False,
            label=gettext_lazy("Start from"),
            help_text=gettext_lazy(
                "Puts a set of values into the fields below, which can then be changed."
            ),
            choices=[(name, lazy(_, str)(words)) for name, words in PRESET_WORDS.items()],
        )
        for _title, names in GROUPS.values():
            for name in names:
                self.fields[name] = setting_field(name)

    def training(self) -> TrainingSettings:
        """Return what was set; an empty field is the usual value."""
        return TrainingSettings.from_values(self.cleaned_data)

    def training_groups(self) -> list[Group]:
        """Return the groups of fields; one is open where something of it is set or wrong."""
        return [
            Group(key, _(title) if title else "", fields, self._is_used(fields))
            for key, (title, names) in GROUPS.items()
            for fields in [[self[name] for name in names]]
        ]

    def training_open(self) -> bool:
        """Tell whether any setting is set or wrong."""
        return any(group.open for group in self.training_groups())

    def presets(self) -> dict[str, dict[str, object]]:
        """Return the values of each preset, by field, for the script that fills them in."""
        return {name: preset_values(name) for name in PRESET_WORDS}

    @staticmethod
    def _is_used(fields: list[BoundField]) -> bool:
        return any(field.errors or field.value() not in (None, "") for field in fields)


def preset_values(name: str) -> dict[str, object]:
    """Return what a preset puts into a project's form: None empties a field.

    Networks are changed by a preset that names some. Raises KeyError for a preset there is not.
    """
    found: dict[str, object] = dict.fromkeys(
        name for key in ("all", "members", "pseudo", "semi") for name in GROUPS[key][1]
    )
    given = TrainingSettings.of_preset(name).values()
    found |= {n: int(v) if n in COUNTS or limits(n)[2] else v for n, v in given.items()}
    if archs := PRESETS[name].archs:
        found |= {"arch": archs[0], "rivals": list(archs[1:])}
    return found


def training_facts(settings: TrainingSettings) -> list[tuple[str, str]]:
    """Return what a project sets of how candidates train, in words; nothing for the usual."""
    optimizers = {0.0: "AdamW", 1.0: _("SGD with momentum")}
    return [
        (_(WORDS[name][0]), optimizers[value] if name == "sgd" else setting_number(value))
        for name, value in settings.values().items()
        if name in WORDS
    ]

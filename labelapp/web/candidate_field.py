"""Form fields for candidates of the race: a network, how it is trained, and how many members.

Each candidate is four controls, NAME_net, NAME_way, NAME_checkpoints and NAME_seeds; rivals are rows
of them, rivals_0 to rivals_3, where a row without a network is none. They work without JavaScript.
A name of the engine under the field's own NAME is taken as well, as the tests and scripts send it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from labelapp import choices
from labelapp.engine_candidates import Parts, WrongCandidateError, parts_of
from labelapp.selectors.candidate_words import (
    candidate_about,
    candidate_name,
    candidate_problem,
    complaint,
)
from labelapp.selectors.weight_files import networks_with_weights
from labelapp.services.terms import MAX_RIVALS

MEMBERS = ("checkpoints", "seeds")


@dataclass(frozen=True)
class Typed:
    """What stands in the four controls of one candidate, as it was typed."""

    net: str = ""
    way: str = choices.PLAIN
    checkpoints: str = "1"
    seeds: str = "1"

    @classmethod
    def of(cls, value: object) -> Typed:
        """Return the controls that show a candidate: a name of the engine, or what was typed."""
        if isinstance(value, Typed):
            return value
        try:
            parts = parts_of(str(value or ""))
        except WrongCandidateError:
            return cls(net=str(value or ""))
        return cls(parts.net, parts.way, str(parts.checkpoints), str(parts.seeds))

    def name(self) -> str:
        """Return the candidate's name. Raises ValidationError that says what does not fit."""
        numbers = [getattr(self, name).strip() or "1" for name in MEMBERS]
        if not all(one.isascii() and one.isdecimal() and len(one) < 7 for one in numbers):
            raise forms.ValidationError(
                _("Checkpoints and runs are whole numbers from 1 to 1,000.")
            )
        if self.way not in choices.WAYS:
            raise forms.ValidationError(_("Choose one of the ways to train a network."))
        try:
            return Parts(self.net, self.way, *map(int, numbers)).name
        except WrongCandidateError as error:
            raise forms.ValidationError(complaint(str(error), self.net)) from error


def typed_at(data: Mapping[str, Any], prefix: str) -> Typed | None:
    """Return what was sent for the candidate of this prefix, None where nothing was."""
    if f"{prefix}_net" not in data:
        return None
    usual = Typed()
    return Typed(
        data.get(f"{prefix}_net", ""),
        data.get(f"{prefix}_way") or usual.way,
        *(str(data.get(f"{prefix}_{name}") or "1") for name in MEMBERS),
    )


def says(typed: Typed) -> dict[str, str]:
    """Return what to say of the controls as they stand: name and about, or the problem."""
    if not typed.net:
        return {}
    try:
        name = typed.name()
    except forms.ValidationError as error:
        return {"problem": error.messages[0]}
    if problem := candidate_problem(name):
        return {"problem": problem}
    return {"name": candidate_name(name), "about": candidate_about(name)}


# --- how it is shown -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """The controls of one candidate: `prefix` begins their names, `typed` is what they show."""

    prefix: str
    typed: Typed
    place: int = 0  # from 1 among the rivals; 0: the first network
    said: dict[str, str] = field(default_factory=dict)

    @property
    def nets(self) -> list[tuple[str, str]]:
        """The networks that can be chosen."""
        found = [(net, _(words)) for net, words in choices.ARCHITECTURES.items()]
        if self.typed.net and self.typed.net not in choices.ARCHITECTURES:
            found.append((self.typed.net, self.typed.net))
        return [("", _("none")), *found] if self.place else found

    @property
    def ways(self) -> list[tuple[str, str]]:
        """How they can be trained."""
        return [(way, _(words)) for way, words in choices.WAYS.items()]


class CandidateBound(forms.BoundField):
    """A field of candidates on its form."""

    @property
    def rows(self) -> list[Row]:
        """The controls, filled: one candidate's, or those of all rivals that there may be."""
        value = self.value()
        if not self.many:
            typed = Typed.of(value)
            return [Row(self.html_name, typed, said=says(typed))]
        given = [Typed.of(one) for one in value or ()]
        given += [Typed()] * (MAX_RIVALS - len(given))
        return [
            Row(f"{self.html_name}_{place}", typed, place + 1, says(typed))
            for place, typed in enumerate(given)
        ]

    @property
    def many(self) -> bool:
        """Whether these are the rivals."""
        return isinstance(self.field, RivalsField)

    @property
    def weights(self) -> str:
        """The networks with pre-trained weights here, for the script."""
        return " ".join(networks_with_weights())


class _Widget(forms.Widget):
    """Reads the controls; a template of its own shows them (candidates/_field.html)."""

    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> object:
        found = typed_at(data, name)
        return data.get(name) if found is None else found


class _RivalsWidget(_Widget):
    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> object:
        rows = [typed_at(data, f"{name}_{place}") for place in range(MAX_RIVALS)]
        if any(row is not None for row in rows):
            return [row for row in rows if row is not None and row.net]
        get = getattr(data, "getlist", None)
        found = get(name) if get is not None else data.get(name, [])
        return list(found)


class CandidateField(forms.Field):
    """One candidate; its value is its name, "" where nothing was sent."""

    widget = _Widget

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> CandidateBound:
        """Return the field with its rows."""
        return CandidateBound(form, self, field_name)

    def clean(self, value: object) -> str:
        """Return the name. Raises ValidationError."""
        if isinstance(value, Typed):
            return value.name()
        if not value and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return str(value or "")


class RivalsField(CandidateField):
    """Up to `MAX_RIVALS` candidates; its value is the list of their names."""

    widget = _RivalsWidget

    def clean(self, value: object) -> list[str]:  # type: ignore[override]  # several names
        """Return the names. Raises ValidationError naming each network that does not fit."""
        rows = value if isinstance(value, Sequence) else []
        names, wrong = [], []
        for row in rows:
            try:
                names.append(row.name() if isinstance(row, Typed) else str(row))
            except forms.ValidationError as error:
                net = choices.ARCHITECTURES.get(row.net)
                wrong.append(f"{_(net) if net else row.net}: {error.messages[0]}")
        if wrong:
            raise forms.ValidationError(wrong)
        return names

"""How much people label first and per round, and how candidates train: what a project may set.

A project keeps them in `Project.settings`, by the engine's names; what is absent is the usual value,
which for epochs, batch and rate depends on the network. They enter the run's settings at its start.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Any

from django.utils.translation import gettext as _

from labelapp.engine_candidates import OPTIONS, PRESETS, USUAL_WEIGHING, floor_problem
from labelapp.selectors.money_words import number

COUNTS = ("first", "fixed_delta")
WEIGHTS = ("neighbours", "representativeness", "uncertainty")
"""Of M(.) `informativeness` (mcal_engine.config.Weighing)."""
BETWEEN_ROUNDS = ("fixed_delta", *WEIGHTS, "members_gib")
"""What may change while a run goes on: nothing that an error curve was measured with."""

MOST_IMAGES = 10_000_000
MOST_NEIGHBOURS = 1_000
MOST_POWER = 100.0
MOST_TAIL = 0.75  # the schedule's way up takes the first fifth of the steps


@dataclass(frozen=True)
class TrainingSettings:
    """`first` and `fixed_delta` in images; `training` by `mcal_engine.training.OPTIONS`.

    `weighing` holds some of `WEIGHTS`. None, or a name that is absent, is the usual value.
    """

    first: int | None = None
    fixed_delta: int | None = None
    training: dict[str, float] = field(default_factory=dict)
    weighing: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: dict[str, Any]) -> TrainingSettings:
        """Return what a project's settings hold."""
        counts = {n: None if settings.get(n) is None else int(settings[n]) for n in COUNTS}
        return cls(
            **counts,
            training=dict(settings.get("training") or {}),
            weighing=dict(settings.get("weighing") or {}),
        )

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> TrainingSettings:
        """Return the settings of a flat form: a value of None, or an absent one, is the usual."""
        given = {name: value for name, value in values.items() if value is not None}
        return cls(
            first=given.get("first"),
            fixed_delta=given.get("fixed_delta"),
            training={name: _as_float(given[name]) for name in OPTIONS if name in given},
            weighing={name: given[name] for name in WEIGHTS if name in given},
        )

    @classmethod
    def of_preset(cls, name: str) -> TrainingSettings:
        """Return what a preset of the engine sets. Raises KeyError for one there is not."""
        preset = PRESETS[name]
        return cls(preset.first, preset.fixed_delta, dict(preset.training))

    def values(self) -> dict[str, Any]:
        """Return all that is set, flat: the values of a form."""
        found = {name: getattr(self, name) for name in COUNTS}
        return {n: v for n, v in found.items() if v is not None} | self.training | self.weighing

    def into(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return a project's settings with these in place of those that it had."""
        names = (*COUNTS, "training", "weighing")
        kept = {name: value for name, value in settings.items() if name not in names}
        found = {name: getattr(self, name) for name in names}
        return kept | {name: value for name, value in found.items() if value not in (None, {})}

    def later(self, **changes: Any) -> TrainingSettings:
        """Return the settings with other values of `BETWEEN_ROUNDS`, None for the usual ones."""
        rest = {n: v for n, v in self.values().items() if n not in BETWEEN_ROUNDS}
        found = self.from_values(rest | changes)
        unknown = {n: v for n, v in self.training.items() if n not in OPTIONS}
        return replace(found, training={**unknown, **found.training})

    def check(self, images: int | None = None) -> dict[str, str]:
        """Return what is wrong, by field; empty when all is well.

        `images` is how many the project has, where that is known.
        """
        wrong = {name: _range_problem(name, value) for name, value in self.values().items()}
        if not any(wrong.values()) and floor_problem(self.training):
            wrong["pseudo_floor"] = _("The floor must not lie above the first threshold.")
        if images is not None and (self.fixed_delta or 0) > images and not wrong["fixed_delta"]:
            text = _("Labels per round: at most %(images)s, as many as the project has images.")
            wrong["fixed_delta"] = text % {"images": number(images)}
        powers = [
            self.weighing.get(name, getattr(USUAL_WEIGHING, name))
            for name in ("representativeness", "uncertainty")
        ]
        if not any(powers):
            wrong["uncertainty"] = _("The two weights must not both be 0: nothing would be ranked.")
        return {name: text for name, text in wrong.items() if text}


def limits(name: str) -> tuple[float, float, bool]:
    """Return the least and the largest value of a setting, and whether it counts something.

    Raises KeyError for a name that is none.
    """
    if name in COUNTS:
        return 1, MOST_IMAGES, True
    if name == "neighbours":
        return 1, MOST_NEIGHBOURS, True
    if name in WEIGHTS:
        return 0, MOST_POWER, False
    option = OPTIONS[name]
    most = min(option.most, MOST_TAIL) if name == "tail" else option.most
    return option.least, most, option.whole


def _range_problem(name: str, value: Any) -> str:
    try:
        least, most, whole = limits(name)
    except KeyError:
        return _("There is no such setting.")
    known = isinstance(value, int | float) and isfinite(_as_float(value)) and least <= value <= most
    if known and (not whole or value == int(value)):
        return ""
    text = (
        _("Give a whole number from %(least)s to %(most)s.")
        if whole
        else _("Give a number from %(least)s to %(most)s.")
    )
    return text % {"least": _plain(least), "most": _plain(most)}


def _as_float(value: float) -> float:
    """Return the number; infinity for one that is larger than any float."""
    try:
        return float(value)
    except OverflowError:
        return inf


def _plain(value: float) -> str:
    digits = len(f"{value:.7f}".rstrip("0").partition(".")[2])
    return number(value, digits)

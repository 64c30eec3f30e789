"""How candidates train, as numbers: what a run may set beside each network's usual recipe.

A run keeps them as `RunConfig.training`, name -> number, so that it can be repeated; a name that is
absent leaves the usual value, which depends on network and images (`vision.recipes.suited`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from mcal_engine.errors import InvalidConfigError


@dataclass(frozen=True)
class Pseudo:
    """Pseudo-labels (`+pseudo`): which machine labels of the last round train along.

    Round r takes images of a calibrated confidence of at least `threshold` - `decay` (r - 1), not
    below `floor`; of each class at most `balance` times as many as of the rarest, and in all at
    most `most` |B|. Their loss counts `weight` against a human label's 1.
    """

    threshold: float = 0.95
    decay: float = 0.01
    floor: float = 0.85
    weight: float = 0.5
    balance: float = 3.0
    most: float = 2.0


@dataclass(frozen=True)
class Semi:
    """Consistency training (`+semi`): images without a label beside those with one.

    `unlabelled` images per labelled one in each batch (mu of FixMatch), their loss times `weight`;
    `memory` is the decay of the adaptive thresholds, `average` that of the running mean of the
    weights, which scores; `longer` times as many steps as without.
    """

    unlabelled: int = 2
    weight: float = 1.0
    memory: float = 0.99
    average: float = 0.99
    longer: float = 2.0

    @property
    def images(self) -> float:
        """Images seen for each one of a plain training: labelled, weak view and strong view."""
        return self.longer * (1 + 2 * self.unlabelled)


@dataclass(frozen=True)
class MembersRoom:
    """What an ensemble's members may take on disk, in GiB."""

    gib: float = 4.0

    @property
    def bytes(self) -> int:
        """The same in bytes."""
        return int(self.gib * 2**30)


@dataclass(frozen=True)
class Option:
    """One setting: its least and its largest value, whether it counts something, what it is."""

    least: float
    most: float
    whole: bool
    text: str


OPTIONS: dict[str, Option] = {
    "epochs": Option(1, 10_000, True, "passes over the labelled images"),
    "min_steps": Option(1, 1_000_000, True, "optimiser steps at least, however few images"),
    "batch": Option(1, 65_536, True, "images per optimiser step"),
    "learning_rate": Option(1e-7, 100.0, False, "the largest step size of the schedule"),
    "sgd": Option(0, 1, True, "1: SGD with momentum 0.9, 0: AdamW"),
    "tail": Option(0.01, 0.99, False, "share of the steps from which members are taken"),
    "tail_rate": Option(1e-6, 1.0, False, "learning rate there, as a share of the largest"),
    "spacing": Option(0, 1_000_000, True, "steps between two members; 0: as many as fit"),
    "members_gib": Option(0.001, 10_000.0, False, "GiB on disk at most for an ensemble"),
    "pseudo_threshold": Option(0.5, 1.0, False, "calibrated confidence in the first round"),
    "pseudo_decay": Option(0.0, 1.0, False, "how far it falls with each round"),
    "pseudo_floor": Option(0.5, 1.0, False, "where it stops falling"),
    "pseudo_weight": Option(0.001, 1.0, False, "of a pseudo-label in the loss, against 1"),
    "pseudo_balance": Option(1.0, 1_000.0, False, "times as many of a class as of the rarest"),
    "pseudo_most": Option(0.01, 100.0, False, "pseudo-labels at most, in multiples of |B|"),
    "semi_unlabelled": Option(1, 64, True, "images without a label for each one with one"),
    "semi_weight": Option(0.001, 100.0, False, "of their loss"),
    "semi_memory": Option(0.0, 0.99999, False, "decay per step of the adaptive thresholds"),
    "semi_average": Option(0.0, 0.99999, False, "decay per step of the mean of the weights"),
    "semi_longer": Option(0.1, 100.0, False, "times as many steps as a plain training"),
}
"""Every setting that a run may hold, by name."""

OPTIMIZERS = ("adamw", "sgd")
_PARTS: dict[str, type[Pseudo | Semi | MembersRoom]] = {
    "pseudo": Pseudo,
    "semi": Semi,
    "members": MembersRoom,
}


def checked(settings: Mapping[str, Any]) -> dict[str, float]:
    """Return the settings if each is known and in its range. Raises `InvalidConfigError`."""
    for name, value in settings.items():
        option = OPTIONS.get(name)
        if option is None:
            raise InvalidConfigError(
                f"there is no training setting {name!r}; there is: {', '.join(OPTIONS)}"
            )
        if not _fits(option, value):
            kind = "a whole number" if option.whole else "a number"
            raise InvalidConfigError(
                f"{name} must be {kind} from {option.least:g} to {option.most:g}, not {value!r}"
            )
    found = {name: float(value) for name, value in settings.items()}
    pseudo = pseudo_of(found)
    if pseudo.floor > pseudo.threshold:
        raise InvalidConfigError(
            f"pseudo_floor ({pseudo.floor:g}) must not exceed pseudo_threshold "
            f"({pseudo.threshold:g})"
        )
    return found


def _fits(option: Option, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return False
    return option.least <= value <= option.most and (not option.whole or value == int(value))


def pseudo_of(settings: Mapping[str, Any]) -> Pseudo:
    """Return the settings of pseudo-labels among these, the usual ones where there are none."""
    return Pseudo(**_part(settings, "pseudo"))


def semi_of(settings: Mapping[str, Any]) -> Semi:
    """Return the settings of consistency training among these, the usual ones where none."""
    return Semi(**_part(settings, "semi"))


def members_of(settings: Mapping[str, Any]) -> MembersRoom:
    """Return the room for an ensemble's members among these settings, the usual one where none."""
    return MembersRoom(**_part(settings, "members"))


def recipe_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what belongs to the recipe of every candidate, as `vision.recipes.Recipe` names it."""
    parts = tuple(f"{part}_" for part in _PARTS)
    found = {n: _number(n, v) for n, v in settings.items() if not n.startswith(parts)}
    if "sgd" in found:
        found["optimizer"] = OPTIMIZERS[found.pop("sgd")]
    return found


def _part(settings: Mapping[str, Any], part: str) -> dict[str, Any]:
    known = {f"{part}_{field.name}": field.name for field in fields(_PARTS[part])}
    return {known[n]: _number(n, v) for n, v in settings.items() if n in known}


def _number(name: str, value: Any) -> Any:
    return int(value) if name in OPTIONS and OPTIONS[name].whole else value

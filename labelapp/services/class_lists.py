"""Class lists as people paste them: split, checked, with keys and colours assigned."""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError
from labelapp.models import Label, LabelClass
from labelapp.selectors.dashboard_words import number

KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
MAX_CLASSES = 1_000
MAX_NAME = 120

_PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#7a6a00",
    "#8a4fa8",
    "#4d4d4d",
    "#9c2f45",
)
"""Okabe and Ito's palette for colour-blind people, and four that stay apart from it."""

_GOLDEN_ANGLE = 0.618033988749895


@dataclass(frozen=True)
class NewClass:
    """A class before it is stored: `index` is the engine's class number."""

    index: int
    name: str
    key: str
    colour: str


def split_names(text: str) -> list[str]:
    """Return the class names of a pasted list: one per line, or separated by commas.

    Commas separate only when there is a single line, so that names may hold commas otherwise.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    parts = re.split(r"[,;\t]", lines[0]) if len(lines) == 1 else lines
    return [name for part in parts if (name := " ".join(part.split()))]


def assign(names: list[str]) -> list[NewClass]:
    """Give each class its number, key cap (digits, then letters) and colour."""
    return [
        NewClass(index, name, KEYS[index] if index < len(KEYS) else "", _colour(index))
        for index, name in enumerate(names)
    ]


def next_class(name: str, rows: Iterable[LabelClass]) -> NewClass:
    """Return a further class: the next number, a free key cap, a colour."""
    known = list(rows)
    index = 1 + max((row.index for row in known), default=-1)
    taken = {row.key for row in known if not row.archived}
    key = next((cap for cap in KEYS if cap not in taken), "")
    return NewClass(index, name, key, _colour(index))


def follow_merges(project_id: int) -> None:
    """Give labels whose answers were under way while their class was merged the class it became."""
    merged = LabelClass.objects.filter(project_id=project_id, merged_into__isnull=False)
    for old, new in merged.values_list("index", "merged_into__index"):
        labels = Label.objects.filter(project_id=project_id, class_index=old)
        labels.filter(source=Label.Source.HUMAN).update(class_index=new)


def check_names(names: list[str]) -> None:
    """Raise InvalidInputError (field `classes`) unless these names make a class list."""
    if problem := _problem(names):
        raise InvalidInputError(_("The class list cannot be used."), classes=problem)


def _problem(names: list[str]) -> str:
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        return _("At least two classes are needed; the list has %(found)s.") % {"found": found}
    if len(names) > MAX_CLASSES:
        return _("At most %(most)s classes are possible; the list has %(found)s.") % {
            "most": number(MAX_CLASSES),
            "found": number(len(names)),
        }
    if any(not name for name in names):
        return _("A class has no name.")
    if long := [name for name in names if len(name) > MAX_NAME]:
        return _("A name may have %(most)s characters; this one is longer: %(name)s...") % {
            "most": MAX_NAME,
            "name": long[0][:40],
        }
    return _repeated(names)


def _repeated(names: list[str]) -> str:
    counts = Counter(name.casefold() for name in names)
    twice = [name for name in dict.fromkeys(names) if counts[name.casefold()] > 1]
    if not twice:
        return ""
    return _("Each class may stand only once; these are repeated: %(names)s.") % {
        "names": ", ".join(twice[:5])
    }


def _colour(index: int) -> str:
    """Return the palette's colour, later hues spread by the golden angle."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    hue = (index * _GOLDEN_ANGLE) % 1
    lightness = (0.38, 0.5, 0.62)[index % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"

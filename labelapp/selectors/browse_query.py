"""What the browser of images is asked for: filters and order, as they stand in an address.

`browse_url` is how other pages link to the images behind a figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError

SOURCES = ("human", "machine")
HUMAN_PURPOSES = ("seed", "train", "ahead", "test", "audit", "residual")
PLACES = (*HUMAN_PURPOSES, "machine", "excluded", "unlabelled")
SORTS = ("", "last", "unsure", "sure", "split", "label", "name")
MAX_NAME = 200
MAX_WHOLE = 2**31 - 1


@dataclass(frozen=True)
class Query:
    """Filters and order; None and "" mean: whatever.

    `where` is `in` of the address. A `name` that begins with ^ asks for names that begin so.
    """

    label: int | None = None  # class index of the current label
    guess: int | None = None  # class index that the model says
    source: str = ""
    where: str = ""
    low: float | None = None  # margin, 0..1
    high: float | None = None
    person: int | None = None  # who answered
    split: bool = False  # people disagreed
    iteration: int | None = None
    name: str = ""
    sort: str = ""

    def filters(self) -> dict[str, str]:
        """Return what is asked for by the names of the address, without the order."""
        found = {}
        for name, value in asdict(self).items():
            if name != "sort" and _is_there(value):
                found[_ADDRESS.get(name, name)] = _text(value)
        return found

    def params(self) -> dict[str, str]:
        """Return filters and order by the names of the address."""
        return self.filters() | ({"sort": self.sort} if self.sort else {})

    def encoded(self) -> str:
        """Return it as the address has it; equal queries give equal texts."""
        return urlencode(self.params())

    def without(self, name: str) -> Query:
        """Return it without one filter, named as in the address."""
        own = next((key for key, value in _ADDRESS.items() if value == name), name)
        defaults: dict[str, Any] = {f.name: f.default for f in fields(Query)}
        return replace(self, **{own: defaults[own]})

    @property
    def asks_model(self) -> bool:
        """Tell whether what the model says decides which images these are, or their order."""
        by_margin = self.low is not None or self.high is not None
        by_margin = by_margin or self.sort in {"unsure", "sure"}
        return self.guess is not None or (by_margin and not self.stored)

    @property
    def stored(self) -> bool:
        """Tell whether margins are those that machine labels were stored with."""
        return self.source == "machine" or self.where == "machine"


_ADDRESS = {"where": "in"}


def parse(raw: Mapping[str, str]) -> Query:
    """Return the query of an address; what is empty counts as not there.

    Raises InvalidInputError naming the filter that makes no sense.
    """
    return Query(
        label=_whole(raw, "label"),
        guess=_whole(raw, "guess"),
        source=_choice(raw, "source", SOURCES),
        where=_choice(raw, "in", PLACES),
        low=_share(raw, "low"),
        high=_share(raw, "high"),
        person=_whole(raw, "person"),
        split=_choice(raw, "split", ("0", "1")) == "1",
        iteration=_whole(raw, "iteration"),
        name=_name(raw),
        sort=_choice(raw, "sort", SORTS),
    )


def browse_url(pid: str, **filters: object) -> str:
    """Return the address of the images that these filters leave; `in` goes as `where` or `in`.

    `filters` are those of the address (see `Query`); None and "" are left out. Raises
    InvalidInputError, so that no page links to what cannot be asked.
    """
    named = {_ADDRESS.get(name, name): value for name, value in filters.items()}
    raw = {name: _text(value) for name, value in named.items() if _is_there(value)}
    unknown = raw.keys() - {_ADDRESS.get(f.name, f.name) for f in fields(Query)}
    if unknown:
        raise _wrong(min(unknown))
    query = parse(raw).encoded()
    address = reverse("project_browse", args=[pid])
    return f"{address}?{query}" if query else address


def _is_there(value: object) -> bool:
    return value is not None and value is not False and value != ""


def _text(value: Any) -> str:
    if value is True:
        return "1"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _whole(raw: Mapping[str, str], name: str) -> int | None:
    text = raw.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_WHOLE):
        raise _wrong(name)
    return int(text)


def _share(raw: Mapping[str, str], name: str) -> float | None:
    text = raw.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        value = float(text) if len(text) < 40 else math.nan
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise _wrong(name)
    return value


def _choice(raw: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = raw.get(name, "")
    if text and text not in choices:
        raise _wrong(name)
    return text


def _name(raw: Mapping[str, str]) -> str:
    text = raw.get("name", "").strip()
    if len(text) > MAX_NAME or not text.isprintable():
        raise _wrong("name")
    return "" if text == "^" else text


def _wrong(name: str) -> InvalidInputError:
    message = _("The filter “%(name)s” has a value that makes no sense.") % {"name": name}
    return InvalidInputError(message, **{name: "is not valid"})

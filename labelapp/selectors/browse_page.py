"""What the browser's page shows around the images: filters in words, saved views, counts."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import (
    LabelClass,
    Membership,
    Project,
    ProjectCounter,
    SavedView,
)
from labelapp.selectors.browse_query import Query, browse_url
from labelapp.selectors.money_words import chosen_share
from labelapp.selectors.projects import Access

MOST_VIEWS = 100
PLACES = {
    "seed": gettext_lazy("first training labels"),
    "train": gettext_lazy("training labels"),
    "ahead": gettext_lazy("labelled while a training ran"),
    "test": gettext_lazy("test set"),
    "audit": gettext_lazy("audit"),
    "residual": gettext_lazy("labelled by people at the end"),
    "machine": gettext_lazy("labelled by the machine"),
    "excluded": gettext_lazy("excluded"),
    "unlabelled": gettext_lazy("without a label"),
}
SOURCES = {"human": gettext_lazy("people"), "machine": gettext_lazy("the machine")}
SORTS = {
    "": gettext_lazy("As imported"),
    "last": gettext_lazy("Newest import first"),
    "unsure": gettext_lazy("Least sure first"),
    "sure": gettext_lazy("Most sure first"),
    "split": gettext_lazy("Most disputed first"),
    "label": gettext_lazy("By label"),
    "name": gettext_lazy("By file name"),
}


@dataclass(frozen=True)
class Chip:
    """One active filter in words, and the address without it."""

    words: str
    without: str


@dataclass(frozen=True)
class View:
    """A view to choose; `pk` is 0 for those that every project has."""

    name: str
    url: str
    pk: int = 0
    mine: bool = False
    shared: bool = False
    active: bool = False


def chips(project: Project, query: Query, classes: dict[int, LabelClass]) -> list[Chip]:
    """Return the active filters, each removable."""
    words = _words(project, query, classes)
    return [
        Chip(words[name], _url(project, query.without(name)))
        for name in query.filters()
        if name in words
    ]


def _words(project: Project, query: Query, classes: dict[int, LabelClass]) -> dict[str, str]:
    """Return each filter in words, by its name in the address."""

    def name_of(index: int | None) -> str:
        found = None if index is None else classes.get(index)
        return str(index) if found is None else found.name

    return {
        "label": _("Label: %(name)s") % {"name": name_of(query.label)},
        "guess": _("Model says: %(name)s") % {"name": name_of(query.guess)},
        "source": _("Labelled by %(source)s") % {"source": SOURCES.get(query.source, "")},
        "in": str(PLACES.get(query.where, "")).capitalize(),
        "low": _("Margin from %(value)s") % {"value": _percent(query.low)},
        "high": _("Margin up to %(value)s") % {"value": _percent(query.high)},
        "person": _("Answered by %(name)s") % {"name": _person(project, query.person)},
        "split": _("People disagreed"),
        "iteration": _("Iteration %(number)s") % {"number": query.iteration},
        "name": _("Name begins with “%(text)s”") % {"text": query.name[1:]}
        if query.name.startswith("^")
        else _("Name contains “%(text)s”") % {"text": query.name},
    }


def _percent(value: float | None) -> str:
    return "" if value is None else chosen_share(value)


def _person(project: Project, pk: int | None) -> str:
    if pk is None:
        return ""
    found = Membership.objects.select_related("user").filter(project=project, user_id=pk).first()
    return str(found.user) if found else f"#{pk}"


def _url(project: Project, query: Query) -> str:
    return browse_url(project.public_id, **query.params())


def views(access: Access, query: Query) -> list[View]:
    """Return the views of every project, then the person's own and the shared ones."""
    project, now = access.project, query.encoded()
    found = [View(name, _url(project, one), active=one.encoded() == now) for name, one in _usual()]
    rows = SavedView.objects.filter(project=project).filter(Q(user=access.user) | Q(shared=True))
    for row in rows.order_by("name")[:MOST_VIEWS]:
        address = browse_url(project.public_id)
        url = f"{address}?{row.query}" if row.query else address
        mine = row.user_id == access.user.pk
        found.append(View(row.name, url, row.pk, mine, row.shared, row.query == now))
    return found


def _usual() -> list[tuple[str, Query]]:
    return [
        (_("All images"), Query()),
        (_("Least sure machine labels"), Query(source="machine", sort="unsure")),
        (_("People disagreed"), Query(split=True, sort="split")),
        (_("Without a label"), Query(where="unlabelled")),
        (_("Excluded"), Query(where="excluded")),
    ]


def known_total(project: Project, query: Query) -> int | None:
    """Return how many images pass, where a counter knows it; nothing is counted for a page."""
    filters = query.filters()
    if query.sort in {"split", "label"} or query.asks_model:
        return None
    named = {(): "images", ("source=machine",): "machine", ("in=machine",): "machine"}
    named[("in=excluded",)] = "excluded"
    column = named.get(tuple(f"{name}={value}" for name, value in filters.items()))
    if column is None:
        return None
    found: int = ProjectCounter.objects.values_list(column, flat=True).get(project=project)
    return found


def people(project: Project) -> list[tuple[int, str]]:
    """Return who could have answered, by name."""
    rows = Membership.objects.filter(project=project).select_related("user")
    return sorted(((row.user_id, str(row.user)) for row in rows[:500]), key=lambda one: one[1])

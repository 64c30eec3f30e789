"""The stored report of the people (docs/people.md) as tables of the quality page."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from labelapp.selectors.dashboard_words import share
from labelapp.selectors.people_words import agreement_words, source_words

Report = dict[str, Any]
MOST_PAIRS = 10


def per_person(report: Report | None, user_id: int) -> dict[str, Any]:
    """Return what the report says of one person; empty where it says nothing."""
    people = report["people"] if report else []
    found = next((dict(one) for one in people if one["user"] == user_id), {})
    if found.get("agreement"):
        found["agreement"] = {**found["agreement"], "words": _share_words(found["agreement"])}
    return found


def _share_words(value: dict[str, float]) -> str:
    return _("%(share)s (%(low)s to %(high)s)") % {
        name: share(value[name], 0) for name in ("share", "low", "high")
    }


def agreement(report: Report | None) -> list[dict[str, str]]:
    """Return the coefficients of agreement with their intervals, in words; the pairs last."""
    if not report or not report["agreement"]["items"]:
        return []
    found = report["agreement"]
    rows = [
        _row(_("Krippendorff's alpha, all people"), found["alpha"], found["items"]),
        _row(_("Fleiss' kappa, all people"), found["fleiss"], found["items"]),
    ]
    names = {one["user"]: one["name"] for one in report["people"]}
    for pair in found["pairs"][:MOST_PAIRS]:
        both = (names.get(pair["a"], "?"), names.get(pair["b"], "?"))
        title = _("Cohen's kappa, %(a)s and %(b)s") % {"a": both[0], "b": both[1]}
        rows.append(_row(title, pair, pair["items"]))
    return rows


def _row(title: str, value: dict[str, Any], items: int) -> dict[str, str]:
    if value["value"] is None:
        text = _("unknown: %(why)s") % {"why": agreement_words(value["why"])}
    else:
        text = f"{value['value']:.2f}"
        if value["low"] is not None:
            low, high = f"{value['low']:.2f}", f"{value['high']:.2f}"
            text += " " + _("(%(low)s to %(high)s)") % {"low": low, "high": high}
    return {"title": title, "text": text, "items": f"{items:,}"}


def estimates(report: Report | None) -> list[dict[str, Any]]:
    """Return each estimate of the people's error, the best one first and marked."""
    if not report:
        return []
    error = report["human_error"]
    return [
        {
            "source": source_words(found["source"]),
            "of": _("labels") if found["of"] == "labels" else _("single answers"),
            "n": f"{found['n']:,}",
            "share": share(found["share"]),
            "interval": _("%(low)s to %(high)s")
            % {"low": share(found["low"]), "high": share(found["high"])},
            "bound": found["kind"] == "bound",
            "best": number == error["best"],
        }
        for number, found in enumerate(error["sources"])
    ]

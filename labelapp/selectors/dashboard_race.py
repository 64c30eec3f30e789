"""Networks that race: what each is forecast to cost, and how likely it is the cheapest."""

from __future__ import annotations

from typing import Any

from labelapp.selectors.candidate_words import candidate_name
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_words import duration, money, money_range, share


def race(facts: Facts) -> list[dict[str, Any]]:
    """Return one row per network of the last training, the leader first; empty without a race."""
    if not facts.records or not facts.project.rivals:
        return []
    records = [facts.records[-1], *facts.others]
    return [_row(facts, record, place) for place, record in enumerate(records)]


def _row(facts: Facts, record: dict[str, Any], place: int) -> dict[str, Any]:
    star, chance = record["c_star"], record["probability_best"]
    errors, count = record["test_errors"][-1], record["test_counts"][-1]
    return {
        "name": candidate_name(record["arch"]),
        "arch": record["arch"],
        "errors": share(errors / max(1, count)),
        "seconds": duration(record["train_seconds"] + record["score_seconds"]),
        "c_star": "" if star is None else money(star, facts.currency),
        "interval": ""
        if star is None
        else money_range(record["c_low"], record["c_high"], facts.currency),
        "chance": "" if chance is None else share(chance, digits=0),
        "place": _place(facts, record["arch"], place),
    }


def _place(facts: Facts, arch: str, place: int) -> str:
    if facts.live and arch not in facts.live:
        return "out of the race"
    return "leads" if place == 0 else "in the race"

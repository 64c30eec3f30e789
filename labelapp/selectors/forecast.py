"""The forecast pages, each as one plain dictionary: pages, downloads and refetches draw from it.

Three pages: what it costs and how good it gets ("forecast"), the machine and its classes
("machine"), the money so far ("ledger"). All numbers are computed here, the browser only draws.
"""

from __future__ import annotations

from datetime import UTC, date
from datetime import datetime as clock
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext

from labelapp.models import Project
from labelapp.selectors import dashboard_charts as charts
from labelapp.selectors import forecast_classes as classes
from labelapp.selectors import forecast_confidence as confidence
from labelapp.selectors import forecast_history as history
from labelapp.selectors import forecast_ledger as ledger
from labelapp.selectors import forecast_words as words
from labelapp.selectors.browse_query import browse_url
from labelapp.selectors.candidate_words import candidate_name
from labelapp.selectors.dashboard_words import (
    duration,
    mean_price,
    money,
    number,
    purpose_words,
    share,
)
from labelapp.selectors.date_words import day_words
from labelapp.selectors.forecast_counts import counts
from labelapp.selectors.forecast_facts import Facts, class_names, gather
from labelapp.selectors.forecast_pictures import pictures
from labelapp.selectors.outlook_words import changes

Page = dict[str, Any]

GROUPS = {
    "test": "test",
    "seed": "train",
    "train": "train",
    "ahead": "train",
    "audit": "audit",
    "residual": "residual",
    "compute": "compute",
}
"""What the bars of a day show apart; every other purpose is "other"."""
SHOWN_PAIRS = 8  # mistakes that come with pictures
SHOWN_DAYS = 366  # in the picture; the file has all
LISTED_DAYS = 92  # in the table


def forecast_page(project: Project) -> Page:
    """Return error curves, costs, and how the forecasts converged."""
    facts = gather(project)
    drawn = charts.charts(facts)
    totals, race = history.totals(facts), history.race_chart(facts)
    foreseen, rows = history.foresight(facts), race_rows(facts)
    sizes = history.sizes_chart(facts)
    pictures_ = {
        "curves": drawn["curves"],
        "cost": drawn["cost"],
        "history": history.history_chart(facts, drawn["history"]),
        "sizes": sizes,
        "foresight": {"rows": foreseen},
        "race": race,
    }
    said = {
        "curves": words.curves(facts, drawn["curves"]),
        "cost": words.cost(facts, drawn["cost"]),
        "history": words.history(facts, totals),
        "sizes": words.sizes(sizes),
        "foresight": words.foresight(foreseen),
        "race": words.race(race, rows),
    }
    totals["rows"] = [row | _total_words(row, facts.currency) for row in totals["rows"]]
    for line in race["lines"]:
        line["name"] = candidate_name(line["arch"])
    return _page(facts, "forecast", pictures_, said) | {
        "totals": totals,
        "race": rows,
        "alone": not rows,
    }


def _total_words(row: dict[str, Any], currency: str) -> dict[str, str]:
    off = row["off"]
    return {
        "images": number(row["train_size"]),
        "text": money(row["value"], currency),
        "range80": _range(row["low80"], row["high80"], currency),
        "range95": _range(row["low95"], row["high95"], currency),
        "off_text": "" if off is None else f"{'+' if off > 0 else ''}{share(off)}",
    }


def machine_page(project: Project) -> Page:
    """Return what T says of the machine's confidence, and of each class."""
    facts = gather(project)
    names, drawn = class_names(project), charts.charts(facts)
    counted = counts(project, facts.counter)
    reliability = confidence.reliability(facts.profile, drawn["margins"]["threshold"])
    rows = classes.class_rows(facts, names, counted)
    margins = drawn["margins"]
    pictures_ = {"reliability": reliability, "margins": margins | _bins(facts, margins["edges"])}
    said = {
        "reliability": f"{words.reliability(reliability)} {words.above(reliability)}".strip(),
        "margins": words.margins(drawn["margins"]),
        "classes": words.classes(facts, rows),
    }
    page = _page(facts, "machine", pictures_, said) | {
        "classes": rows,
        "matrix": classes.matrix(facts, names),
        "confusions": classes.top_confusions(facts, names),
        "tests": len(facts.profile.get("label") or []),
        "old": bool(facts.records) and not facts.profile.get("label"),
        "needs": "" if facts.run else words.needs(facts),
        "links": _around(facts, margins["threshold"]),
        "counting": {
            "whole": counted.whole,
            "seen": number(counted.seen),
            "of": number(counted.of),
            "at": counted.at.isoformat() if counted.at else "",
        },
    }
    page["version"] += f".{counted.seen}.{page['counting']['at']}"
    return page


def _bins(facts: Facts, edges: list[float]) -> dict[str, list[str]]:
    """Return where each bar of the margins leads: to the images that the machine is so sure of."""
    pid, pairs = facts.project.public_id, pairwise(edges)
    return {"links": [browse_url(pid, low=low, high=high) for low, high in pairs]}


def _around(facts: Facts, threshold: float | None) -> dict[str, str] | None:
    """Return the images on both sides of what the machine would label; None without a threshold."""
    if threshold is None:
        return None
    pid = facts.project.public_id
    unsure = browse_url(pid, low=0.0, high=threshold, sort="unsure")
    return {"unsure": unsure, "sure": browse_url(pid, low=threshold, high=1.0, sort="unsure")}


def mistakes_page(project: Project) -> list[dict[str, Any]]:
    """Return the most frequent mistakes, each with a few images behind it."""
    facts = gather(project)
    rows = classes.top_confusions(facts, class_names(project), SHOWN_PAIRS)
    found = pictures(facts, [(row["label"], row["pred"]) for row in rows])
    return [row | {"images": found.get((row["label"], row["pred"]), [])} for row in rows]


def ledger_page(project: Project) -> Page:
    """Return the money by day, purpose, person and machine."""
    facts = gather(project, trainings=False)
    sums = ledger.sums(project, facts.spent)
    days = [_day(day, parts) for day, parts in sums.days.items()]
    found = {
        "total": money(sums.total.amount, facts.currency),
        "compute": money(sums.compute.amount, facts.currency),
        "labels": money(sums.total.amount - sums.compute.amount, facts.currency),
        "labels_count": number(sums.total.quantity - sums.compute.quantity),
        "days": days,
        "newest": [day | _day_words(facts, day) for day in days[: -1 - LISTED_DAYS : -1]],
        "purposes": [_purpose(facts, name, sums) for name in _used(sums)],
        "people": _people(facts, sums.people),
        "machines": [_machine(facts, row) for row in ledger.by_machine(project)],
    }
    pictures_ = {"days": _bars(facts, days[-SHOWN_DAYS:])}
    page = _page(facts, "ledger", pictures_, {"days": words.ledger(facts, found)}) | found
    return page | {"needs": "" if facts.run else page["needs"]}


def _page(facts: Facts, name: str, pictures_: dict[str, Any], said: dict[str, str]) -> Page:
    return {
        "page": name,
        "version": facts.version,
        "run": str(facts.run.version) if facts.run else "",
        "seq": facts.counter.event_seq,
        "currency": facts.currency,
        "epsilon": facts.project.epsilon,
        "finished": facts.finished,
        "trainings": len(facts.records),
        "needs": words.needs(facts) or " ".join(changes(facts.outlook.changed)),
        "said": said,
        "charts": pictures_,
    }


def race_rows(facts: Facts) -> list[dict[str, Any]]:
    """Return one row per network of the last training, the leader first; empty without a race."""
    if not facts.records or not facts.project.rivals:
        return []
    return [_racer(facts, record) for record in (facts.records[-1], *facts.others[-1])]


def _racer(facts: Facts, record: dict[str, Any]) -> dict[str, Any]:
    star, chance = record["c_star"], record.get("probability_best")
    errors, count = record["test_errors"][-1], record["test_counts"][-1]
    low, high = (record[name] for name in ("c_low", "c_high"))
    return {
        "arch": record["arch"],
        "name": candidate_name(record["arch"]),
        "out": bool(facts.live) and record["arch"] not in facts.live,
        "chance": "" if chance is None else share(chance, digits=0),
        "c_star": "" if star is None else money(star, facts.currency),
        "interval": "" if star is None else _range(low, high, facts.currency),
        "errors": share(errors / max(1, count)),
        "seconds": duration(record["train_seconds"] + record["score_seconds"]),
    }


def _range(low: float, high: float, currency: str) -> str:
    return f"{money(low, currency)} \u2013 {money(high, currency)}"


# --- ledger --------------------------------------------------------------------------------------


def _used(sums: ledger.Sums) -> list[str]:
    """Return the purposes in the order of buying, without those that were all booked over."""
    rows = sums.purposes.items()
    return [name for name, line in rows if line.amount or line.quantity]


def _day(day: date, parts: dict[str, ledger.Line]) -> dict[str, Any]:
    groups: dict[str, Decimal] = {}
    for purpose, line in parts.items():
        group = GROUPS.get(purpose, "other")
        groups[group] = groups.get(group, Decimal(0)) + line.amount
    whole = sum(parts.values(), ledger.Line())
    compute = parts.get("compute", ledger.Line())
    return {
        "day": day.isoformat(),
        "labels": int(whole.quantity - compute.quantity),
        "hours": float(compute.quantity),
        "amount": float(whole.amount),
        "groups": {group: float(amount) for group, amount in groups.items()},
        "purposes": {purpose: str(line.amount) for purpose, line in parts.items()},
    }


def _day_words(facts: Facts, day: dict[str, Any]) -> dict[str, str]:
    return {
        "day_text": day_words(day["day"]),
        "amount_text": money(day["amount"], facts.currency),
        "labels_text": number(day["labels"]),
    }


def _bars(facts: Facts, days: list[dict[str, Any]]) -> dict[str, Any]:
    order = (*dict.fromkeys(GROUPS.values()), "other")
    used = [group for group in order if any(day["groups"].get(group) for day in days)]
    return {
        "currency": facts.currency,
        "day": [day["day"] for day in days],
        "at": [_midnight(day["day"]) for day in days],
        "labels": [day["labels"] for day in days],
        "hours": [day["hours"] for day in days],
        "groups": {group: [day["groups"].get(group, 0.0) for day in days] for group in used},
    }


def _midnight(day: str) -> int:
    return int(clock.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def _purpose(facts: Facts, name: str, sums: ledger.Sums) -> dict[str, Any]:
    line, computing = sums.purposes[name], name == "compute"
    hours = duration(float(line.quantity) * 3600)
    return {
        "purpose": name,
        "group": GROUPS.get(name, "other"),
        "label": purpose_words(name),
        "quantity": hours if computing else number(line.quantity),
        "amount": money(line.amount, facts.currency),
        "value": str(line.amount),
        "share": share(float(line.amount / (sums.total.amount or Decimal(1)))),
    }


def _people(facts: Facts, found: dict[int | None, ledger.Line]) -> list[dict[str, Any]]:
    """Return what each person was paid; moved bookings of nobody that come to nothing are left."""
    names = ledger.names(found)
    rows = []
    for user, line in found.items():
        if user is None and not line.amount and not line.quantity:
            continue
        mean = line.amount / line.quantity if line.quantity else Decimal(0)
        rows.append(
            {
                "user": user,
                "name": names.get(user, ""),
                "labels": number(line.quantity),
                "amount": money(line.amount, facts.currency),
                "value": str(line.amount),
                "mean": mean_price(mean, facts.currency),
            }
        )
    return rows


def _machine(facts: Facts, row: dict[str, Any]) -> dict[str, Any]:
    line: ledger.Line = row["line"]
    price = line.amount / line.quantity if line.quantity else Decimal(0)
    return {
        "arch": row["arch"],
        "name": candidate_name(row["arch"]) if row["arch"] else gettext("Computing"),
        "trainings": number(line.entries),
        "time": duration(float(line.quantity) * 3600),
        "amount": money(line.amount, facts.currency),
        "value": str(line.amount),
        "price": mean_price(price, facts.currency),
    }

"""The dashboard's tables: counts that add up to N, the ledger, one row per training."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.urls import NoReverseMatch
from django.utils.translation import gettext, ngettext

from labelapp.selectors.browse_query import browse_url
from labelapp.selectors.dashboard_facts import LABEL_PURPOSES, Facts
from labelapp.selectors.dashboard_ledger import Line
from labelapp.selectors.dashboard_words import (
    PURPOSES,
    duration,
    images,
    mean_price,
    money,
    money_range,
    number,
    price,
    purpose_words,
    share,
)
from labelapp.selectors.decision_words import decision_words


def counts(facts: Facts) -> dict[str, Any]:
    """Return T, B, audit, S, residual, excluded and what is open; they add up to N."""
    counter = facts.counter
    kinds = [
        ("test", gettext("Test set T"), "test", counter.test),
        ("train", gettext("Training set B"), "human", counter.train),
        ("audit", gettext("Audit"), "audit", counter.audit),
        ("machine", gettext("Machine labels S"), "machine", counter.machine),
        ("residual", gettext("The rest, by people"), "residual", counter.residual),
        ("excluded", gettext("Excluded"), "excluded", counter.excluded),
    ]
    if counter.ahead:  # until they join B, or stay people's
        kinds.insert(2, ("ahead", gettext("Labelled ahead"), "human", counter.ahead))
    still_open = facts.n - sum(count for *_, count in kinds)
    kinds.append(("open", gettext("Still open"), "open", still_open))
    return {
        "n": facts.n,
        "n_text": images(facts.n),
        "total_text": number(facts.n),
        "parts": _placed(kinds, max(1, facts.n), facts.project.public_id, _of_tests(facts)),
    }


def _of_tests(facts: Facts) -> str:
    """Say why fewer images are in T than labels were bought for it; empty where it is as many."""
    bought = int(facts.ledger.get("test", Line()).quantity)
    if facts.project.overlap > 1:
        words = {"bought": number(bought)}
        text = gettext("%(bought)s answers bought; what has joined B counts there") % words
        return text if bought else ""
    gone = bought - facts.counter.test
    if gone <= 0:
        return ""
    words = {"bought": number(bought), "gone": number(gone)}
    if facts.counter.excluded:
        text = gettext("%(bought)s bought, %(gone)s of them have joined B or are excluded")
    else:
        text = gettext("%(bought)s bought, %(gone)s of them have joined B")
    return text % words


_IN = {"audit": "audit", "machine": "machine", "residual": "residual", "excluded": "excluded"} | {
    "open": "unlabelled"
}
"""Part -> its place in the browser of images, where the two mean the same."""


def _images_of(pid: str, key: str, count: int) -> str:
    """Return the address of a part's images, empty where there is none."""
    if key not in _IN or not count:
        return ""
    try:
        return browse_url(pid, where=_IN[key])
    except NoReverseMatch:
        return ""


def _placed(
    kinds: list[tuple[str, str, str, int]], n: int, pid: str, tests: str
) -> list[dict[str, Any]]:
    """Add each part's place in a bar that is 1,000 wide, and the way to its images."""
    parts, x = [], 0.0
    for key, label, colour, count in kinds:
        width = 1000 * max(0, count) / n
        parts.append(
            {
                "key": key,
                "label": label,
                "colour": colour,
                "count": count,
                "count_text": number(count),
                "share": share(count / n),
                "note": tests if key == "test" else "",
                "url": _images_of(pid, key, count),
                "x": round(x, 2),
                "width": round(width, 2),
            }
        )
        x += width
    return parts


def ledger_table(facts: Facts) -> dict[str, Any]:
    """Return money by purpose, with what it bought, and the sum."""
    rows = [
        _ledger_row(purpose, facts.ledger[purpose], facts)
        for purpose in PURPOSES
        if purpose in facts.ledger
    ]
    return {
        "rows": rows,
        "total": money(facts.spent, facts.currency),
        "labels": facts.bought,
        "labels_text": number(facts.bought),
        "human_only": money(facts.human_only, facts.currency),
    }


def _ledger_row(purpose: str, line: Line, facts: Facts) -> dict[str, Any]:
    labels = purpose in LABEL_PURPOSES
    quantity = _labels(int(line.quantity)) if labels else duration(float(line.quantity) * 3600)
    return {
        "purpose": purpose,
        "label": purpose_words(purpose),
        "quantity": quantity,
        "unit": _unit(line, facts, labels=labels),
        "amount": money(line.amount, facts.currency),
        "value": float(line.amount),
        "share": share(float(line.amount / (facts.spent or Decimal(1)))),
    }


def _labels(count: int) -> str:
    return ngettext("%(n)s label", "%(n)s labels", count) % {"n": number(count)}


def _unit(line: Line, facts: Facts, *, labels: bool) -> str:
    """Return the price; where it changed meanwhile, the mean of what was paid."""
    each = facts.project.price_per_label if labels else facts.project.compute_price_per_hour
    mean = line.amount / line.quantity if line.quantity else each
    changed = abs(mean - each) > each / 100  # cents of the sum are rounded
    paid = mean_price(mean, facts.currency) if changed else price(each, facts.currency)
    words = {"money": paid}
    if labels:
        text = gettext("%(money)s a label on average") if changed else gettext("%(money)s a label")
    else:
        text = gettext("%(money)s an hour on average") if changed else gettext("%(money)s an hour")
    return text % words


def rounds(facts: Facts) -> list[dict[str, Any]]:
    """Return the table of iterations, the newest first."""
    rows = zip(facts.records, facts.times, facts.seconds, strict=True)
    return [_round(facts, *row) for row in rows][::-1]


def _round(facts: Facts, record: dict[str, Any], at: str, seconds: float) -> dict[str, Any]:
    star, theta = record["c_star"], record["theta_star"]
    return {
        "number": record["number"],
        "at": at,
        "train_size": number(record["train_size"]),
        "delta": f"+{number(record['delta'])}",
        "errors": gettext("%(errors)s of %(count)s")
        % {
            "errors": number(record["test_errors"][-1]),
            "count": number(record["test_counts"][-1]),
        },
        "error_share": share(record["test_errors"][-1] / max(1, record["test_counts"][-1])),
        "seconds": duration(seconds),
        "c_star": "-" if star is None else money(star, facts.currency),
        "interval": ""
        if star is None
        else money_range(record["c_low"], record["c_high"], facts.currency),
        "b_opt": "-" if record["b_opt"] is None else number(record["b_opt"]),
        "theta_star": "-" if theta is None else number(theta, 2),
        "stable": bool(record["stable"]),
        "decision": _sentence(decision_words(record, facts.currency)),
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

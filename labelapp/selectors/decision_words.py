"""What the engine decided and why, from its facts: the reader's language, the project's money.

A phrase to be read after "The engine". Decisions of before the facts were kept are put into words
from their stored English.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.selectors.money_words import NBSP, images, money, number, share
from labelapp.selectors.stored_words import dollars, stored_words

_ADDS: dict[str, str] = {
    "fixed": gettext_noop("%(head)s, the fixed batch of this run"),
    "forecast": gettext_noop("%(head)s because a forecast needs %(trainings)s"),
    "sure": gettext_noop("%(head)s to make sure before it stops, since %(reason)s"),
    "early": gettext_noop(
        "%(head)s to make sure, since it stops after %(to)s trainings at the earliest"
    ),
    "open": gettext_noop(
        "%(head)s because nothing can be machine-labelled yet and the curves may still fall"
    ),
    "budget": gettext_noop(
        "%(head)s because training on %(to)s images is expected to leave %(error)s of all images "
        "wrong within the budget, against %(error_now)s"
    ),
    "saves": gettext_noop(
        "%(head)s because training on %(to)s images is expected to let the machine label "
        "%(more)s and save %(money)s"
    ),
    "only_saves": gettext_noop(
        "%(head)s because training on %(to)s images is expected to save %(money)s"
    ),
}
_STOPS: dict[str, str] = {
    "by_hand": gettext_noop("stops: %(reason)s, people label the rest"),
    "forced": gettext_noop(
        "stops: %(reason)s; the money leaves %(images)s to the machine and an expected error of "
        "%(percent)s of all images"
    ),
    "machine": gettext_noop("stops and lets the machine label %(images)s: %(reason)s"),
}
_DOLLARS = re.compile(r"\$[\d,]+(?:\.\d+)?")


def decision_words(
    record: dict[str, Any], currency: str, *, labels: int = 0, price: Any = 0
) -> str:
    """Say what was decided after a training; `record` is its record, or an event's payload.

    `labels` are those that people are asked for because of it, at `price` each, where known.
    """
    facts = record.get("because") or {}
    if not facts:
        return _stored(str(record.get("decision") or ""), currency)
    if "images" not in facts:
        return _stops(facts)
    return _adds(facts, currency, _head(facts, currency, labels, price))


def is_stop(record: dict[str, Any]) -> bool:
    """Tell whether this decision ended the training."""
    facts = record.get("because") or {}
    return "images" not in facts if facts else str(record.get("decision")).startswith("stops")


def _head(facts: dict[str, Any], currency: str, labels: int, price: Any) -> str:
    if not labels:
        return gettext("adds %(images)s to training") % {"images": images(int(facts["images"]))}
    words = ngettext(
        "buys %(n)s more label for %(money)s", "buys %(n)s more labels for %(money)s", labels
    )
    return words % {"n": number(labels), "money": money(labels * price, currency)}


def _adds(facts: dict[str, Any], currency: str, head: str) -> str:
    why, more = str(facts["why"]), int(facts.get("more") or 0)
    if why == "saves" and more <= 0:
        why = "only_saves"
    return gettext(_ADDS.get(why, "%(head)s")) % {
        "head": head,
        "reason": _reason(facts),
        "trainings": _trainings(int(facts.get("trainings") or 0)),
        "to": number(facts.get("to") or 0),
        "more": _more(more),
        "money": money(facts.get("dollars") or 0, currency),
        "error": share(facts.get("error") or 0),
        "error_now": share(facts.get("error_now") or 0),
    }


def _stops(facts: dict[str, Any]) -> str:
    return gettext(_STOPS[str(facts["why"])]) % {
        "reason": _reason(facts),
        "images": images(int(facts.get("machine") or 0)),
        "percent": share(facts.get("error") or 0),
    }


def _reason(facts: dict[str, Any]) -> str:
    return stored_words(str(facts.get("reason") or "")).replace(" %", f"{NBSP}%")


def _trainings(n: int) -> str:
    return ngettext("%(n)s more training", "%(n)s more trainings", n) % {"n": number(n)}


def _more(n: int) -> str:
    return ngettext("%(n)s more image", "%(n)s more images", n) % {"n": number(n)}


def _stored(text: str, currency: str) -> str:
    """Translate a stored sentence; its amounts were written as dollars, whatever the currency."""
    words = stored_words(text)
    for amount in _DOLLARS.findall(text):
        value = float(amount[1:].replace(",", ""))
        for written in (amount, dollars(amount)):
            words = words.replace(written, money(value, currency))
    return words

"""The card of the budget: what is spent, what the plan still takes, and whether the promise fits.

Every figure is the outlook's (`selectors.outlook`); the budget that the promise would need is what
"what if" answers without one.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_UP, Decimal
from typing import Any

from django.utils.translation import gettext, ngettext

from labelapp import pricing
from labelapp.selectors import what_if
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_figures import forecast_error, forecast_needs, row, spent_row
from labelapp.selectors.dashboard_finish import answers_per_image
from labelapp.selectors.money_words import (
    chosen_share,
    duration,
    images,
    money,
    number,
    share,
    upper_share,
)
from labelapp.selectors.outlook import CHOSEN
from labelapp.selectors.outlook_words import promised, title
from labelapp.selectors.stored_words import stored_words

Card = dict[str, Any]
CENT = Decimal("0.01")
WIDTH = 1000.0


def budget(facts: Facts) -> Card | None:
    """Return the card in words, ready for JSON; None for a project without a budget.

    `parts` are what the plan still takes, in dollars; with `spent` they add up to `total`.
    """
    if facts.project.budget is None:
        return None
    limit, spent = float(facts.project.budget), float(facts.spent)
    total = facts.outlook.total
    end = None if total is None else max(total.value, spent)
    parts = [] if facts.finished else _parts(facts, end)
    known = spent + sum(part["amount"] for part in parts)
    left = limit - (known if end is None else end)
    return {
        "limit": limit,
        "spent": spent,
        "total": end,
        "left": left,
        "parts": parts,
        "rows": _rows(facts, parts, end, left),
        "bar": _bar(limit, spent, known),
        "limit_text": money(limit, facts.currency),
        **_verdict(facts, left),
    }


# --- what is still to come ------------------------------------------------------------------------


def _parts(facts: Facts, end: float | None) -> list[dict[str, Any]]:
    """Return what the plan still takes: this batch, training, the check, the rest by people."""
    price = float(facts.label_price)
    out = sum(batch.remaining for batch in facts.batches) / answers_per_image(facts)
    wanted = [("batch", gettext("This batch"), out, out * price)]
    if end is None:
        return [part for part in map(_part, wanted) if part["amount"] > 0]
    later, checked, seconds, dollars = _planned(facts, out)
    wanted += [
        ("compute", gettext("Training"), seconds, dollars),
        ("later", gettext("Later batches"), later, later * price),
        ("audit", gettext("Check of the machine"), checked, checked * price),
    ]
    to_come, found = max(end - float(facts.spent), 0.0), []
    for part in map(_part, wanted):  # the rest is what the total leaves: they always add up
        part["amount"] = min(part["amount"], to_come)
        to_come -= part["amount"]
        found.append(part)
    count = to_come / price if price else 0.0
    found.append(_part(("rest", gettext("Rest by people"), count, to_come)))
    return [part for part in found if part["amount"] >= 0.005]


def _part(found: tuple[str, str, float, float]) -> dict[str, Any]:
    key, label, count, amount = found
    return {"key": key, "label": label, "count": count, "amount": amount}


def _planned(facts: Facts, out: float) -> tuple[float, float, float, float]:
    """Return later labels for training, labels of the check, seconds and dollars of training."""
    total, answer = facts.outlook.total, facts.outlook.answer or {}
    if total is not None and total.kind in {"rest", "stop"}:
        running = facts.run is not None and facts.run.request_kind == "train"
        trains = running or total.kind == "stop"
        seconds = facts.outlook.seconds if trains else 0.0
        checked = _of_the_check(facts, out, answer) if total.kind == "stop" else 0.0
        return 0.0, checked, seconds, facts.outlook.training if trains else 0.0
    seconds, dollars = float(answer.get("seconds") or 0.0), float(answer.get("compute") or 0.0)
    return _for_training(facts, out), _of_the_check(facts, out, answer), seconds, dollars


def _of_the_check(facts: Facts, out: float, answer: dict[str, Any]) -> float:
    frozen = facts.audit
    if facts.state.phase == "audit" and frozen:  # what is out is the batch's
        return max(float(frozen["planned"]) - float(frozen["asked"]), 0.0)
    if facts.state.phase in CHOSEN:
        return 0.0
    return float(answer.get("audit") or 0.0)


def _for_training(facts: Facts, out: float) -> float:
    """Return the labels that the plan still buys for training, without the `out` ones.

    Test marks that join the training set are paid already: it takes them in proportion.
    """
    answer, last = facts.outlook.answer, facts.records[-1] if facts.records else None
    size = (answer or {}).get("b_opt")
    if not size or last is None or facts.state.phase in CHOSEN:
        return 0.0
    marked = float(last["test_size"] if last.get("marked") is None else last["marked"])
    ahead, rest = float(last.get("ahead") or 0), float(last.get("remainder") or 0)
    new = max(float(size["value"]) - float(last["train_size"]) - ahead, 0.0)
    since = pricing.images_by_people(facts.counter) - (float(last["train_size"]) + marked + ahead)
    return max(new * rest / max(rest + marked, 1.0) - max(since, 0.0) - out, 0.0)


# --- in words -------------------------------------------------------------------------------------


def _rows(
    facts: Facts, parts: list[dict[str, Any]], end: float | None, left: float
) -> list[dict[str, str]]:
    rows = [spent_row(facts) | ({"label": title("spent")} if facts.finished else {})]
    for part in parts:
        note = _note(facts, part)
        rows.append(row(part["key"], part["label"], money(part["amount"], facts.currency), note))
    total = facts.outlook.total
    if end is not None and total is not None and not facts.finished:
        rows.append(row("total", title(total.kind), money(end, facts.currency)))
    label = gettext("Left of the budget")
    if left < -0.005:
        label = gettext("Over the budget")
    note = "" if end is not None else gettext("not planned yet")
    rows.append(row("left", label, money(abs(left), facts.currency), note))
    return rows


def _note(facts: Facts, part: dict[str, Any]) -> str:
    if part["key"] != "compute":
        return gettext("about %(images)s") % {"images": images(round(part["count"]))}
    time = duration(part["count"]) if part["count"] else ""
    total, steps = facts.outlook.total, int((facts.outlook.answer or {}).get("steps") or 0)
    if total is None or total.kind != "plan" or not steps:
        return time
    words = ngettext("%(n)s training, %(time)s", "%(n)s trainings, %(time)s", steps)
    return words % {"n": number(steps), "time": time}


def _bar(limit: float, spent: float, known: float) -> list[dict[str, Any]]:
    """Return the stretches of the bar: spent, planned within the budget, left, and over it."""
    whole = max(limit, known, spent) or 1.0
    ends = [
        ("spent", gettext("spent"), min(spent, limit)),
        ("planned", gettext("planned"), min(max(known, spent), limit)),
        ("free", gettext("left over"), limit),
        ("over", gettext("over the budget"), whole),
    ]
    found, at = [], 0.0
    for key, words, end in ends:
        if end - at > whole / WIDTH:
            place = {"x": WIDTH * at / whole, "width": WIDTH * (end - at) / whole}
            found.append({"key": key, "words": words, **place})
        at = max(at, end)
    return found


def _verdict(facts: Facts, left: float) -> dict[str, Any]:
    """Return `verdict`, `tone`, `more` (what would help) and `try` (a budget to try out)."""
    found: dict[str, Any] = {"verdict": "", "tone": "info", "more": "", "try": ""}
    total, answer = facts.outlook.total, facts.outlook.answer or {}
    if facts.finished or facts.certificate:
        words, kept = _delivered(facts)
        return found | {"verdict": words, "tone": "ok" if kept and left > -0.005 else "warn"}
    if total is None:
        pays = facts.n and float(facts.human_only) <= float(facts.project.budget or 0)
        return found | {"verdict": _pays_for_all() if pays else _unknown(facts)}
    if total.kind == "plan" and answer.get("forced"):
        return found | {"verdict": _too_small(facts), "tone": "error"} | _needed(facts)
    if total.kind == "stop" and answer.get("stop_forced"):
        return found | {"verdict": _too_small(facts), "tone": "error"}
    if left < -0.005:
        words = gettext("What is decided goes over the budget by about %(money)s.")
        return found | {
            "verdict": words % {"money": money(-left, facts.currency)},
            "tone": "error",
            "more": gettext("The engine itself plans within it; a person asked for this."),
        }
    if total.kind == "rest":
        return found | {"verdict": gettext("The budget pays for the rest by people."), "tone": "ok"}
    return found | _fits(facts)


def _pays_for_all() -> str:
    return gettext("The budget pays for people labelling every image: the promise always fits.")


def _unknown(facts: Facts) -> str:
    words = gettext("Whether the promised error (at most %(limit)s) fits, the forecast shows.")
    return (
        f"{words % {'limit': chosen_share(facts.project.epsilon)}} {forecast_needs(facts)}".strip()
    )


def _fits(facts: Facts) -> dict[str, Any]:
    """Say that the promise fits, and whether it may still turn out not to."""
    total, budget_ = facts.outlook.total, float(facts.project.budget or 0)
    words = {"limit": chosen_share(facts.project.epsilon), "kind": promised(facts.project)}
    verdict = gettext("The promised error fits: %(limit)s (%(kind)s).") % words
    high = (total.interval or {}).get("high80", 0.0) if total else 0.0
    if high <= budget_:
        return {"verdict": verdict, "tone": "ok"}
    more = gettext(
        "It may still turn out not to: the forecast goes up to %(money)s. Then the machine labels "
        "what the money leaves, and the certificate states what error that has."
    )
    return {
        "verdict": verdict,
        "tone": "warn",
        "more": more % {"money": money(high, facts.currency)},
    }


def _too_small(facts: Facts) -> str:
    expected = forecast_error(facts)
    error = float((facts.outlook.answer or {})["error"]) if expected is None else expected[0]
    words = {"limit": chosen_share(facts.project.epsilon), "error": share(error)}
    if error <= facts.project.epsilon:
        return (
            gettext(
                "The promised error (at most %(limit)s) cannot be proven within the budget. About "
                "%(error)s of all labels are expected to be wrong."
            )
            % words
        )
    return (
        gettext(
            "The promised error (at most %(limit)s) does not fit. Within the budget about "
            "%(error)s of all labels are expected to be wrong."
        )
        % words
    )


def _needed(facts: Facts) -> dict[str, Any]:
    """Return what budget the promise needs, by the plan without one."""
    known = what_if.Known(facts.project, facts.counter, facts.run, 0, facts.rows)
    wanted = replace(what_if.Wanted.of(facts.project), budget=None)
    asked = what_if.compare(known, wanted)["asked"]
    if asked["stop_cost"] is None:
        return {}
    need = Decimal(str(asked["cost"])) + facts.label_price  # whole labels are bought
    need = need.quantize(CENT, ROUND_UP)
    words = {
        "need": money(need, facts.currency),
        "more": money(need - (facts.project.budget or 0), facts.currency),
    }
    text = gettext("A budget of about %(need)s would do: %(more)s more.") % words
    high = (asked["total"] or {}).get("high80", 0.0)
    if high > float(need):
        sure = {"share": chosen_share(0.8), "money": money(high, facts.currency)}
        text = f"{text} {gettext('%(share)s sure: up to %(money)s.') % sure}"
    return {"more": text, "try": f"{need:f}"}


def _delivered(facts: Facts) -> tuple[str, bool]:
    """Say what was delivered, and what the certificate states; tell whether the promise is kept."""
    people = facts.n - facts.counter.excluded - facts.counter.machine
    words = {"machine": images(facts.counter.machine), "people": images(people)}
    made = gettext("The machine labelled %(machine)s, people %(people)s.") % words
    content = facts.certificate
    if not facts.finished:
        made = gettext("What the machine labels is settled.")
    if not content:
        return made, True
    bound, limit = float(content.get("bound") or 0.0), facts.project.epsilon
    said = {
        "bound": upper_share(bound),
        "limit": chosen_share(limit),
        "promise": stored_words(content.get("promise", "")),
        "confidence": chosen_share(facts.project.confidence),
    }
    states = gettext(
        "The certificate states: at most %(bound)s of all labels are wrong (%(promise)s, with "
        "%(confidence)s confidence)."
    )
    kept = gettext("The promised %(limit)s is kept.")
    if bound > limit:
        kept = gettext("The promised %(limit)s did not fit into the budget.")
    return " ".join([made, states % said, kept % said]), bound <= limit

"""The four large figures of the dashboard: spent, forecast, error promise, progress."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext

from labelapp import pricing
from labelapp.models import Project
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_ledger import Line
from labelapp.selectors.dashboard_words import money, money_range, number, share, upper_share
from labelapp.selectors.stored_words import stored_words

Figure = dict[str, Any]

NONE = "\u2013"


def figures(facts: Facts) -> list[Figure]:
    """Return spent, forecast, error promise and progress, each in words."""
    return [_spent(facts), _forecast(facts), _promise(facts), _progress(facts)]


def _figure(
    key: str, label: str, text: str, *, unit: str = "", note: str = "", more: str = "", **rest: Any
) -> Figure:
    plain = {"interval": "", "change": "", "spark": "", "tone": "", "meter": None}
    return {"key": key, "label": label, "text": text, "unit": unit, "note": note, "more": more} | (
        plain | rest
    )


def _spent(facts: Facts) -> Figure:
    compute = facts.ledger.get("compute", Line()).amount
    labels = facts.spent - compute
    committed = [record["committed"] for record in facts.records]
    since = float(facts.spent) - committed[-1] if committed else 0.0
    return _figure(
        "spent",
        gettext("Spent"),
        money(facts.spent, facts.currency),
        note=gettext("people %(labels)s + compute %(compute)s")
        % {"labels": money(labels, facts.currency), "compute": money(compute, facts.currency)},
        more=_budget(facts) or _people_alone(facts),
        change=gettext("+%(money)s since training %(number)s")
        % {"money": money(since, facts.currency), "number": len(committed)}
        if since >= 0.005
        else "",
        spark=_spark([*committed, float(facts.spent)] if committed else []),
        meter=_budget_meter(facts),
    )


def _budget(facts: Facts) -> str:
    """Say what is left of the budget, where there is one."""
    budget = facts.project.budget
    if budget is None:
        return ""
    left = budget - facts.spent
    words = {"budget": money(budget, facts.currency), "money": money(abs(left), facts.currency)}
    if left < 0:
        return gettext("over the budget of %(budget)s by %(money)s") % words
    return gettext("%(money)s left of the budget of %(budget)s") % words


def _budget_meter(facts: Facts) -> dict[str, float] | None:
    if facts.project.budget is None:
        return None
    used = float(facts.spent / facts.project.budget)
    return {"value": min(used, 1.0), "limit": 1}


def _people_alone(facts: Facts) -> str:
    if not facts.n or facts.finished:
        return ""
    cost = money(facts.human_only, facts.currency)
    return gettext("people alone would cost %(money)s") % {"money": cost}


def _forecast(facts: Facts) -> Figure:
    human_only = float(facts.human_only)
    if facts.finished:
        return _saved(facts)
    if facts.plan is None:
        return _figure("forecast", gettext("Forecast total"), NONE, note=missing_trainings(facts))
    star = facts.plan["c_star"]
    totals = [record["c_star"] for record in facts.records if record["c_star"] is not None]
    return _figure(
        "forecast",
        gettext("Forecast total"),
        money(star["value"], facts.currency),
        interval=_sure(money_range(star["low80"], star["high80"], facts.currency)),
        note=_saving(star["value"], human_only),
        change=_change(totals, facts.currency),
        spark=_spark(totals),
    )


def _saved(facts: Facts) -> Figure:
    saved, human_only = facts.human_only - facts.spent, facts.human_only
    part = share(round(float(saved / human_only), 3)) if human_only else share(0)
    note = gettext("%(share)s of the %(money)s that people alone would cost") % {
        "share": part,
        "money": money(human_only, facts.currency),
    }
    return _figure("forecast", gettext("Saved"), money(saved, facts.currency), note=note)


def missing_trainings(facts: Facts) -> str:
    """Say how many trainings the first forecast still needs."""
    missing = max(0, 3 - len(facts.records))
    if not missing:
        return gettext("the forecast is being made")
    if missing == 3:
        return gettext("comes after three trainings")
    words = ngettext("needs %(n)s more training", "needs %(n)s more trainings", missing)
    return words % {"n": missing}


def forecast_needs(facts: Facts) -> str:
    """Say in a sentence what the first forecast still needs; empty once there is one."""
    missing = max(0, 3 - len(facts.records))
    if facts.plan:
        return ""
    if not missing:
        return gettext("The forecast is being made.")
    if missing == 3:
        return gettext("The forecast comes after three trainings.")
    words = ngettext(
        "The forecast needs %(n)s more training.",
        "The forecast needs %(n)s more trainings.",
        missing,
    )
    return words % {"n": missing}


def _sure(interval: str) -> str:
    words = {"share": share(0.8), "interval": interval}
    return gettext("%(share)s sure: %(interval)s") % words if interval else ""


def _saving(total: float, human_only: float) -> str:
    if human_only <= 0:
        return ""
    saved = 1 - total / human_only
    if saved < 0:
        return gettext("%(share)s more than people alone") % {"share": share(-saved)}
    return gettext("saves %(share)s against people alone") % {"share": share(round(saved, 2))}


def _change(values: list[float], currency: str) -> str:
    if len(values) < 2 or abs(values[-1] - values[-2]) < 0.005:
        return ""
    step = values[-1] - values[-2]
    signed = f"{'+' if step > 0 else '-'}{money(abs(step), currency)}"
    return gettext("%(money)s since the last training") % {"money": signed}


def _promise(facts: Facts) -> Figure:
    epsilon = facts.project.epsilon
    words = {"confidence": share(facts.project.confidence), "epsilon": share(epsilon)}
    if facts.certificate:
        bound = float(facts.certificate.get("bound", 0.0))
        words["promise"] = stored_words(facts.certificate.get("promise", ""))
        note = gettext("of all labels wrong at most, %(confidence)s sure; %(promise)s") % words
        return _bound(gettext("Error of the result"), bound, epsilon, note)
    if facts.finished:
        note = gettext("every label was given by people; the machine labelled nothing")
        return _bound(gettext("Error of the machine"), 0.0, epsilon, note)
    machine_now = int(facts.plan["machine_now"]) if facts.plan else 0
    if not facts.plan or not machine_now:
        note = gettext("nothing can be machine-labelled within the limit yet")
        return _figure(
            "promise",
            gettext("Error promise"),
            NONE,
            note=note if facts.plan else missing_trainings(facts),
            more=gettext("limit %(epsilon)s of all labels, %(confidence)s sure") % words,
        )
    words |= {"n": number(machine_now), "later": _later(facts)}
    note = gettext("of all labels wrong at most if the machine labelled %(n)s images now") % words
    bound = float(facts.plan["error_bound_now"])
    figure = _bound(gettext("Error promise"), bound, epsilon, note)
    return figure | {"more": gettext("limit %(epsilon)s, %(confidence)s sure; %(later)s") % words}


def _later(facts: Facts) -> str:
    audited = facts.project.certificate == Project.CertificateKind.AUDIT
    if audited:
        return gettext("an estimate until people check it")
    return gettext("estimated with a margin")


def _bound(label: str, bound: float, epsilon: float, note: str) -> Figure:
    return _figure(
        "promise",
        label,
        upper_share(bound),
        note=note,
        more=gettext("limit %(epsilon)s") % {"epsilon": share(epsilon)},
        tone="ok" if bound <= epsilon else "danger",
        meter={"value": bound, "limit": epsilon},
    )


def expected_labels(facts: Facts) -> int | None:
    """Return how many labels people will have given at the end, None while unknown.

    Before the end: everything outside S of the cheapest plan, and the check of S.
    """
    if facts.certificate or facts.finished:
        return facts.n - facts.counter.machine
    if facts.plan is None or not facts.records:
        return None
    last, b_opt = facts.records[-1], float(facts.plan["b_opt"]["value"])
    if facts.project.certificate == Project.CertificateKind.AUDIT and facts.plan.get("grid_b"):
        return _paid_for(facts, facts.plan, b_opt)
    marked = float(last["test_size"]) / max(1, facts.n - int(last["train_size"]))
    remainder = (facts.n - b_opt) * (1 - marked)
    return round(facts.n - float(facts.plan["theta_star"]["value"]) * remainder)


def _paid_for(facts: Facts, plan: dict[str, Any], b_opt: float) -> int:
    """Return how many labels the plan pays people for: its check of the machine is among them."""
    place = min(range(len(plan["grid_b"])), key=lambda i: abs(plan["grid_b"][i] - b_opt))
    share = float(plan["grid_labels"][place]) / float(plan["human_only"])
    return min(facts.n, round(share * facts.n))


def _progress(facts: Facts) -> Figure:
    done, expected = pricing.images_by_people(facts.counter), expected_labels(facts)
    left = facts.batch.remaining if facts.batch else 0
    now = gettext("%(n)s left in the batch that is open") % {"n": number(left)} if left else ""
    label = gettext("Labels by people")
    if facts.finished:
        machine = gettext("the machine gave %(n)s") % {"n": number(facts.counter.machine)}
        return _figure("progress", label, number(done), note=machine, more=gettext("all done"))
    if expected is None:
        return _figure("progress", label, number(done), note=now)
    expected = max(expected, done + left)
    return _figure(
        "progress",
        label,
        number(done),
        unit=gettext("of about %(n)s") % {"n": number(expected)},
        note=gettext("about %(n)s to go") % {"n": number(expected - done)}
        if expected > done
        else gettext("none to go by the present plan"),
        more=now,
        meter={"value": done / max(expected, 1), "limit": 1},
    )


def _spark(values: list[float], width: int = 120, height: int = 28) -> str:
    """Return the points of an SVG polyline, empty for fewer than two values."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, span = (width - 4) / (len(values) - 1), (high - low) or 1.0
    return " ".join(
        f"{2 + i * step:.1f},{height - 3 - (value - low) / span * (height - 6):.1f}"
        for i, value in enumerate(values)
    )

"""What will it cost, and how good will it be: the answers in words, with what they rest on."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext

from labelapp.models import Project
from labelapp.selectors.dashboard_charts import THETAS
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_ledger import Line
from labelapp.selectors.money_words import (
    chosen_share,
    money,
    money_range,
    number,
    share,
    upper_share,
)
from labelapp.selectors.outlook_words import estimated, of_present, promised, title
from labelapp.selectors.stored_words import stored_words

Figure = dict[str, Any]
Row = dict[str, str]

NONE = "\u2013"


def figures(facts: Facts) -> list[Figure]:
    """Return the cost and the quality; the third answer, the date, is `dashboard_finish`'s."""
    return [_cost(facts), _quality(facts)]


def figure(key: str, question: str, label: str, text: str, **rest: Any) -> Figure:
    """Return an answer: a question, its figure in words, and rows that say what it rests on."""
    words = ("unit", "note", "interval", "wider", "change", "spark", "tone", "sign")
    plain: Figure = dict.fromkeys(words, "") | {"meter": None, "rows": [], "finish": None}
    return {"key": key, "question": question, "label": label, "text": text} | plain | rest


def row(key: str, label: str, text: str, note: str = "") -> Row:
    """Return one line below a figure."""
    return {"key": key, "label": label, "text": text, "note": note}


# --- what will it cost? -----------------------------------------------------------------------


def _cost(facts: Facts) -> Figure:
    question = gettext("What will it cost?")
    total = facts.outlook.total
    if facts.finished:
        return figure(
            "cost",
            gettext("What did it cost?"),
            title("spent"),
            money(facts.spent, facts.currency),
            note=_parts(facts),
            rows=[_people_alone(facts), _saving(facts, float(facts.spent), gettext("Saved"))],
            spark=_spark([record["committed"] for record in facts.records]),
        )
    if total is None or (facts.plan is None and total.kind != "rest"):
        note = missing_trainings(facts)
        label, rows = gettext("Forecast total"), [spent_row(facts), _people_alone(facts)]
        rows += _budget(facts)
        return figure("cost", question, label, NONE, note=note, rows=rows, meter=_used(facts))
    past = [record["c_star"] for record in facts.records if record["c_star"] is not None]
    star, planned = total.interval or {}, total.kind == "plan"
    return figure(
        "cost",
        question,
        title(total.kind),
        money(total.value, facts.currency),
        interval=_sure(0.8, star["low80"], star["high80"], facts.currency) if star else "",
        wider=_sure(0.95, star["low95"], star["high95"], facts.currency) if star else "",
        note="" if planned else title(total.kind),
        rows=[
            spent_row(facts),
            *_otherwise(facts, total.kind),
            _people_alone(facts),
            _saving(facts, total.value, gettext("Saving")),
            *_budget(facts),
        ],
        change=_change(_newest(past, facts), facts.currency) if planned else "",
        spark=_spark(_newest(past, facts)),
        meter=_used(facts),
    )


def _newest(past: list[float], facts: Facts) -> list[float]:
    """Return the totals that were forecast, the one of after a change behind them."""
    if facts.plan is None or not facts.outlook.changed:
        return past
    return [*past, float(facts.plan["c_star"]["value"])]


def _otherwise(facts: Facts, kind: str) -> list[Row]:
    """Return what other ways would come to: stopping now, and going on after a wish to stop."""
    if facts.plan is None or kind == "rest":
        return []
    if kind == "stop":
        star = money(facts.plan["c_star"]["value"], facts.currency)
        return [row("going_on", gettext("Without the stop"), star, gettext("as forecast"))]
    return [_stop_now(facts)]


def spent_row(facts: Facts) -> Row:
    """Return what is spent so far, labels and computing apart."""
    return row("spent", gettext("Spent so far"), money(facts.spent, facts.currency), _parts(facts))


def _parts(facts: Facts) -> str:
    compute = facts.ledger.get("compute", Line()).amount
    return gettext("people %(labels)s + compute %(compute)s") % {
        "labels": money(facts.spent - compute, facts.currency),
        "compute": money(compute, facts.currency),
    }


def _stop_now(facts: Facts) -> Row:
    """Return what is committed: the total if the training stopped now and all got its label."""
    found = facts.outlook
    words = {"n": number(found.stop_machine), "money": money(found.training, facts.currency)}
    note = gettext("the machine labels %(n)s") % words
    if found.training:
        note = gettext("the machine labels %(n)s; with one more training, about %(money)s") % words
    label = gettext("Total if stopped now")
    return row("stop_now", label, money(found.stop or 0, facts.currency), note)


def _people_alone(facts: Facts) -> Row:
    cost = money(facts.human_only, facts.currency) if facts.n else NONE
    return row("human_only", gettext("People alone"), cost)


def _saving(facts: Facts, total: float, label: str) -> Row:
    human_only = float(facts.human_only)
    if human_only <= 0:
        return row("saving", label, NONE)
    saved = 1 - total / human_only
    if saved < 0:
        words = {"share": share(-saved, 0)}
        return row("saving", label, NONE, gettext("%(share)s more than people alone") % words)
    return row("saving", label, share(saved, 0), money(human_only - total, facts.currency))


def _budget(facts: Facts) -> list[Row]:
    """Say what is left of the budget, where there is one."""
    budget = facts.project.budget
    if budget is None:
        return []
    left = budget - facts.spent
    amount = money(abs(left), facts.currency)
    words = gettext("%(money)s left") if left >= 0 else gettext("%(money)s over")
    return [
        row("budget", gettext("Budget"), money(budget, facts.currency), words % {"money": amount})
    ]


def _used(facts: Facts) -> dict[str, float] | None:
    if facts.project.budget is None:
        return None
    used = float(facts.spent / facts.project.budget)
    return {"value": min(used, 1.0), "limit": 1}


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


def _sure(level: float, low: float, high: float, currency: str) -> str:
    words = {"share": chosen_share(level), "interval": money_range(low, high, currency)}
    return gettext("%(share)s sure: %(interval)s") % words if words["interval"] else ""


def _change(values: list[float], currency: str) -> str:
    if len(values) < 2 or abs(values[-1] - values[-2]) < 0.005:
        return ""
    step = values[-1] - values[-2]
    signed = f"{'+' if step > 0 else '-'}{money(abs(step), currency)}"
    return gettext("%(money)s since the last training") % {"money": signed}


# --- how good will it be? ---------------------------------------------------------------------


def _quality(facts: Facts) -> Figure:
    question = gettext("How good will it be?")
    if facts.certificate:
        asked = gettext("How good is it?") if facts.finished else question
        return _certified(facts, asked, facts.certificate)
    if facts.finished:
        note = gettext("every label was given by people; the machine labelled nothing")
        label, question = gettext("Error of the machine"), gettext("How good is it?")
        return figure("quality", question, label, share(0.0), note=note, tone="ok")
    rows = [_bound_now(facts), _limit(facts)]
    expected = forecast_error(facts)
    label = gettext("Wrong labels at the end")
    if expected is None:
        note = missing_trainings(facts) if facts.plan is None else ""
        return figure("quality", question, label, NONE, note=note, rows=rows)
    value, low, high = expected
    interval = gettext("%(low)s to %(high)s") % {"low": share(low), "high": share(high)}
    epsilon = facts.project.epsilon
    return figure(
        "quality",
        question,
        label,
        share(value),
        sign=gettext("about"),
        interval=gettext("%(share)s sure: %(interval)s")
        % {"share": chosen_share(0.8), "interval": interval},
        note=gettext("%(kind)s; of all images, for what the machine will label")
        % {"kind": estimated()},
        rows=rows,
        tone="ok" if value <= epsilon else "danger",
        meter={"value": value, "limit": epsilon},
    )


def _certified(facts: Facts, question: str, content: dict[str, Any]) -> Figure:
    bound, epsilon = float(content.get("bound", 0.0)), facts.project.epsilon
    words = {
        "confidence": chosen_share(facts.project.confidence),
        "promise": stored_words(content.get("promise", "")),
    }
    wrong = int(content.get("wrong_at_most") or 0)
    machine = int(content.get("delivered") or content.get("machine_labels") or 0)
    limit = chosen_share(facts.project.epsilon)
    rows = [row("epsilon", gettext("Limit"), limit, gettext("at most"))]
    if machine:
        of = gettext("of %(n)s machine labels") % {"n": number(machine)}
        rows.insert(0, row("wrong", gettext("Wrong at most"), number(wrong), of))
    return figure(
        "quality",
        question,
        gettext("Error of the result"),
        upper_share(bound),
        sign="\u2264",
        note=gettext("of all labels wrong at most, %(confidence)s sure; %(promise)s") % words,
        rows=rows,
        tone="ok" if bound <= epsilon else "danger",
        meter={"value": bound, "limit": epsilon},
    )


def _limit(facts: Facts) -> Row:
    kind = promised(facts.project)
    total = facts.outlook.total
    if total is not None and total.kind == "plan" and (facts.outlook.answer or {}).get("forced"):
        kind = gettext("not promised: the budget does not pay for it")
    return row("epsilon", gettext("Limit"), chosen_share(facts.project.epsilon), kind)


def _bound_now(facts: Facts) -> Row:
    """Return the error if the training stopped now: bounded by T, or expected and then audited."""
    audited = facts.project.certificate == Project.CertificateKind.AUDIT
    forced = bool((facts.outlook.answer or {}).get("forced"))
    label = gettext("Wrong labels if stopped now")
    machine = facts.outlook.stop_machine
    if not facts.plan:
        return row("bound_now", label, NONE)
    if not machine:
        return row("bound_now", label, NONE, gettext("nothing fits within the limit yet"))
    words = {"n": number(machine), "kind": of_present(facts.project, forced=forced)}
    note = gettext("%(kind)s; with %(n)s by the machine") % words
    error = float(facts.plan["error_bound_now"])
    text = f"≤\u00a0{upper_share(error)}"
    if audited or forced:
        text = f"{gettext('about')}\u00a0{share(error)}"
    return row("bound_now", label, text, note)


def forecast_error(facts: Facts) -> tuple[float, float, float] | None:
    """Return the share of all labels that is expected to be wrong at the end, with 80 %.

    The engine's own expectation; its interval is that of the error curve of theta* at B_opt,
    times the share of all images that the machine labels.
    """
    found, answer = _by_curve(facts), facts.outlook.answer
    if found is None or answer is None:
        return found
    kind = facts.outlook.total.kind if facts.outlook.total else "plan"
    if kind == "rest" and not facts.counter.machine:
        return 0.0, 0.0, 0.0  # people label everything
    value = float(answer["stop_error" if kind == "stop" else "error"])
    return value, min(found[1], value), max(found[2], value)


def _by_curve(facts: Facts) -> tuple[float, float, float] | None:
    """Return the error by the curve of theta*: median and 80 % band."""
    plan = facts.plan
    if not plan or not plan.get("curve_b") or not facts.records:
        return None
    theta = float(plan["theta_star"]["value"])
    if theta <= 0:
        return None
    index = min(range(len(THETAS)), key=lambda i: abs(THETAS[i] - theta))
    b_opt = float(plan["b_opt"]["value"])
    place = min(range(len(plan["curve_b"])), key=lambda i: abs(plan["curve_b"][i] - b_opt))
    part = theta * _remainder(facts, b_opt) / max(1, facts.n)
    median, low, high = (
        part * float(plan[name][index][place])
        for name in ("curve_median", "curve_low", "curve_high")
    )
    return median, min(low, median), max(high, median)


def _remainder(facts: Facts, b_opt: float) -> float:
    """Return how many images nobody will have labelled once B has this size."""
    last = facts.records[-1]
    marked = float(last["test_size"]) / max(1, facts.n - int(last["train_size"]))
    return max(0.0, (facts.n - b_opt) * (1 - marked))


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

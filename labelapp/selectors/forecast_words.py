"""What each picture of the forecast pages shows, in one sentence of this project's own numbers."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext

from labelapp.models import Project
from labelapp.selectors.dashboard_words import chosen_share, money, money_range, number, share
from labelapp.selectors.date_words import day_words
from labelapp.selectors.forecast_facts import Facts
from labelapp.selectors.forecast_history import at_size

Data = dict[str, Any]


def needs(facts: Facts) -> str:
    """Say what is missing until there is a forecast; empty once there is one."""
    if facts.run is None:
        return gettext("The run has not started: there is nothing to forecast yet.")
    missing = 3 - len(facts.records)
    if facts.plan is not None or missing <= 0:
        return "" if facts.plan else gettext("The forecast is being made.")
    words = ngettext(
        "The forecast needs %(n)s more training.",
        "The forecast needs %(n)s more trainings.",
        missing,
    )
    return words % {"n": missing}


# --- error curves, cost --------------------------------------------------------------------------


def curves(facts: Facts, data: Data) -> str:
    """Say what the machine gets wrong now, and what training on is expected to change."""
    if not facts.records:
        return ""
    errors, count = facts.records[-1]["test_errors"][-1], facts.records[-1]["test_counts"][-1]
    words = {"errors": number(errors), "count": number(count)}
    words |= {"share": share(errors / max(1, count))}
    said = gettext(
        "The machine now gets %(errors)s of %(count)s test images wrong (%(share)s), if it were to "
        "label everything that is left."
    )
    return f"{said % words} {_at_theta(data)}".strip()


def _at_theta(data: Data) -> str:
    theta, grid = data["theta_star"], data["grid"]
    if not theta or not grid or theta > 0.99:  # everything: said already
        return ""
    place = min(range(len(data["thetas"])), key=lambda k: abs(data["thetas"][k] - theta))
    lines = [data[name][place] for name in ("median", "low", "high")]
    now = at_size(grid, lines[0], data["present"])
    words = {"theta": share(theta, digits=0), "now": share(now)}
    target = data["b_opt"]["value"] if data["b_opt"] else data["present"]
    if target <= data["present"]:
        said = gettext("Of the most certain %(theta)s about %(now)s are wrong.")
        return said % words
    later, low, high = (at_size(grid, line, target) for line in lines)
    words |= {"b": number(target), "later": share(later), "low": share(low), "high": share(high)}
    said = gettext(
        "Of the most certain %(theta)s about %(now)s are wrong; training on %(b)s images is expected "
        "to bring that to %(later)s (%(low)s to %(high)s)."
    )
    return said % words


def cost(facts: Facts, data: Data) -> str:
    """Say what the cheapest plan costs, of what, and what the two other ways would."""
    if not data["c_star"] or not data["grid"]:
        return ""
    star, optimum, code = data["c_star"], data["b_opt"], facts.currency
    size = optimum["value"] if optimum else data["present"]  # none where the budget chose
    place = min(range(len(data["grid"])), key=lambda k: abs(data["grid"][k] - size))
    words = {
        "b": number(size),
        "total": money(star["value"], code),
        "range": money_range(star["low"], star["high"], code) or money(star["value"], code),
        "labels": money(data["labels"][place], code),
        "compute": money(data["compute"][place], code),
        "stop": money(data["stop_now"] or 0, code),
        "human": money(data["human_only"], code),
    }
    if facts.finished:
        compute = facts.counter.compute_spend
        words |= {"total": money(facts.spent, code), "b": number(data["present"])}
        words |= {
            "labels": money(facts.counter.label_spend, code),
            "compute": money(compute, code),
        }
        said = gettext(
            "The run came to %(total)s, trained on %(b)s images: %(labels)s for labels and "
            "%(compute)s for computing. People alone would have cost %(human)s."
        )
    elif not optimum:
        said = gettext(
            "The budget decides: the run is expected to come to %(total)s, which does not keep the "
            "promise. Stopping now would cost %(stop)s, people alone %(human)s."
        )
    elif optimum["value"] <= data["present"]:
        said = gettext(
            "Stopping now is cheapest: %(total)s in all (80 %% sure: %(range)s), of which %(compute)s "
            "is computing. People alone would cost %(human)s."
        )
    else:
        said = gettext(
            "Training on about %(b)s images is cheapest: %(total)s in all (80 %% sure: %(range)s), "
            "%(labels)s for labels and %(compute)s for computing. Stopping now would cost %(stop)s, "
            "people alone %(human)s."
        )
    return said % words


def epsilon(facts: Facts, points: list[Data]) -> str:
    """Say what today's model may label under the present limit, and what a looser one buys."""
    limit = facts.project.epsilon
    now = next((point for point in points if point["epsilon"] == limit), None)
    if now is None:
        return ""
    audited = facts.project.certificate == Project.CertificateKind.AUDIT
    words = {"limit": chosen_share(limit), "n": number(now["size"]), "m": number(facts.n)}
    if not now["size"]:
        said = gettext("With a limit of %(limit)s today's model could label nothing at a gain.")
    elif audited:
        said = gettext(
            "With a limit of %(limit)s today's model is expected to be certified for %(n)s of "
            "%(m)s images."
        )
    else:
        said = gettext("With a limit of %(limit)s today's model may label %(n)s of %(m)s images.")
    more = next(
        (p for p in points if p["epsilon"] >= 1.4 * limit and p["size"] > now["size"]), None
    )
    text = said % words
    if more is None:
        return text
    words |= {
        "limit": chosen_share(more["epsilon"]),
        "more": number(more["size"] - now["size"]),
        "saved": money(max(0.0, now["cost"] - more["cost"]), facts.currency),
    }
    buys = gettext("A limit of %(limit)s would give the machine %(more)s more and save %(saved)s.")
    return f"{text} {buys % words}"


# --- history -------------------------------------------------------------------------------------


def history(facts: Facts, totals: Data) -> str:
    """Say how the forecast of the total moved, and how many intervals hold."""
    rows = totals["rows"]
    if not rows:
        return ""
    first, last, code = rows[0], rows[-1], facts.currency
    words = {
        "first": money(first["value"], code),
        "number": first["number"],
        "last": money(last["value"], code),
        "newest": last["number"],
        "truth": money(totals["truth"], code),
        "held": totals["held80"],
        "judged": totals["judged"],
    }
    if totals["final"]:
        said = gettext(
            "The first forecast, after training %(number)s, was %(first)s, the last %(last)s; it came "
            "to %(truth)s. Of %(judged)s forecasts %(held)s had that in their 80 %% interval."
        )
    elif totals["judged"]:
        said = gettext(
            "The forecast went from %(first)s after training %(number)s to %(last)s after training "
            "%(newest)s. Of %(judged)s earlier forecasts %(held)s have that in their 80 %% interval."
        )
    else:
        said = gettext("The first forecast, after training %(number)s, is %(first)s.")
    return said % words


def sizes(data: Data) -> str:
    """Say where the newest plan's size lies: the cheapest, and how sure that is, or the budget's."""
    known = [place for place, value in enumerate(data["b_opt"]) if value is not None]
    if not known:
        return ""
    last = known[-1]
    words = {
        "b": number(data["b_opt"][last]),
        "low": number(data["low"][last]),
        "high": number(data["high"][last]),
        "now": number(data["train_size"][-1]),
    }
    if data["forced"][last]:
        said = gettext(
            "By the newest plan the budget decides: training on %(b)s images is expected to leave "
            "the fewest labels wrong; the last training had %(now)s."
        )
        return said % words
    said = gettext(
        "By the newest plan training is cheapest up to %(b)s images (80 %% sure: %(low)s to %(high)s); "
        "the last training had %(now)s."
    )
    return said % words


def foresight(rows: list[Data]) -> str:
    """Say how many of the forecasts of the next training's error held."""
    if not rows:
        return ""
    words = {"held": sum(row["held"] for row in rows), "n": len(rows)}
    said = ngettext(
        "%(held)s of %(n)s forecast of the next training's error held what was then measured.",
        "%(held)s of %(n)s forecasts of the next training's error held what was then measured; four "
        "of five should.",
        len(rows),
    )
    return said % words


def race(data: Data, rows: list[Data]) -> str:
    """Say which network leads, and how likely it is the cheapest."""
    if not rows:
        return ""
    words = {"name": rows[0]["name"], "chance": rows[0]["chance"], "n": len(rows)}
    if rows[0]["chance"]:
        said = gettext(
            "%(name)s leads: with a chance of %(chance)s it ends at the least total cost."
        )
    else:
        said = gettext("%(name)s leads so far.")
    return said % words


# --- the machine ---------------------------------------------------------------------------------


def margins(data: Data) -> str:
    """Say how many test images are right, and how many wrong ones stand above the threshold."""
    if not data["edges"]:
        return ""
    right, wrong = sum(data["right"]), sum(data["wrong"])
    words = {"n": number(right + wrong), "right": number(right), "wrong": number(wrong)}
    text = (
        gettext("Of %(n)s test images the machine has %(right)s right and %(wrong)s wrong.") % words
    )
    if data["threshold"] is None:
        return text
    above = [k for k, edge in enumerate(data["edges"][:-1]) if edge >= data["threshold"]]
    words["missed"] = number(sum(data["wrong"][k] for k in above))
    said = gettext("%(missed)s of the wrong ones lie where the machine would label.")
    return f"{text} {said % words}"


def reliability(data: Data) -> str:
    """Say how sure the machine is against how often it is right; T is small, so say that too."""
    found = data["calibration"]
    if not found:
        return ""
    words = {
        "sure": share(data["sure"]),
        "right": share(data["right"] / data["n"]),
        "error": share(found["error"]),
        "low": share(found["low"]),
        "high": share(found["high"]),
        "chance": share(found["chance"]),
        "n": number(data["n"]),
    }
    text = gettext(
        "The machine says that it is %(sure)s sure and is right in %(right)s: a calibration error of "
        "%(error)s (%(low)s to %(high)s)."
    )
    if found["error"] <= found["chance_high"]:
        more = gettext(
            "With only %(n)s test images even a perfect one would show %(chance)s by chance."
        )
    else:
        more = gettext("A perfect one would show %(chance)s by chance: this is more than chance.")
    return f"{text % words} {more % words}"


def above(data: Data) -> str:
    """Say the same of the images that the machine would label."""
    found = data["above"]
    if not found:
        return ""
    words = {
        "n": number(found["count"]),
        "sure": share(found["sure"]),
        "share": share(found["share"]),
        "low": share(found["low"]),
        "high": share(found["high"]),
    }
    said = gettext(
        "Of the %(n)s test images that it would label it is %(sure)s sure on average and right in "
        "%(share)s (95 %% sure: %(low)s to %(high)s)."
    )
    return said % words


def classes(facts: Facts, rows: list[Data]) -> str:
    """Say which class is mistaken most often, and for what."""
    if not facts.profile.get("label"):
        return ""
    if not rows or not rows[0]["wrong"]:
        if any(row["few"] for row in rows):
            return gettext("No test image of a class with enough of them was mistaken.")
        return gettext("No test image of any class was mistaken.")
    worst = rows[0]
    words = {
        "name": worst["name"],
        "wrong": number(worst["wrong"]),
        "n": number(worst["tests"]),
        "as": worst["mistakes"][0]["pred_name"],
        "count": number(worst["mistakes"][0]["count"]),
    }
    said = gettext(
        "Most mistakes: “%(name)s”, %(wrong)s of %(n)s test images, %(count)s of them taken for "
        "“%(as)s”."
    )
    return said % words


# --- ledger --------------------------------------------------------------------------------------


def ledger(facts: Facts, data: Data) -> str:
    """Say what was spent on what, and when most."""
    if not data["days"]:
        return ""
    most = max(data["days"], key=lambda day: day["amount"])
    words = {
        "spent": data["total"],
        "labels": data["labels"],
        "n": data["labels_count"],
        "compute": data["compute"],
        "most": money(most["amount"], facts.currency),
        "day": day_words(most["day"]),
    }
    said = gettext(
        "%(spent)s spent: %(labels)s for %(n)s labels by people, %(compute)s for computing. Most on "
        "%(day)s: %(most)s."
    )
    return said % words

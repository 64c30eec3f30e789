"""A comparison of two plans in words: what each costs and delivers, and the difference, signed."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.selectors.decision_words import decision_words
from labelapp.selectors.money_words import (
    chosen_share,
    images,
    money,
    number,
    price,
    share,
    upper_share,
)
from labelapp.selectors.outlook_words import title
from labelapp.selectors.stored_words import stored_words
from labelapp.selectors.what_if_rows import signed_money, tone

FIRST_FORECAST = 3  # trainings
NAMES: dict[str, str] = {
    "epsilon": gettext_noop("Wrong labels allowed"),
    "confidence": gettext_noop("Confidence"),
    "price_per_label": gettext_noop("Price of one label"),
    "compute_price_per_hour": gettext_noop("Price of one hour of computing"),
    "overlap": gettext_noop("People asked about one image"),
    "overlap_share": gettext_noop("On this share of the images"),
    "budget": gettext_noop("Budget"),
}


# --- one line above all ---------------------------------------------------------------------------


def headline(found: dict[str, Any]) -> dict[str, str]:
    """Return the large figure of the asked plan, its difference to the present, and the tone."""
    now, asked, currency = found["now"], found["asked"], found["currency"]
    if found["kind"] == "spent":
        figure, label, before = now["spent"], title("spent"), now["spent"]
    elif not found["forecast"]:
        figure, label = asked["human_only"], gettext("People alone")
        before = now["human_only"]
    else:
        figure, label, before = asked["cost"], title(found["kind"]), now["cost"]
    change = figure - before
    text = signed_money(change, currency)
    return {
        "label": label,
        "figure": money(figure, currency),
        "change": gettext("%(money)s against the present plan") % {"money": text} if text else "",
        "tone": tone(change if text else 0, lower=True),
    }


def verdict(found: dict[str, Any]) -> str:
    """Say in a sentence what the asked terms would do to the project."""
    now, asked, currency = found["now"], found["asked"], found["currency"]
    if found["kind"] == "spent":
        return _over(now, currency)
    if found["kind"] == "stop" and not found["changed"]:
        return gettext("A manager has asked the run to stop: this is what it then comes to.")
    if found["kind"] == "rest" and not found["changed"]:
        return gettext("People label what is left: this is what the run then comes to.")
    if not found["changed"]:
        return gettext("This is the present plan. Move a slider to see another one beside it.")
    if not found["forecast"]:
        return gettext("People alone would cost %(asked)s instead of %(now)s.") % {
            "asked": money(asked["human_only"], currency),
            "now": money(now["human_only"], currency),
        }
    if asked["forced"]:
        return gettext(
            "The budget does not pay for the promise. The machine would label what the money "
            "leaves, %(images)s, and about %(error)s of all labels would be wrong."
        ) % {"images": images(round(asked["machine"]["value"])), "error": share(asked["error"])}
    if asked["nothing"]:
        return gettext("People would label everything: %(reason)s.") % {
            "reason": stored_words(asked["nothing"])
        }
    return gettext(
        "The machine would label %(images)s (%(share)s of all). Wrong labels: %(bound)s of all "
        "(%(kind)s)."
    ) % {
        "images": images(round(asked["machine"]["value"])),
        "share": share(asked["machine"]["value"] / max(asked["n"], 1)),
        "bound": upper_share(asked["bound"]),
        "kind": asked["promised"],
    }


def _over(now: dict[str, Any], currency: str) -> str:
    """Say what a finished run has come to, and what opening it again would mean."""
    machine = round(now["machine"]["value"])
    words = {"money": money(now["spent"], currency), "images": images(machine)}
    if not machine:
        return (
            gettext(
                "The run is finished and has come to %(money)s: people labelled everything. There is "
                "no plan left to try out. Opened again, every label stays paid and the engine plans "
                "anew."
            )
            % words
        )
    return (
        gettext(
            "The run is finished and has come to %(money)s. There is no plan left to try out. Opened "
            "again, the labels of the machine (%(images)s) are withdrawn, every label of people stays "
            "paid, and the engine plans anew."
        )
        % words
    )


def decision(found: dict[str, Any]) -> str:
    """Say what the engine would have decided after its last training; empty before a forecast."""
    asked = found["asked"]
    if not found["forecast"] or found["kind"] != "plan":
        return ""
    phrase = decision_words(asked, found["currency"])
    if not found["changed"]:
        return gettext("After the last training the engine %(decision)s.") % {"decision": phrase}
    return gettext("With these settings the engine %(decision)s.") % {"decision": phrase}


def needs(trainings: int) -> str:
    """Say what the first forecast still needs; empty once there is one."""
    missing = FIRST_FORECAST - trainings
    if missing <= 0:
        return ""
    if missing == FIRST_FORECAST:
        return gettext(
            "The forecast comes after three trainings. Until then only what needs no forecast can "
            "be compared."
        )
    return ngettext(
        "The forecast needs %(n)s more training. Until then only what needs no forecast can be "
        "compared.",
        "The forecast needs %(n)s more trainings. Until then only what needs no forecast can be "
        "compared.",
        missing,
    ) % {"n": missing}


# --- what applying would mean ---------------------------------------------------------------------


def change(name: str, present: object, wanted: object, currency: str) -> str:
    """Return one changed setting of two `Wanted`: "Wrong labels allowed: 5 % -> 8 %"."""
    before, after = (_value(name, getattr(one, name), currency) for one in (present, wanted))
    return gettext("%(name)s: %(before)s → %(after)s") % {
        "name": gettext(NAMES[name]),
        "before": before,
        "after": after,
    }


def _value(name: str, value: Any, currency: str) -> str:
    if value is None:
        return gettext("none")
    if name in {"epsilon", "confidence", "overlap_share"}:
        return chosen_share(value)
    if name == "overlap":
        return number(value)
    return (money if name == "budget" else price)(value, currency)


def notes(found: dict[str, Any], *, phase: str, checking: bool, fixed: bool) -> list[str]:
    """Return what a change means beyond its figures, to be said before it is made."""
    changed = set(found["changed"])
    told = []
    if changed:
        told.append(gettext("Nothing that was bought is lost; what was spent keeps its price."))
    if checking and changed & {"epsilon", "confidence", "budget"}:
        told.append(
            gettext(
                "People are checking the machine's labels now. Another promise ends this check: "
                "the images that they looked at join the training set, and the next check has to "
                "be stricter. The figures count that it is stricter, not that the images join."
            )
        )
    if fixed and phase != "finished":
        told.append(
            gettext(
                "The machine's labels are chosen. A price now only counts for the images that "
                "people still label."
            )
        )
    if changed & {"overlap", "overlap_share"}:
        told.append(
            gettext("Batches that are open keep their answers per image; later ones follow.")
        )
    if changed and not found["forecast"]:
        told.append(gettext("The first forecast will be made with these settings."))
    return told

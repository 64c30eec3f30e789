"""A comparison of two plans in words: what each costs and delivers, and the difference, signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.selectors.decision_words import decision_words
from labelapp.selectors.money_words import (
    duration,
    images,
    money,
    money_range,
    number,
    share,
    upper_share,
)
from labelapp.selectors.stored_words import stored_words

if TYPE_CHECKING:
    from labelapp.selectors.what_if import Wanted

Side = dict[str, Any]
Row = dict[str, str]

NONE = "\u2013"
MINUS = "\u2212"
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
    if not found["forecast"]:
        figure, label = asked["human_only"], gettext("People alone")
        before = now["human_only"]
    else:
        figure, label, before = asked["cost"], gettext("Forecast total"), now["cost"]
    change = figure - before
    text = _signed_money(change, currency)
    return {
        "label": label,
        "figure": money(figure, currency),
        "change": gettext("%(money)s against the present plan") % {"money": text} if text else "",
        "tone": _tone(change if text else 0, lower=True),
    }


def verdict(found: dict[str, Any]) -> str:
    """Say in a sentence what the asked terms would do to the project."""
    now, asked, currency = found["now"], found["asked"], found["currency"]
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
        "The machine would label %(images)s (%(share)s of all), with at most %(bound)s of all "
        "labels wrong."
    ) % {
        "images": images(round(asked["machine"]["value"])),
        "share": share(asked["machine"]["value"] / max(asked["n"], 1)),
        "bound": upper_share(asked["bound"]),
    }


def decision(found: dict[str, Any]) -> str:
    """Say what the engine would have decided after its last training; empty before a forecast."""
    asked = found["asked"]
    if not found["forecast"]:
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


# --- the table ------------------------------------------------------------------------------------


def rows(found: dict[str, Any]) -> list[Row]:
    """Return the lines of the table: the present plan, the asked one, their difference."""
    say = _FORECAST if found["forecast"] else _EARLY if found["now"]["stop_cost"] else _BEFORE
    return [make(found["now"], found["asked"], found["currency"]) for make in say]


def _row(
    label: str, now: str, asked: str, difference: str = "", tone: str = "", **more: str
) -> Row:
    plain = {"now_note": "", "asked_note": "", "about": ""}
    return {
        "label": label,
        "now": now,
        "asked": asked,
        "difference": difference or "=",
        "tone": tone if difference else "",
    } | (plain | more)


def _money_row(
    label: str, key: str, *, lower: bool | None = True, about: str = ""
) -> Callable[[Side, Side, str], Row]:
    def make(now: Side, asked: Side, currency: str) -> Row:
        change = asked[key] - now[key]
        return _row(
            gettext(label),
            money(now[key], currency),
            money(asked[key], currency),
            _signed_money(change, currency),
            "" if lower is None else _tone(change, lower=lower),
            about=gettext(about) if about else "",
        )

    return make


def _total(now: Side, asked: Side, currency: str) -> Row:
    change = asked["cost"] - now["cost"]
    return _row(
        gettext("Forecast total"),
        money(now["cost"], currency),
        money(asked["cost"], currency),
        _signed_money(change, currency),
        _tone(change, lower=True),
        now_note=_ranges(now["total"], currency),
        asked_note=_ranges(asked["total"], currency),
    )


def _ranges(total: dict[str, float] | None, currency: str) -> str:
    if total is None:
        return ""
    narrow = money_range(total["low80"], total["high80"], currency)
    wide = money_range(total["low95"], total["high95"], currency)
    if not narrow:
        return ""
    return gettext("80\u00a0%% sure: %(narrow)s; 95\u00a0%% sure: %(wide)s") % {
        "narrow": narrow,
        "wide": wide,
    }


def _saving(now: Side, asked: Side, currency: str) -> Row:
    change = asked["saving"] - now["saving"]
    return _row(
        gettext("Saved against people alone"),
        money(now["saving"], currency),
        money(asked["saving"], currency),
        _signed_money(change, currency),
        _tone(change, lower=False),
        now_note=gettext("%(share)s of %(money)s") % _of(now, currency),
        asked_note=gettext("%(share)s of %(money)s") % _of(asked, currency),
    )


def _of(side: Side, currency: str) -> dict[str, str]:
    saved = share(round(side["saving_share"], 3))
    return {"share": saved, "money": money(side["human_only"], currency)}


def _machine(now: Side, asked: Side, _currency: str) -> Row:
    change = round(asked["machine"]["value"]) - round(now["machine"]["value"])
    return _row(
        gettext("Labelled by the machine"),
        _of_all(now),
        _of_all(asked),
        _signed(change, number),
        now_note=_sure(now["machine"]),
        asked_note=_sure(asked["machine"]),
        about=gettext("images"),
    )


def _of_all(side: Side) -> str:
    value = side["machine"]["value"]
    return f"{number(round(value))} ({share(value / max(side['n'], 1))})"


def _sure(found: dict[str, float]) -> str:
    low, high = number(round(found["low80"])), number(round(found["high80"]))
    if low == high:
        return ""
    return gettext("80\u00a0%% sure: %(low)s to %(high)s") % {"low": low, "high": high}


def _bound(now: Side, asked: Side, _currency: str) -> Row:
    return _share_row(
        gettext("Wrong labels promised at most"),
        now,
        asked,
        "bound",
        now_note=_forced_note(now),
        asked_note=_forced_note(asked),
    )


def _forced_note(side: Side) -> str:
    return gettext("no promise: the budget decides") if side["forced"] else ""


def _error(now: Side, asked: Side, _currency: str) -> Row:
    return _share_row(gettext("Wrong labels expected"), now, asked, "error")


def _share_row(label: str, now: Side, asked: Side, key: str, **notes: str) -> Row:
    change = asked[key] - now[key]
    text = _signed(change, _points) if abs(change) >= 5e-6 else ""
    return _row(
        label,
        upper_share(now[key]),
        upper_share(asked[key]),
        text,
        _tone(change, lower=True),
        about=gettext("of all labels"),
        **notes,
    )


def _points(size: float) -> str:
    """Return a difference of two percentages, which is no percentage of either."""
    figure = share(size, 2).removesuffix("%").strip()
    # Translators: percentage points, e.g. "3 points" from 5 % to 8 %
    return gettext("%(n)s points") % {"n": figure}


def _to_buy(now: Side, asked: Side, _currency: str) -> Row:
    change = round(asked["to_buy"]["value"]) - round(now["to_buy"]["value"])
    return _row(
        gettext("Images that people still label"),
        number(round(now["to_buy"]["value"])),
        number(round(asked["to_buy"]["value"])),
        _signed(change, number),
        _tone(change, lower=True),
        now_note=_sure(now["to_buy"]),
        asked_note=_sure(asked["to_buy"]),
    )


def _steps(now: Side, asked: Side, _currency: str) -> Row:
    change = asked["steps"] - now["steps"]
    return _row(
        gettext("Trainings still to come"),
        _trainings(now),
        _trainings(asked),
        _signed(change, number),
        _tone(change, lower=True),
        now_note=_time(now),
        asked_note=_time(asked),
    )


def _trainings(side: Side) -> str:
    return number(side["steps"]) if side["steps"] else gettext("none")


def _time(side: Side) -> str:
    if not side["steps"]:
        return gettext("the machine labels next")
    return gettext("about %(time)s of computing") % {"time": duration(side["seconds"])}


def _stop(now: Side, asked: Side, currency: str) -> Row:
    change = asked["stop_cost"] - now["stop_cost"]
    words = gettext("the machine labels %(images)s")
    return _row(
        gettext("Total if stopped now"),
        money(now["stop_cost"], currency),
        money(asked["stop_cost"], currency),
        _signed_money(change, currency),
        _tone(change, lower=True),
        now_note=words % {"images": images(now["stop_machine"])},
        asked_note=words % {"images": images(asked["stop_machine"])},
    )


def _first(now: Side, asked: Side, currency: str) -> Row:
    change = asked["first_cost"] - now["first_cost"]
    note = gettext("%(images)s: the test set and the first training set")
    return _row(
        gettext("Bought before the first training"),
        money(now["first_cost"], currency),
        money(asked["first_cost"], currency),
        _signed_money(change, currency),
        _tone(change, lower=True),
        now_note=note % {"images": images(now["first_images"])},
        asked_note=note % {"images": images(asked["first_images"])},
    )


_PRICE = _money_row(
    gettext_noop("Price of one image"), "image_price", about=gettext_noop("all its answers")
)
_ALONE = _money_row(gettext_noop("People alone"), "human_only", lower=None)
_SPENT = _money_row(
    gettext_noop("Spent so far"), "spent", lower=None, about=gettext_noop("stays as it is")
)

_FORECAST = (_total, _saving, _bound, _error, _machine, _to_buy, _steps, _stop, _PRICE, _SPENT)
_EARLY = (_ALONE, _stop, _PRICE, _SPENT)
_BEFORE = (_ALONE, _first, _PRICE)


# --- what applying would mean ---------------------------------------------------------------------


def change(name: str, present: Wanted, wanted: Wanted, currency: str) -> str:
    """Return one changed setting: "Wrong labels allowed: 5 % -> 8 %"."""
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
        return share(value, 2)
    if name == "overlap":
        return number(value)
    return money(value, currency)


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
                "be stricter, which the figures show."
            )
        )
    if fixed and phase != "finished":
        told.append(
            gettext(
                "The machine's labels are chosen. The figures say what the plan would have been; "
                "a price now only counts for the images that people still label."
            )
        )
    if changed & {"overlap", "overlap_share"}:
        told.append(
            gettext("Batches that are open keep their answers per image; later ones follow.")
        )
    if changed and not found["forecast"]:
        told.append(gettext("The first forecast will be made with these settings."))
    return told


# --- signs ----------------------------------------------------------------------------------------


def _signed_money(amount: float, currency: str) -> str:
    if abs(amount) < 0.000005:
        return ""
    text = money(abs(amount), currency)
    return "" if text == money(0, currency) else f"{'+' if amount > 0 else MINUS}{text}"


def _signed(amount: float, write: Callable[[float], str]) -> str:
    return f"{'+' if amount > 0 else MINUS}{write(abs(amount))}" if amount else ""


def _tone(amount: float, *, lower: bool) -> str:
    """Return "better" or "worse"; `lower`: less is better."""
    if not amount:
        return ""
    return "better" if (amount < 0) == lower else "worse"

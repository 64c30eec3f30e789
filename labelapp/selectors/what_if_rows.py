"""The table of "what if": the present plan, the asked one, and their difference, signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext, gettext_noop

from labelapp.selectors.money_words import (
    chosen_share,
    duration,
    images,
    money,
    money_range,
    number,
    price,
    share,
    upper_share,
)
from labelapp.selectors.outlook_words import estimated, title

Side = dict[str, Any]
Row = dict[str, str]

MINUS = "\u2212"


def rows(found: dict[str, Any]) -> list[Row]:
    """Return the lines of the table: the present plan, the asked one, their difference."""
    if found["kind"] == "spent":
        return [make(found["now"], found["now"], found["currency"]) for make in _DONE]
    if found["kind"] == "rest":
        return [make(found["now"], found["asked"], found["currency"]) for make in _SETTLED]
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
            signed_money(change, currency),
            "" if lower is None else tone(change, lower=lower),
            about=gettext(about) if about else "",
        )

    return make


def _total(now: Side, asked: Side, currency: str) -> Row:
    change = asked["cost"] - now["cost"]
    return _row(
        title(now["kind"]),
        money(now["cost"], currency),
        money(asked["cost"], currency),
        signed_money(change, currency),
        tone(change, lower=True),
        now_note=_ranges(now["total"], currency),
        asked_note=_ranges(asked["total"], currency),
    )


def _ranges(total: dict[str, float] | None, currency: str) -> str:
    if total is None:
        return ""
    narrow = money_range(total["low80"], total["high80"], currency)
    wide = money_range(total["low95"], total["high95"], currency)
    return f"{_at(0.8, narrow)}; {_at(0.95, wide)}" if narrow else ""


def _at(confidence: float, interval: str) -> str:
    return gettext("%(share)s sure: %(interval)s") % {
        "share": chosen_share(confidence),
        "interval": interval,
    }


def _saving(now: Side, asked: Side, currency: str) -> Row:
    change = asked["saving"] - now["saving"]
    return _row(
        gettext("Saved against people alone"),
        money(now["saving"], currency),
        money(asked["saving"], currency),
        signed_money(change, currency),
        tone(change, lower=False),
        now_note=gettext("%(share)s of %(money)s") % _of(now, currency),
        asked_note=gettext("%(share)s of %(money)s") % _of(asked, currency),
    )


def _of(side: Side, currency: str) -> dict[str, str]:
    saved = share(side["saving_share"], 0)
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
    return _at(0.8, gettext("%(low)s to %(high)s") % {"low": low, "high": high})


def _bound(now: Side, asked: Side, _currency: str) -> Row:
    return _share_row(
        gettext("Wrong labels promised"),
        now,
        asked,
        "bound",
        now_note=_kind(now),
        asked_note=_kind(asked),
    )


def _kind(side: Side) -> str:
    """Return what kind of figure the promise is; where the budget decides there is none."""
    forced = gettext("no promise, the budget decides: %(kind)s") % {"kind": estimated()}
    return forced if side["forced"] else str(side["promised"])


def _error(now: Side, asked: Side, _currency: str) -> Row:
    words = {"now_note": estimated(), "asked_note": estimated()}
    return _share_row(gettext("Wrong labels expected"), now, asked, "error", **words)


def _share_row(label: str, now: Side, asked: Side, key: str, **notes: str) -> Row:
    change = asked[key] - now[key]
    text = _signed(change, _points) if abs(change) >= 5e-6 else ""
    write = share if key == "error" else upper_share
    return _row(
        label,
        write(now[key]),
        write(asked[key]),
        text,
        tone(change, lower=True),
        about=gettext("of all labels"),
        **notes,
    )


def _points(size: float) -> str:
    """Return a difference of two percentages, which is no percentage of either."""
    figure = chosen_share(size).removesuffix("%").strip()
    # Translators: percentage points, e.g. "3 points" from 5 % to 8 %
    return gettext("%(n)s points") % {"n": figure}


def _to_buy(now: Side, asked: Side, _currency: str) -> Row:
    change = round(asked["to_buy"]["value"]) - round(now["to_buy"]["value"])
    return _row(
        gettext("Images that people still label"),
        number(round(now["to_buy"]["value"])),
        number(round(asked["to_buy"]["value"])),
        _signed(change, number),
        tone(change, lower=True),
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
        tone(change, lower=True),
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
    return _row(
        gettext("Total if stopped now"),
        money(now["stop_cost"], currency),
        money(asked["stop_cost"], currency),
        signed_money(change, currency),
        tone(change, lower=True),
        now_note=_stopped(now, currency),
        asked_note=_stopped(asked, currency),
    )


def _stopped(side: Side, currency: str) -> str:
    """Say what the machine labels then, and the training that comes before."""
    words = {"n": number(side["stop_machine"]), "money": money(side["training"], currency)}
    if side["training"]:
        return gettext("the machine labels %(n)s; with one more training, about %(money)s") % words
    return gettext("the machine labels %(n)s") % words


def _first(now: Side, asked: Side, currency: str) -> Row:
    change = asked["first_cost"] - now["first_cost"]
    note = gettext("%(images)s: the test set and the first training set")
    return _row(
        gettext("Bought before the first training"),
        money(now["first_cost"], currency),
        money(asked["first_cost"], currency),
        signed_money(change, currency),
        tone(change, lower=True),
        now_note=note % {"images": images(now["first_images"])},
        asked_note=note % {"images": images(asked["first_images"])},
    )


def _price(now: Side, asked: Side, currency: str) -> Row:
    """Write prices with all their decimals: a hundredth of a cent is much on a million images."""
    before, after = (round(float(side["image_price"]), 6) for side in (now, asked))
    change = round(after - before, 6)
    sign = "+" if change > 0 else MINUS
    return _row(
        gettext("Price of one image"),
        price(before, currency),
        price(after, currency),
        f"{sign}{price(abs(change), currency)}" if change else "",
        tone(change, lower=True),
        about=gettext("all its answers"),
    )


_ALONE = _money_row(gettext_noop("People alone"), "human_only", lower=None)
_SPENT = _money_row(
    gettext_noop("Spent so far"), "spent", lower=None, about=gettext_noop("stays as it is")
)

_DONE = (_total, _ALONE, _saving, _machine)
"""Of a run that is over."""
_SETTLED = (_total, _saving, _machine, _to_buy, _price, _SPENT)
"""Of a run whose machine labels are chosen."""
_FORECAST = (_total, _saving, _bound, _error, _machine, _to_buy, _steps, _stop, _price, _SPENT)
_EARLY = (_ALONE, _stop, _price, _SPENT)
_BEFORE = (_ALONE, _first, _price)


# --- signs ----------------------------------------------------------------------------------------


def signed_money(amount: float, currency: str) -> str:
    if abs(amount) < 0.000005:
        return ""
    text = money(abs(amount), currency)
    return "" if text == money(0, currency) else f"{'+' if amount > 0 else MINUS}{text}"


def _signed(amount: float, write: Callable[[float], str]) -> str:
    return f"{'+' if amount > 0 else MINUS}{write(abs(amount))}" if amount else ""


def tone(amount: float, *, lower: bool) -> str:
    """Return "better" or "worse"; `lower`: less is better."""
    if not amount:
        return ""
    return "better" if (amount < 0) == lower else "worse"

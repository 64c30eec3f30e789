"""Figures in words: money, shares, numbers of images, spans of time."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

NBSP = "\u00a0"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": "CHF\u00a0"}


def number(value: Decimal | float, digits: int = 0) -> str:
    """Return a number with this many decimals, as the page's language writes it: "1,234.5"."""
    exact = Decimal(f"{value:.{digits}f}")
    return number_format(exact, digits, use_l10n=True, force_grouping=True)


def money(amount: Decimal | float, currency: str) -> str:
    """Return a sum with the currency's sign, to the cent: "$12.50", "$12,346", "$0.0075".

    From 10,000 on the cents are left out; below one cent it has three digits that say something,
    and six decimals at most.
    """
    size = abs(float(amount))
    if size >= 10_000:
        return _with_sign(amount, number(size), currency)
    if size >= 0.01 or size == 0:
        return _with_sign(amount, number(size, 2), currency)
    return _with_sign(amount, _trimmed(Decimal(f"{size:.3g}")), currency)


def price(amount: Decimal | float, currency: str) -> str:
    """Return what one of something costs, with the decimals that the price has: "$0.012".

    Two decimals at least, six at most.
    """
    return _with_sign(amount, _trimmed(abs(Decimal(str(amount))), least=2), currency)


def mean_price(amount: Decimal | float, currency: str) -> str:
    """Return what one of something cost on average: three digits below 1, else to the cent."""
    mean = float(amount)
    if abs(mean) >= 1:
        return money(amount, currency)
    return price(Decimal(f"{mean:.3g}"), currency)


def _trimmed(size: Decimal, least: int = 0) -> str:
    """Return a number without zeros at its end, with `least` to six decimals."""
    decimals = len(f"{size:.6f}".partition(".")[2].rstrip("0"))
    return number(size, max(decimals, least))


def _with_sign(amount: Decimal | float, text: str, currency: str) -> str:
    symbol = _SYMBOLS.get(currency)
    if symbol:
        # Translators: an amount of money, e.g. $12.50; 12,50 $ in other languages.
        text = gettext("%(symbol)s%(amount)s") % {"symbol": symbol, "amount": text}
    else:
        text = f"{text}{NBSP}{currency}"
    return f"-{text}" if amount < 0 else text


def money_range(low: float, high: float, currency: str) -> str:
    """Return "$1.00 to $2.00", empty where both ends are the same money."""
    texts = {"low": money(low, currency), "high": money(high, currency)}
    return "" if texts["low"] == texts["high"] else gettext("%(low)s to %(high)s") % texts


def share(value: float, digits: int = 1) -> str:
    """Return a share that was measured or forecast as a percentage: "27.0 %", "82.8 %", "0.43 %".

    With exactly `digits` decimals, so that two beside each other look alike; two below one percent.
    None and all are "0 %" and "100 %".
    """
    if value in (0, 1):
        return chosen_share(value)
    percent = value * 100
    return f"{number(percent, 2 if 0 < percent < 1 else digits)}{NBSP}%"


def chosen_share(value: float) -> str:
    """Return a share that somebody set as a percentage, as it was set: "5 %", "97.5 %".

    Two decimals at most, but none and all are said of nothing else: "0.001 %", "99.995 %".
    """
    text = f"{value * 100:.2f}"
    if 0 < value < 1 and text in {"0.00", "100.00"}:
        text = f"{value * 100:.6f}"
    decimals = len(text.partition(".")[2].rstrip("0"))
    return f"{number(value * 100, decimals)}{NBSP}%"


def upper_share(value: float) -> str:
    """Return a bound as a percentage, rounded up so that it stays a bound."""
    return share(ceil(round(value * 10_000, 6)) / 10_000, digits=2)


def duration(seconds: float) -> str:
    """Return a time span in the unit that people would use."""
    if seconds < 90:
        return f"{max(1, round(seconds))}{NBSP}s"
    if seconds < 5_400:
        return f"{round(seconds / 60)}{NBSP}min"
    if seconds < 172_800:
        return f"{number(seconds / 3_600, 1)}{NBSP}h"
    return gettext("%(n)s days").replace(" ", NBSP) % {"n": number(seconds / 86_400, 1)}


def images(count: int) -> str:
    """Return "1 image" or "1,234 images"."""
    words = ngettext("%(n)s image", "%(n)s images", count).replace(" ", NBSP)
    return words % {"n": number(count)}

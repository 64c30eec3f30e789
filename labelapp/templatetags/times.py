"""Times on pages: `<time>` with the moment for machines, and words that the browser makes local.

`when` is for news and states ("3 minutes ago"), `moment` for records (day and time), `clock` for
lines of a log, `day` for days of UTC. Without script all but days are UTC and say so.
"""

from __future__ import annotations

from datetime import date, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from labelapp.selectors.date_words import as_moment, clock_words, day_words, moment_words

register = template.Library()


@register.simple_tag
def when(at: datetime | str) -> SafeString:
    """Write how long ago something was; the browser adds the exact time."""
    return _time("relative", at, moment_words(at))


@register.simple_tag
def moment(at: datetime | str) -> SafeString:
    """Write day and time of something that is on record."""
    return _time("exact", at, moment_words(at))


@register.simple_tag
def clock(at: datetime | str) -> SafeString:
    """Write the time of day to the second."""
    return _time("clock", at, clock_words(at))


@register.simple_tag
def day(on: date | str) -> SafeString:
    """Write a day of UTC, a date or "2026-11-21"."""
    iso = on if isinstance(on, str) else on.isoformat()
    return format_html('<time datetime="{}">{}</time>', iso, day_words(on))


@register.filter(name="day_words")
def day_filter(on: date | str) -> str:
    """Return a day in words, for use within a sentence."""
    return day_words(on)


def _time(style: str, at: datetime | str, words: str) -> SafeString:
    iso = as_moment(at).isoformat()
    return format_html('<time data-time="{}" datetime="{}">{}</time>', style, iso, words)

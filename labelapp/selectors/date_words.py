"""Days and moments as every page writes them, in the page's language.

The server knows no time zone of its readers: moments are UTC here and say so, and the browser
writes them anew where the reader is (`templatetags/times.py`, `static/js/shell.js`). Days are days
of UTC, as the ledger counts them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext

NBSP = "\u00a0"


def day_words(day: date | str) -> str:
    """Return a day, given as such or as "2026-11-21": "Nov 21, 2026"."""
    found = date.fromisoformat(day) if isinstance(day, str) else day
    # Translators: how Django writes a day: "Nov 21, 2026".
    return _written(found, gettext("M j, Y"))


def near_day_words(day: date) -> str:
    """Return a day with its day of the week, the year only if it is another: "Tue, Nov 24"."""
    # Translators: how Django writes a near date: day of the week, month, day; "Tue, Nov 24".
    words = _written(day, gettext("D, M j"))
    return words if day.year == timezone.now().year else f"{words}{NBSP}{day.year}"


def moment_words(at: datetime | str) -> str:
    """Return a moment, aware or as ISO text: "Nov 21, 2026, 14:05 UTC"."""
    # Translators: how Django writes a moment: "Nov 21, 2026, 14:05".
    return f"{_written(as_moment(at).astimezone(UTC), gettext('M j, Y, H:i'))}{NBSP}UTC"


def clock_words(at: datetime | str) -> str:
    """Return the time of day to the second: "14:05:33 UTC"."""
    return f"{as_moment(at).astimezone(UTC):%H:%M:%S}{NBSP}UTC"


def as_moment(at: datetime | str) -> datetime:
    """Return the moment; texts without a zone are UTC. Raises ValueError for anything else."""
    found = parse_datetime(at) if isinstance(at, str) else at
    if found is None:
        raise ValueError(f"{at!r} is no moment")
    return found if timezone.is_aware(found) else found.replace(tzinfo=UTC)


def _written(at: date, words: str) -> str:
    return str(date_format(at, words)).replace(" ", NBSP)

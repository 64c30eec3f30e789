"""Times on pages: one style for each purpose, the moment for machines, the reader's time zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import translation

from labelapp.selectors.date_words import as_moment, day_words, moment_words, near_day_words

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
AT = datetime(2026, 11, 21, 14, 5, 33, tzinfo=UTC)


def written(tag: str, at) -> str:
    return Template("{% load times %}" + tag).render(Context({"at": at})).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("tag", "style", "words"),
    [
        ("{% when at %}", "relative", "Nov 21, 2026, 14:05 UTC"),
        ("{% moment at %}", "exact", "Nov 21, 2026, 14:05 UTC"),
        ("{% clock at %}", "clock", "14:05:33 UTC"),
    ],
)
def test_a_moment_is_there_for_machines_and_says_its_zone_without_script(tag, style, words):
    whole = f'<time data-time="{style}" datetime="2026-11-21T14:05:33+00:00">{words}</time>'
    assert written(tag, AT) == whole
    assert written(tag, AT.isoformat()) == whole
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))
    assert f">{words}<" in written(tag, elsewhere)


def test_a_day_is_a_day_of_utc():
    whole = '<time datetime="2026-11-21">Nov 21, 2026</time>'
    assert written("{% day at %}", date(2026, 11, 21)) == whole
    assert written("{% day at %}", "2026-11-21") == whole
    assert written("{{ at|day_words }}", AT) == "Nov 21, 2026"


def test_a_near_day_says_its_year_only_where_it_is_another():
    this_year = datetime.now(UTC).year
    assert str(this_year) not in near_day_words(date(this_year, 3, 4))
    assert near_day_words(date(2031, 3, 4)).replace("\xa0", " ") == "Tue, Mar 4 2031"


def test_texts_without_a_zone_are_utc_and_nonsense_is_refused():
    assert as_moment("2026-11-21T14:05:33") == AT
    with pytest.raises(ValueError, match="no moment"):
        as_moment("yesterday")


def test_names_of_months_follow_the_language():
    with translation.override("de"):
        assert "Dec" not in day_words("2026-12-01")
        assert "Dec" not in moment_words("2026-12-01T00:00:00Z")


def test_every_time_on_a_page_comes_from_these_tags():
    guilty = [
        f"{path.relative_to(TEMPLATES)}: {found.group(0)}"
        for path in sorted(TEMPLATES.rglob("*"))
        if path.is_file()
        for found in re.finditer(r"<time\b|\|(date|time|naturaltime|timesince):?", path.read_text())
    ]
    assert guilty == []

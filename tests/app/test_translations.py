"""Every word has its translation, and what is shipped is what was translated."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from labelapp.selectors.dashboard_words import duration, images, money, number, sentence, share
from labelapp.selectors.stored_words import PATTERNS, stored_words

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import messages  # noqa: E402 - a tool, not a package

CATALOGUES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in messages.catalogues()]
OTHERS = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def places(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|%%|</?(?:b|strong|code|span|time)\b", text))


def entries(path: Path):
    return [entry for entry in messages.read(path) if entry.msgid]


def test_each_language_has_both_catalogues():
    assert {path.parent.parent.name for path in messages.catalogues()} == set(OTHERS)
    assert len(messages.catalogues()) == 2 * len(OTHERS)


@pytest.mark.parametrize("path", CATALOGUES)
def test_nothing_is_left_to_translate(path):
    assert [entry.msgid for entry in entries(path) if not entry.done] == []


@pytest.mark.parametrize("path", CATALOGUES)
def test_what_is_shipped_is_what_was_translated(path):
    assert path.with_suffix(".mo").read_bytes() == messages.compiled(messages.read(path))


@pytest.mark.parametrize("path", CATALOGUES)
def test_pythons_own_reader_finds_every_word(path):
    with path.with_suffix(".mo").open("rb") as file:
        read = gettext.GNUTranslations(file)
    for entry in entries(path):
        if not entry.plural and not entry.context:
            assert read.gettext(entry.msgid) == entry.strings[0]
        elif entry.plural and not entry.context:
            assert read.ngettext(entry.msgid, entry.plural, 1) == entry.strings[0]
            assert read.ngettext(entry.msgid, entry.plural, 5) == entry.strings[1]


@pytest.mark.parametrize("path", CATALOGUES)
def test_values_and_markup_survive_translation(path):
    for entry in entries(path):
        wanted = places(entry.msgid) | places(entry.plural)
        for text in entry.strings.values():
            assert places(text) <= wanted, entry.msgid
            assert entry.plural or places(text) == wanted, entry.msgid


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="GNU gettext is not installed here")
def test_every_word_of_the_code_is_in_the_catalogues(tmp_path):
    copy = tmp_path / "product"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("labelapp", "templates", "static/js", "locale", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    shutil.copytree(ROOT / "mcal_engine", copy / "mcal_engine", ignore=ignore)
    shutil.copy(ROOT / "manage.py", copy / "manage.py")
    subprocess.run(
        [sys.executable, "tools/messages.py"],
        cwd=copy,
        check=True,
        capture_output=True,
        timeout=120,
    )
    for path in messages.catalogues():
        here = {entry.key for entry in entries(path)}
        there = {entry.key for entry in entries(copy / path.relative_to(ROOT))}
        assert there - here == set(), "run `make messages`, then translate"
        assert here - there == set(), "run `make messages`: these words are gone"


# Numbers and stored sentences -----------------------------------------------------------------


def test_numbers_are_written_as_the_language_does():
    with translation.override("de"):
        assert number(1234567) == "1.234.567"
        assert number(1234.5, 1) == "1.234,5"
        assert share(0.0312) == "3,1\u00a0%"
        assert money(1234.5, "USD") == "1.234,50\u00a0$".replace("\u00a0", " ")
        assert duration(3 * 86_400) == "3,0\u00a0Tage"
        assert images(1) == "1\u00a0Bild"
        assert images(2000) == "2.000\u00a0Bilder"


def test_english_is_as_it_was():
    assert money(1234.5, "USD") == "$1,234.50"
    assert money(-3, "KES") == "-3.00\u00a0KES"
    assert images(2000) == "2,000\u00a0images"
    assert stored_words("stops: whatever") == "stops: whatever"


DECISIONS = {
    "adds 1,100 images to training because a forecast needs 2 more trainings": (
        "nimmt 1.100 Bilder ins Training auf, weil eine Prognose 2 weitere Trainings braucht"
    ),
    "adds 1 image to training because training on 3,000 is expected to save $1,234.50": (
        "nimmt 1 Bild ins Training auf, weil ein Training mit 3.000 Bildern voraussichtlich "
        "1.234,50 $ spart"
    ),
    "stops and lets the machine label 5,000 images: two plans in a row agree that no plan saves "
    "1 % or more over stopping now": (
        "hört auf und lässt die Maschine 5.000 Bilder labeln: zwei Pläne nacheinander sind sich "
        "einig: kein Plan spart gegenüber sofortigem Aufhören 1 % oder mehr"
    ),
    "stops: the budget has no room for another round, and the budget pays for every label, people "
    "label the rest": (
        "hört auf: das Budget reicht für keine weitere Runde, und das Budget bezahlt jedes Label; "
        "Menschen labeln den Rest"
    ),
    "The training failed: Given up: 3 workers ended while doing this. Resume to try again.": (
        "Das Training ist fehlgeschlagen: Aufgegeben: 3 Worker endeten dabei. Setzen Sie den Lauf "
        "fort, um es erneut zu versuchen."
    ),
    "The training failed: The disk is full. Free some space. Resume to try again.": (
        "Das Training ist fehlgeschlagen: Der Speicher ist voll. Schaffen Sie Platz. Setzen Sie "
        "den Lauf fort, um es erneut zu versuchen."
    ),
}


@pytest.mark.parametrize("english", DECISIONS)
def test_what_the_engine_and_workers_wrote_is_said_in_german(english):
    with translation.override("de"):
        assert stored_words(english) == DECISIONS[english]


def test_a_sentence_that_nobody_foresaw_stays_as_it_is():
    with translation.override("de"):
        assert stored_words("Something else.") == "Something else."


def test_every_reason_in_the_rules_has_a_pattern():
    """Plain reasons that the engine's rules return stand among the patterns, word for word."""
    code = (ROOT / "mcal_engine/rules.py").read_text()
    reasons = re.findall(r'return "([a-z][^"]{20,})"', code)
    assert len(reasons) > 10
    assert set(reasons) <= set(PATTERNS)


def test_events_are_told_in_german():
    with translation.override("de"):
        told = sentence("batch.opened", {"purpose": "test", "size": 1500})
        assert told == "Menschen werden um 1.500 Labels für die Testmenge gebeten"
        assert sentence("training.started", {"size": 1}) == "Ein Training hat begonnen: 1\u00a0Bild"

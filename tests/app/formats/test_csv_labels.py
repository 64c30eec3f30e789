"""CSV of labels."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelapp.formats.csv_labels import COLUMNS, LabelRow, csv_chunks, escape, unescape


def row(**changes) -> LabelRow:
    values = {
        "image_id": 1,
        "file_name": "a.png",
        "label": "cat",
        "label_id": 0,
        "source": "human",
        "confidence": None,
        "annotators": "Ann #3",
        "agreement": 1.0,
        "status": "labelled",
        "round": 2,
        "split": "",
        "created_at": "2026-01-31T12:00:05Z",
    }
    return LabelRow(**{**values, **changes})


def written(*rows: LabelRow) -> str:
    return b"".join(csv_chunks(rows)).decode("utf-8")


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_columns_are_those_of_the_design_in_that_order():
    assert ",".join(COLUMNS) == (
        "image_id,file_name,label,label_id,source,confidence,annotators,agreement,status,round,"
        "split,created_at"
    )
    assert written() == ",".join(COLUMNS) + "\n"


def test_missing_values_are_empty_cells():
    assert (
        written(row()).splitlines()[1]
        == "1,a.png,cat,0,human,,Ann #3,1,labelled,2,,2026-01-31T12:00:05Z"
    )


def test_commas_quotes_newlines_and_umlauts_round_trip():
    name = 'ä, "b"\nc.png'
    assert read(written(row(file_name=name)))[0]["file_name"] == name


@pytest.mark.parametrize("name", ["=1+1.png", "+1", "-1", "@x", "\tx", "\rx", "'=x"])
def test_a_cell_that_a_spreadsheet_would_run_is_defused_and_comes_back(name):
    cell = read(written(row(file_name=name)))[0]["file_name"]
    assert cell == f"'{name}"
    assert unescape(cell) == name


def test_an_ordinary_cell_is_left_alone():
    assert escape("a=b.png") == "a=b.png"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_comes_back(name):
    cell = read(written(row(file_name=name)))[0]["file_name"]
    assert unescape(cell) == name


def test_small_confidences_are_not_rounded_away():
    assert float(read(written(row(confidence=1.25e-7)))[0]["confidence"]) == 1.25e-7


def test_rows_come_in_pieces():
    assert len(list(csv_chunks([row()] * 2500, rows_per_chunk=1000))) == 3

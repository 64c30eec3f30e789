"""CSV of gold: which class an image certainly has. Two columns, any order. Plain Python."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labelapp.formats.csv_labels import unescape

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS = ("file_name", "label")
MAX_BYTES = 8 * 1024**2
MAX_ROWS = 50_000


@dataclass(frozen=True)
class GoldRow:
    """One row: `line` counts as a text editor does, the header being line 1."""

    line: int
    file_name: str
    label: str


@dataclass(frozen=True)
class Problem:
    """What is wrong in a line (0: in the whole file): a code, and what it is about.

    Codes: not_text, too_large, no_columns (about: the columns found), no_rows, too_many_rows,
    missing_value, duplicate (about: the file's name), unknown_file, unknown_class.
    """

    line: int
    code: str
    about: str = ""


@dataclass
class GoldTable:
    """The rows of a file, and all that is wrong with them."""

    rows: list[GoldRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_gold(content: bytes) -> GoldTable:
    """Read a file with the columns file_name and label; other columns are not looked at.

    Separated by comma, semicolon or tab, UTF-8 with or without a byte order mark.
    """
    if len(content) > MAX_BYTES:
        return _broken("too_large")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _broken("not_text")
    if "\0" in text:
        return _broken("not_text")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        return _read(reader)
    except csv.Error:
        return _broken("not_text")


def _broken(code: str, about: str = "") -> GoldTable:
    return GoldTable(problems=[Problem(0, code, about)])


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _read(reader: Reader) -> GoldTable:
    header = [name.strip().casefold() for name in next(reader, [])]
    if not set(COLUMNS) <= set(header):
        return _broken("no_columns", ", ".join(header)[:200])
    places = [header.index(name) for name in COLUMNS]
    table, seen = GoldTable(), set[str]()
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(table.rows) >= MAX_ROWS:
            return _broken("too_many_rows", f"{MAX_ROWS:,}")
        _take(table, seen, reader.line_num, [cells[p] if p < len(cells) else "" for p in places])
    if not table.rows and not table.problems:
        table.problems.append(Problem(0, "no_rows"))
    return table


def _take(table: GoldTable, seen: set[str], line: int, cells: list[str]) -> None:
    """Put a row into the table, or say what is wrong with it."""
    file_name, label = (unescape(cell.strip()) for cell in cells)
    if not file_name or not label:
        table.problems.append(Problem(line, "missing_value", file_name or label))
    elif file_name in seen:
        table.problems.append(Problem(line, "duplicate", file_name))
    else:
        seen.add(file_name)
        table.rows.append(GoldRow(line, file_name, label))

"""CSV of labels: one row per file name, RFC 4180, UTF-8, newline `\\n`. Plain Python.

Cells that a spreadsheet would run as a formula get a leading apostrophe; `unescape` takes it off
again, so that the file round-trips.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

_RISKY = ("=", "+", "-", "@", "\t", "\r", "'")


@dataclass(frozen=True)
class LabelRow:
    """A file name and what is known about its image; the fields are the columns, in order.

    `image_id` counts from 1 and is the same for a duplicate as for its image. Empty strings and
    None become empty cells. `annotators` are joined by `;`.
    """

    image_id: int
    file_name: str
    label: str
    label_id: int | None
    source: str  # human, machine
    confidence: float | None
    annotators: str
    agreement: float | None  # share of the current answers that say this label
    status: str  # labelled, unlabelled, excluded
    round: int | None
    split: str  # train, test; empty until the run has finished
    created_at: str  # ISO 8601, UTC
    part: str = ""  # kept, left_out, held_out; empty: took no part in the search
    stage: int | None = None  # of the search that kept it; 0: not kept


PART_COLUMNS = tuple(field.name for field in fields(LabelRow))
"""With the parts of a search for the best training set, named as `mcal_engine search` names them."""
COLUMNS = PART_COLUMNS[:-2]
"""Of every other file."""


def csv_chunks(
    rows: Iterable[LabelRow],
    *,
    columns: tuple[str, ...] = COLUMNS,
    rows_per_chunk: int = 1000,
) -> Iterator[bytes]:
    """Yield the file in pieces, header first; memory does not grow with the rows."""
    buffer = _Lines()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_cell(getattr(row, column)) for column in columns])
        if number % rows_per_chunk == 0:
            yield buffer.taken()
    yield buffer.taken()


def escape(text: str) -> str:
    """Defuse a cell that Excel or LibreOffice would take for a formula."""
    return f"'{text}" if text.startswith(_RISKY) else text


def unescape(text: str) -> str:
    """Undo `escape`."""
    return text.removeprefix("'")


def _cell(value: object) -> object:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.6g}" if isinstance(value, float) else value


class _Lines:
    """Collects the writer's lines, which end in CRLF so that it quotes a lone CR, ended by LF."""

    def __init__(self) -> None:
        self._buffer = io.StringIO()

    def write(self, line: str) -> int:
        """Take one line, as csv.writer gives it."""
        return self._buffer.write(line.removesuffix("\r\n") + "\n")

    def taken(self) -> bytes:
        """Return what has come in since the last time."""
        data = self._buffer.getvalue().encode("utf-8", "replace")
        self._buffer.seek(0)
        self._buffer.truncate()
        return data

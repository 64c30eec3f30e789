"""The list of the images that a filter leaves, as CSV, in constant memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from labelapp.formats.csv_labels import escape
from labelapp.models import Project
from labelapp.selectors import browse
from labelapp.selectors.browse_query import Query

COLUMNS = (
    *("image_id", "file_name", "label", "source", "part", "margin", "model_says", "agreement"),
    "status",
)
STEP = 1_000


def csv_chunks(project: Project, query: Query) -> Iterator[bytes]:
    """Yield the file in pieces, header first. What the model says is withheld as on the page."""
    names = dict(project.classes.values_list("index", "name"))
    yield (",".join(COLUMNS) + "\n").encode()
    for step in browse.sweep(project, query, None, STEP):
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        for tile in browse.tiles(project, step.found):
            status = "excluded" if tile.excluded else "unlabelled" if tile.label is None else ""
            writer.writerow(
                [
                    tile.seq + 1,
                    escape(tile.name),
                    escape(names.get(tile.label, "")) if tile.label is not None else "",
                    tile.source,
                    tile.purpose,
                    "" if tile.margin is None else f"{tile.margin:.6g}",
                    escape(names.get(tile.guess, "")) if tile.guess is not None else "",
                    "" if tile.agreement is None else f"{tile.agreement:.6g}",
                    status or "labelled",
                ]
            )
        yield buffer.getvalue().encode("utf-8", "replace")

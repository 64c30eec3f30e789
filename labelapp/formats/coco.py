"""COCO JSON for image classification: one full-image box per label. Plain Python.

COCO has no classification task; the full-image box with area and an empty segmentation is what
pycocotools, Datumaro (as Label, when the file is named labels_*.json) and FiftyOne all read. The
confidence goes to `score`: inside `attributes` it crashes FiftyOne.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CocoRow:
    """One file name. `id` counts from 1 and is unique per file name; no label: class_index None.

    `excluded`: nobody could label it.
    """

    id: int
    file_name: str
    width: int
    height: int
    class_index: int | None
    source: str
    confidence: float | None
    annotator: str
    labelled_at: str
    excluded: bool = False


def coco_chunks(
    *, info: dict[str, Any], class_names: list[str], rows: Callable[[], Iterable[CocoRow]]
) -> Iterator[bytes]:
    """Yield the file in pieces; `rows` is called twice (images, then annotations).

    Category ids are class index + 1. Unlabelled images stay, without an annotation; one that
    nobody could label says so, `"excluded": true`.
    """
    yield b'{"info": ' + _json(info) + b', "licenses": [], "categories": '
    yield _json([_category(index, name) for index, name in enumerate(class_names)])
    yield b', "images": ['
    yield from _joined(_image(row) for row in rows())
    yield b'], "annotations": ['
    yield from _joined(_annotation(row) for row in rows() if row.class_index is not None)
    yield b"]}\n"


def _category(index: int, name: str) -> dict[str, Any]:
    return {"id": index + 1, "name": name, "supercategory": ""}


def _image(row: CocoRow) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": row.id,
        "file_name": row.file_name,
        "width": row.width,
        "height": row.height,
    }
    return entry | ({"excluded": True} if row.excluded else {})


def _annotation(row: CocoRow) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": row.id,
        "image_id": row.id,
        "category_id": (row.class_index or 0) + 1,
        "bbox": [0, 0, row.width, row.height],
        "area": row.width * row.height,
        "iscrowd": 0,
        "segmentation": [],
    }
    if row.confidence is not None:
        entry["score"] = round(row.confidence, 6)
    entry["attributes"] = {
        "source": row.source,
        "annotator": row.annotator,
        "labelled_at": row.labelled_at,
    }
    return entry


def _joined(entries: Iterable[dict[str, Any]], *, per_chunk: int = 500) -> Iterator[bytes]:
    """Yield the entries as JSON, one per line, commas between."""
    parts: list[bytes] = []
    separator = b"\n"
    for entry in entries:
        parts.append(separator + _json(entry))
        separator = b",\n"
        if len(parts) >= per_chunk:
            yield b"".join(parts)
            parts.clear()
    yield b"".join(parts)


def _json(value: object) -> bytes:
    return json.dumps(value).encode("ascii")  # readers open the file in whatever encoding

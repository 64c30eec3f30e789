"""COCO of labels: written by us, read by pycocotools in tests/app/services/test_exports.py."""

from __future__ import annotations

import json

from labelapp.formats.coco import CocoRow, coco_chunks


def row(number: int = 1, **changes) -> CocoRow:
    values = {
        "id": number,
        "file_name": f"{number}.png",
        "width": 20,
        "height": 10,
        "class_index": 1,
        "source": "machine",
        "confidence": 0.5,
        "annotator": "",
        "labelled_at": "2026-01-31T12:00:05Z",
    }
    return CocoRow(**{**values, **changes})


def written(*rows: CocoRow) -> dict:
    chunks = coco_chunks(info={"description": "x"}, class_names=["a", "b c"], rows=lambda: rows)
    return json.loads(b"".join(chunks))


def test_categories_count_from_one():
    categories = written()["categories"]
    assert [(entry["id"], entry["name"]) for entry in categories] == [(1, "a"), (2, "b c")]


def test_a_label_is_a_box_around_the_whole_image():
    assert written(row())["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 2,
            "bbox": [0, 0, 20, 10],
            "area": 200,
            "iscrowd": 0,
            "segmentation": [],
            "score": 0.5,
            "attributes": {
                "source": "machine",
                "annotator": "",
                "labelled_at": "2026-01-31T12:00:05Z",
            },
        }
    ]


def test_the_confidence_never_stands_in_the_attributes():
    assert "confidence" not in json.dumps(written(row())["annotations"])


def test_no_confidence_means_no_score():
    assert "score" not in written(row(confidence=None))["annotations"][0]


def test_an_unlabelled_image_stays_without_an_annotation():
    data = written(row(1, class_index=None), row(2))
    assert [entry["id"] for entry in data["images"]] == [1, 2]
    assert [entry["image_id"] for entry in data["annotations"]] == [2]


def test_an_empty_project_is_valid_json():
    assert written() == {
        "info": {"description": "x"},
        "licenses": [],
        "categories": written()["categories"],
        "images": [],
        "annotations": [],
    }


def test_many_rows_come_in_pieces_and_stay_valid():
    rows = [row(number) for number in range(1, 1502)]
    chunks = list(coco_chunks(info={}, class_names=["a", "b"], rows=lambda: rows))
    assert max(map(len, chunks)) < 150_000
    assert len(json.loads(b"".join(chunks))["annotations"]) == 1501

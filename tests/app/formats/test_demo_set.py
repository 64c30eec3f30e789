from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from labelapp.formats import demo_set
from mcal_engine import datasets


@pytest.fixture(scope="module")
def first() -> list[tuple[str, bytes, int]]:
    return list(islice(demo_set.demo_images(), 200))


def test_each_of_the_ten_classes_has_a_thousand_images():
    assert Counter(demo_set.demo_labels().values()) == dict.fromkeys(range(10), 1000)


def test_the_archive_is_at_most_six_megabytes_with_its_licence_beside_it():
    assert demo_set.ARCHIVE.stat().st_size <= 6_000_000
    licence = (demo_set.ARCHIVE.parent / "LICENSE-fashion-mnist.txt").read_text()
    assert "The MIT License" in licence
    assert "2017 Zalando SE" in licence


def test_the_archive_is_the_one_that_the_readme_describes():
    digest = hashlib.sha256(demo_set.ARCHIVE.read_bytes()).hexdigest()
    assert digest in (demo_set.ARCHIVE.parent / "README.md").read_text()


def test_images_come_as_png_files_of_28_by_28(first):
    for name, data, _label in first[:20]:
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size, image.mode) == ("PNG", (28, 28), "L")
        assert re.fullmatch(r"fashion_\d{5}\.png", name)


def test_names_and_order_tell_nothing_of_the_class(first):
    labels = [label for _name, _data, label in first]
    assert len(set(labels[:50])) == 10
    assert labels != sorted(labels)


def test_images_and_labels_agree(first):
    labels = demo_set.demo_labels()
    assert all(labels[name] == label for name, _data, label in first)


def test_no_image_is_there_twice():
    with np.load(demo_set.ARCHIVE) as arrays:
        assert len({image.tobytes() for image in arrays["images"]}) == 10_000


def test_the_class_names_are_those_of_fashion_mnist():
    assert demo_set.demo_classes()[0] == "T-shirt/top"
    assert len(demo_set.demo_classes()) == 10


def test_the_engine_reads_the_archive_as_a_data_set():
    found = datasets.load(demo_set.ARCHIVE)
    assert found.images.shape == (10_000, 28, 28, 1)
    assert list(found.class_names) == demo_set.demo_classes()

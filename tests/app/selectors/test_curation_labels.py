"""Whether the labels are still those of a search: told exactly, in as many statements at any size."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from labelapp.models import Exclusion, Label, LabelClass, Run
from labelapp.selectors import curation_labels, curations
from labelapp.selectors.curation_labels import changed, sums_of
from tests.app.conftest import add_images
from tests.app.curation_world import finish, searched

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(project):
    finish(project, add_images(project, 60))
    return project


def relabel(project, **classes: int) -> None:
    for seq, index in classes.items():
        Label.objects.filter(project=project, seq=int(seq[1:])).update(class_index=index)


def test_one_label_two_exchanged_and_three_in_a_ring_are_seen(world, cast):
    search = searched(world, cast.manager)  # image k has class k % 3
    assert not changed(search)
    for labels in ({"i3": 1}, {"i3": 1, "i4": 0}, {"i3": 1, "i4": 2, "i5": 0}):
        relabel(world, **labels)
        assert changed(search), labels
        relabel(world, i3=0, i4=1, i5=2)
        assert not changed(search)


def test_numbers_whose_sums_and_squares_are_alike_are_told_apart():
    """0 + 4 + 5 = 1 + 2 + 6, and so are the squares: plain sums would not see the exchange."""
    rows = np.arange(8)
    one = np.isin(rows, [0, 4, 5]).astype(np.int64)
    other = np.isin(rows, [1, 2, 6]).astype(np.int64)
    assert (rows[one == 1] ** 2).sum() == (rows[other == 1] ** 2).sum()
    assert sums_of(rows, one) != sums_of(rows, other)
    assert np.gcd(3, curation_labels.PRIME - 1) == 1  # so no two numbers have one cube


def test_the_database_counts_as_the_files_do_beyond_a_million(world, cast):
    """Products stay below 2^63; 1,299,999 cubed would not."""
    image = world.images.get(seq=59)
    image.seq = 1_299_999
    image.save()
    Label.objects.filter(image=image).update(seq=1_299_999)
    Run.objects.update(n=1_300_000)
    search = searched(world, cast.manager, files=False)
    rows = np.array([*range(59), 1_299_999])
    labels = np.array([seq % 3 for seq in range(60)])
    search.result = {curation_labels.SUMS: json_of(sums_of(rows, labels))}
    assert not changed(search)
    search.result = {curation_labels.SUMS: json_of(sums_of(rows - (rows > 59), labels))}
    assert changed(search)


def json_of(sums: dict) -> dict:
    return {str(index): list(one) for index, one in sums.items()}


def test_what_takes_no_part_is_not_looked_at(world, cast):
    people = searched(world, cast.manager, labels="human")
    folder = curations.folder(people)
    kept = np.arange(60)[np.arange(60) % 3 != 2]
    for name, array in (("rows", kept), ("labels", kept % 3)):
        np.save(folder / f"{name}.npy", array)
    relabel(world, i2=0)  # the machine's
    assert not changed(people)
    every = searched(world, cast.manager)
    assert not changed(every)
    image = world.images.get(seq=4)
    Exclusion.objects.create(image=image, project=world, seq=4)
    assert changed(people)
    assert changed(every)


def test_merged_classes_count_as_what_they_became(world, cast):
    search = searched(world, cast.manager)
    square = LabelClass.objects.get(project=world, index=1)
    LabelClass.objects.filter(project=world, index=2).update(merged_into=square)
    assert changed(search)
    again = searched(world, cast.manager)
    labels = np.minimum(np.arange(60) % 3, 1)
    np.save(curations.folder(again) / "labels.npy", labels)
    assert not changed(again)


def test_after_a_restore_the_result_tells(world, cast, django_assert_num_queries):
    search = searched(world, cast.manager)
    found = curations.parts(search)
    sums = json_of(sums_of(found.rows, found.labels))
    shutil.rmtree(curations.folder(search))
    assert not changed(search)  # nobody knows
    search.result = (search.result or {}) | {curation_labels.SUMS: sums}
    search.save()
    search.refresh_from_db()
    with django_assert_num_queries(3):
        assert not changed(search)
    relabel(world, i3=1)
    assert changed(search)

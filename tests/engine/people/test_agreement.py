"""Agreement: published examples, closed forms, and what must hold for any answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine.errors import DataError
from mcal_engine.people import agreement
from mcal_engine.people.votes import Votes, votes

FLEISS_1971 = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
"""Ten subjects, fourteen raters, five classes: kappa = 0.210 (the usual textbook table)."""


def from_counts(table) -> Votes:
    rows = [
        (item, worker, label)
        for item, counts in enumerate(table)
        for worker, label in enumerate(
            [label for label, count in enumerate(counts) for _ in range(count)]
        )
    ]
    items, workers, labels = zip(*rows, strict=True)
    return votes(items, workers, labels, classes=len(table[0]))


def from_rows(*rows: str) -> Votes:
    """Read one row a person, one character an image, "." for no answer."""
    told = [
        (item, worker, mark)
        for worker, row in enumerate(rows)
        for item, mark in enumerate(row)
        if mark != "."
    ]
    names = sorted({mark for _, _, mark in told})
    items, workers, marks = zip(*told, strict=True)
    return votes(items, workers, [names.index(mark) for mark in marks])


def test_fleiss_table_of_1971():
    assert agreement.fleiss(from_counts(FLEISS_1971)).value == pytest.approx(0.20993, abs=1e-5)


def test_krippendorffs_example_with_missing_answers():
    """Computing Krippendorff's Alpha-Reliability (2011), part C: nominal alpha = 0.743."""
    rows = ("123321412...", "1233224125.3", ".333234225 1.".replace(" ", ""), "12332441251.")
    found = agreement.krippendorff(from_rows(*rows))
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert found.items == 11  # the unit that one person alone coded cannot be paired


def test_krippendorffs_example_of_two_people():
    """The same paper, part B: alpha = 0.692."""
    found = agreement.krippendorff(from_rows("aabbdcccedda", "babbbcccedd" + "d"))
    assert found.value == pytest.approx(0.692, abs=5e-4)


def test_cohens_example():
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    found = agreement.cohen(first, second, classes=2)
    assert found.value == pytest.approx(0.4)
    assert found.items == 50
    assert found.low < 0.4 < found.high


def kappa_of(p: np.ndarray) -> float:
    chance = p.sum(axis=0) @ p.sum(axis=1) / p.sum() ** 2
    return (np.trace(p) / p.sum() - chance) / (1 - chance)


def test_cohens_interval_is_that_of_the_delta_method():
    """The closed form of 1969 is the first-order variance; here by numerical derivatives."""
    table = np.array([[30, 4, 1], [6, 22, 5], [2, 3, 27]], dtype=float)
    n, p = table.sum(), table / table.sum()
    slope = np.zeros_like(p)
    for cell in np.ndindex(*p.shape):
        step = np.zeros_like(p)
        step[cell] = 1e-6
        slope[cell] = (kappa_of(p + step) - kappa_of(p - step)) / 2e-6
    variance = ((slope**2 * p).sum() - (slope * p).sum() ** 2) / n
    first = np.repeat(np.repeat(np.arange(3), 3), table.astype(int).ravel())
    second = np.repeat(np.tile(np.arange(3), 3), table.astype(int).ravel())
    found = agreement.cohen(first, second, classes=3)
    assert found.high - found.value == pytest.approx(1.959964 * variance**0.5, rel=1e-3)


@pytest.mark.parametrize("measure", [agreement.fleiss, agreement.krippendorff])
def test_nothing_to_compare(measure):
    nobody = measure(votes([0, 1], [0, 1], [0, 1]))
    assert (nobody.value, nobody.why) == (None, "no_overlap")
    assert measure(votes([], [], [], classes=2)).why == "no_overlap"
    same = measure(votes([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]))
    assert (same.value, same.why) == (None, "one_class")
    few = measure(votes([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0]))
    assert (few.value, few.low, few.why) == (1.0, None, "few_items")


def test_cohen_of_nothing_and_of_one_class():
    none = np.empty(0, dtype=np.int64)
    assert agreement.cohen(none, none, classes=2).why == "no_overlap"
    ones = np.ones(9, dtype=np.int64)
    assert agreement.cohen(ones, ones, classes=2).why == "one_class"


def test_two_people_give_the_same_fleiss_kappa_as_scotts_pi():
    generator = np.random.default_rng(3)
    first, second = generator.integers(0, 3, (2, 60))
    second = np.where(generator.random(60) < 0.6, first, second)
    items = np.tile(np.arange(60), 2)
    found = agreement.fleiss(votes(items, np.repeat([0, 1], 60), np.r_[first, second]))
    shares = np.bincount(np.r_[first, second], minlength=3) / 120
    scott = ((first == second).mean() - (shares**2).sum()) / (1 - (shares**2).sum())
    assert found.value == pytest.approx(scott)


def test_the_bootstrap_interval_covers():
    """True kappa of 0.5 by construction; 60 draws of 150 images, nominal 95 %."""
    generator = np.random.default_rng(11)
    hit = 0
    for _ in range(60):
        truth = generator.integers(0, 2, 150)
        told = [np.where(generator.random(150) < 0.8535534, truth, 1 - truth) for _ in range(3)]
        made = votes(np.tile(np.arange(150), 3), np.repeat([0, 1, 2], 150), np.concatenate(told))
        found = agreement.fleiss(made, replicates=300)
        hit += found.low <= 0.5 <= found.high
    assert hit >= 51


def test_pairs_come_by_what_they_share():
    made = votes(
        [0, 0, 0, 1, 1, 2, 2, 3],
        [0, 1, 2, 0, 1, 0, 1, 2],
        [0, 0, 1, 1, 1, 0, 1, 0],
    )
    pairs = agreement.cohen_pairs(made)
    assert [(p.a, p.b, p.kappa.items) for p in pairs] == [(0, 1, 3), (0, 2, 1), (1, 2, 1)]
    assert [(p.a, p.b) for p in agreement.cohen_pairs(made, most=1)] == [(0, 1)]


def test_same_shares():
    made = votes([0, 0, 0, 1], [0, 1, 2, 0], [1, 1, 0, 0])
    pairs, same = agreement.same_shares(made)
    assert pairs.tolist() == [2, 2, 2]
    assert same.tolist() == [1, 1, 0]
    nobody = agreement.same_shares(votes([], [], [], n_workers=2, classes=2))
    assert [column.tolist() for column in nobody] == [[0, 0], [0, 0]]


@st.composite
def crowds(draw) -> Votes:
    items = draw(st.integers(1, 8))
    workers = draw(st.integers(2, 5))
    classes = draw(st.integers(2, 4))
    cells = [(i, w) for i in range(items) for w in range(workers)]
    chosen = draw(st.lists(st.sampled_from(cells), unique=True, min_size=1))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=len(chosen), max_size=len(chosen)))
    item, worker = zip(*chosen, strict=True)
    return votes(item, worker, labels, n_items=items, n_workers=workers, classes=classes)


@settings(max_examples=60, deadline=None)
@given(crowds(), st.randoms(use_true_random=False))
def test_order_and_names_play_no_part(made, random):
    rows, names = list(range(len(made))), list(range(made.classes))
    random.shuffle(rows)
    random.shuffle(names)
    mixed = votes(
        made.items[rows],
        made.n_workers - 1 - made.workers[rows],
        np.array(names)[made.labels[rows]],
        n_items=made.n_items,
        n_workers=made.n_workers,
        classes=made.classes,
    )
    for measure in (agreement.fleiss, agreement.krippendorff):
        here, there = measure(made, replicates=100), measure(mixed, replicates=100)
        assert here.why == there.why
        assert here.value == pytest.approx(there.value)
        if here.value is not None:
            assert here.value <= 1 + 1e-12
        if here.low is not None:
            assert here.low <= here.value <= here.high


@settings(max_examples=60, deadline=None)
@given(crowds())
def test_people_who_agree_agree_fully(made):
    agreed = Votes(
        made.items,
        made.workers,
        made.items % made.classes,
        made.n_items,
        made.n_workers,
        made.classes,
    )
    for measure in (agreement.fleiss, agreement.krippendorff):
        value = measure(agreed, replicates=100).value
        assert value is None or value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("items", "workers", "labels", "sizes"),
    [
        ([0, 0], [1, 1], [0, 1], {}),  # twice
        ([0], [0, 1], [0], {}),
        ([0], [0], [2], {"classes": 2}),
        ([-1], [0], [0], {}),
        ([0.5], [0], [0], {}),
        ([0], [0], [0], {"classes": 1}),
    ],
)
def test_answers_that_cannot_be(items, workers, labels, sizes):
    with pytest.raises(DataError):
        votes(items, workers, labels, **sizes)

"""How several answers become one, and when one more is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelapp.services.votes import majority, wanted_answers, wants_more

CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("classes", "winner", "agreement"),
    [
        ([2], 2, 1.0),
        ([1, 1], 1, 1.0),
        ([1, 2], 1, 0.5),  # the earliest among equals
        ([2, 1], 2, 0.5),
        ([0, 1, 1], 1, 2 / 3),
        ([0, 1, 2, 2, 1], 1, 0.4),
    ],
)
def test_the_most_frequent_class_wins(classes, winner, agreement):
    found = majority(classes)
    assert (found.class_index, found.agreement) == (winner, pytest.approx(agreement))


def test_no_answers_have_no_majority():
    with pytest.raises(ValueError, match="at least one"):
        majority([])


@given(CLASSES)
def test_a_majority_is_among_the_answers_and_nobody_has_more(classes):
    found = majority(classes)
    count = classes.count(found.class_index)
    assert found.agreement == count / len(classes)
    assert count == max(classes.count(index) for index in classes)


@pytest.mark.parametrize(
    ("classes", "overlap", "most", "more"),
    [
        ([1], 1, 5, False),
        ([1, 1], 2, 5, False),
        ([1, 0], 2, 5, True),
        ([1, 0], 2, 2, False),
        ([1, 0], 2, 0, False),
        ([1, 0, 1], 2, 5, False),  # more than half
        ([1, 0, 2], 2, 5, True),
        ([1, 0, 2, 2], 2, 5, True),
        ([1, 0, 2, 2, 1], 2, 5, False),  # there are as many as there may be
        ([1, 1, 0], 3, 5, True),  # the first three must agree
        ([1, 1, 0, 1], 3, 5, False),
    ],
)
def test_one_more_is_asked_where_the_first_ones_disagree(classes, overlap, most, more):
    assert wants_more(classes, overlap=overlap, most=most) is more


@given(CLASSES, st.integers(1, 9), st.integers(0, 9))
def test_there_are_never_more_answers_than_the_most(classes, overlap, most):
    if len(classes) >= most:
        assert not wants_more(classes, overlap=overlap, most=most)


def test_a_share_of_the_images_gets_several_answers():
    several = [wanted_answers(seed=3, seq=seq, overlap=2, share=0.3) for seq in range(4000)]
    assert set(several) == {1, 2}
    assert several.count(2) / 4000 == pytest.approx(0.3, abs=0.03)


def test_the_choice_is_the_same_each_time_and_another_for_another_run():
    def chosen(seed: int) -> list[int]:
        return [wanted_answers(seed=seed, seq=seq, overlap=3, share=0.5) for seq in range(200)]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


@pytest.mark.parametrize(
    ("overlap", "share", "wanted"), [(1, 1.0, 1), (3, 1.0, 3), (3, 0.0, 1), (0, 1.0, 1)]
)
def test_all_or_none_needs_no_choice(overlap, share, wanted):
    assert {wanted_answers(seed=0, seq=s, overlap=overlap, share=share) for s in range(50)} == {
        wanted
    }


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_takes_no_image_out(seq, one, other):
    low, high = sorted([one, other])
    few = wanted_answers(seed=7, seq=seq, overlap=2, share=low)
    assert few <= wanted_answers(seed=7, seq=seq, overlap=2, share=high)

"""The race: common random numbers, shared ties, who is dropped and who leads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import planner, race
from tests.engine.situations import audited, situation

COMMON = np.random.default_rng(0).standard_normal(240)


def test_probabilities_count_the_draws_in_which_each_is_cheapest():
    totals = {"a": np.array([1.0, 5.0, 1.0, 1.0]), "b": np.array([2.0, 2.0, 2.0, 2.0])}
    assert race.standings(totals) == {"a": 0.75, "b": 0.25}


def test_a_tie_is_shared():
    same = np.full(8, 3.0)
    assert race.standings({"a": same, "b": same, "c": same + 1}) == {"a": 0.5, "b": 0.5, "c": 0}


@settings(deadline=None)
@given(st.lists(st.floats(1, 100), min_size=1, max_size=4))
def test_the_probabilities_add_up_to_one(means):
    totals = {str(k): mean + COMMON for k, mean in enumerate(means)}
    assert sum(race.standings(totals).values()) == pytest.approx(1)


def test_common_random_numbers_make_a_small_lead_sure():
    """Draw by draw the one is 1 dollar cheaper, though the two spread over 200."""
    totals = {"a": 100 + 50 * COMMON, "b": 101 + 50 * COMMON}
    assert race.standings(totals)["a"] == 1.0


def test_the_lowest_mean_leads_and_the_first_wins_a_tie():
    assert race.leader({"a": np.array([1.0, 9.0]), "b": np.array([4.0, 4.0])}) == "b"
    assert race.leader({"a": np.ones(3), "b": np.ones(3)}) == "a"


def test_the_unlikely_are_dropped_from_four_points_on():
    totals = {"a": 100 + COMMON, "b": 99 + COMMON, "c": 99.5 - COMMON}
    assert race.survivors(totals, 3) == ("b", "a", "c")
    assert race.survivors(totals, 4) == ("b", "c")


def test_the_leader_is_never_dropped():
    """The lowest mean may win few draws."""
    totals = {"a": np.r_[np.full(96, 10.0), np.zeros(4)], "b": np.full(100, 9.0)}
    assert race.leader(totals) == "b"
    assert race.survivors(totals, 5) == ("b",)
    rare = {"a": np.r_[np.full(98, 10.0), np.full(2, 1e6)], "b": np.full(100, 11.0)}
    assert race.survivors(rare, 5) == ("b", "a")


def test_the_better_learner_wins_on_its_own_curves():
    strong = planner.weigh(audited(lambda b, t: 0.2 * (b / 100) ** -0.5 * t**2))
    weak = planner.weigh(audited(lambda b, t: 0.6 * (b / 100) ** -0.5 * t**2))
    totals = {"weak": weak.totals, "strong": strong.totals}
    assert race.survivors(totals, 5) == ("strong",)


def test_equal_learners_stay_in_the_race():
    one = planner.weigh(situation()).totals
    assert race.survivors({"a": one, "b": one.copy()}, 6) == ("a", "b")

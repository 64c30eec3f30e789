"""Stability, batch sizes, stop rules: each rule alone, then the sentence that explains it."""

from dataclasses import replace

import pytest

from mcal_engine import mcal, rules
from mcal_engine.types import Interval, Plan
from tests.engine.support import config
from tests.engine.test_planner import accepted, situation


def exactly(value):
    return Interval(*[float(value)] * 5)


def plan(cost=100.0, size=2000, *, steps=2, stop=150.0, lower=0.9, worthwhile=0.9):
    return Plan(
        c_star=exactly(cost),
        b_opt=exactly(size),
        theta_star=exactly(0.8),
        steps=steps,
        human_only=400.0,
        stop_now=stop,
        machine_now=4000,
        error_bound_now=0.04,
        probability_lower=lower,
        probability_worthwhile=worthwhile,
    )


now = situation(walk=accepted(4000))


def test_plans_that_agree_are_stable_from_four_points_on():
    assert rules.is_stable(plan(100, 2000), plan(104, 2300), 4)
    assert not rules.is_stable(plan(100, 2000), plan(104, 2300), 3)


@pytest.mark.parametrize("before", [plan(120, 2000), plan(100, 3000), None])
def test_plans_that_differ_are_not_stable(before):
    assert not rules.is_stable(plan(100, 2000), before, 6)


def test_before_a_forecast_b_grows_by_half():
    early = replace(now, records=now.records[:2], trained=300)
    assert rules.next_delta(early, None, stable=False) == 150


def test_a_batch_is_at_least_one_percent():
    early = replace(now, records=now.records[:2], trained=100)
    assert rules.next_delta(early, None, stable=False) == 100


def test_unstable_growth_does_not_pass_the_planned_size():
    assert rules.next_delta(now, plan(size=2000), stable=False) == 337
    assert rules.next_delta(now, plan(size=900), stable=False) == 225


def test_a_stable_plan_goes_to_its_size_in_its_steps():
    assert rules.next_delta(now, plan(size=1875, steps=3), stable=True) == 400


def test_the_step_that_only_makes_sure_is_small():
    assert rules.next_delta(now, plan(steps=0), stable=False) == 100


def test_with_nothing_to_machine_label_yet_b_goes_on_growing():
    nothing = replace(now, walk=accepted(0))
    assert rules.next_delta(nothing, plan(steps=0), stable=True) == 337


def test_the_last_round_goes_straight_to_the_planned_size():
    last = replace(now, config=replace(now.config, max_rounds=len(now.records) + 1))
    assert rules.next_delta(last, plan(size=2000, steps=4), stable=False) == 2000 - 675


def test_stable_steps_are_counted_down():
    assert rules.paced(plan(steps=4), plan(steps=3), was_stable=True).steps == 2
    assert rules.paced(plan(steps=4), plan(steps=1), was_stable=True).steps == 1
    assert rules.paced(plan(steps=4), plan(steps=3), was_stable=False).steps == 4


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (plan(cost=149.5), "1 %"),
        (plan(size=700), "expected to be cheapest"),
        (plan(lower=0.2), "unlikely"),
        (plan(), ""),
    ],
)
def test_each_reason_to_stop_is_said(made, words):
    found = rules.reason_to_stop(now, made)
    assert words in found
    assert bool(found) == bool(words)


def test_three_points_never_want_to_stop():
    early = replace(now, records=now.records[:3])
    assert rules.reason_to_stop(early, plan(cost=150)) == ""


def test_with_nothing_to_lose_a_fair_chance_is_enough_to_go_on():
    nothing = replace(now, walk=accepted(0))
    assert rules.reason_to_stop(nothing, plan(cost=150, worthwhile=0.5)) == ""
    assert rules.reason_to_stop(nothing, plan(cost=150, worthwhile=0.1)) != ""


def test_exploring_over_a_tenth_of_human_only_with_no_better_plan_is_taxed():
    assert rules.tax_exceeded(replace(now, spent=41.0), plan(cost=410.0), 100)
    assert not rules.tax_exceeded(replace(now, spent=41.0), plan(cost=300.0), 100)
    assert not rules.tax_exceeded(replace(now, spent=1.0), plan(cost=410.0), 100)


def decided(situation, **state):
    begun = replace(mcal.start(config(10_000, classes=10))[0], **state)
    return rules.decide(situation, begun)


def test_one_wish_to_stop_is_not_enough_and_two_are():
    settled = situation(walk=accepted(9300))
    once = decided(settled)
    assert (once.reason, once.votes) == ("", 1)
    assert "make sure" in once.sentence
    twice = decided(settled, stop_votes=1)
    assert "two plans in a row" in twice.reason
    assert "machine label 9,300 images" in twice.sentence


def test_a_change_of_mind_starts_the_votes_again():
    assert decided(now, stop_votes=1).votes == 0


def test_the_decision_says_what_more_labels_are_for():
    sentence = decided(now).sentence
    assert sentence.startswith("buys ")
    assert "save $" in sentence


def test_before_a_forecast_the_decision_says_what_is_missing():
    early = replace(now, records=now.records[:2])
    assert decided(early).sentence.endswith("needs 1 more training")
    first = replace(now, records=now.records[:1])
    assert decided(first).sentence.endswith("needs 2 more trainings")


def test_one_label_is_one_label():
    assert "buys 1 more label because" in rules._buys(replace(now, records=()), None, "", 1)


@pytest.mark.parametrize(
    ("start", "words"), [(None, "500 test images are too few"), (3, "met the error target")]
)
def test_an_empty_machine_set_is_explained(start, words):
    empty = replace(now, walk=replace(now.walk, size=0, accepted=None, start=start))
    last = replace(empty, config=replace(now.config, max_rounds=5))
    assert words in decided(last).sentence


def test_the_limit_of_rounds_ends_the_run():
    last = replace(now, config=replace(now.config, max_rounds=5))
    assert decided(last).reason == "the limit of 5 rounds is reached"


def test_an_empty_pool_ends_the_run():
    empty = replace(now, n=675)
    assert "every image" in decided(empty).reason


def test_the_sentence_never_promises_fewer_machine_labels():
    """A dearer forecast of S can still save: then only the saving is said."""
    for size in (0, 2000, 6000, 7000, 7500):
        assert "-" not in decided(situation(walk=accepted(size))).sentence


def test_labels_for_nothing_still_get_a_sentence():
    assert decided(situation(walk=accepted(3000), label=0.0)).sentence

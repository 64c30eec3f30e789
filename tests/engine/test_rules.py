"""Stability, batch sizes, stop rules: each rule alone, then the sentence that explains it."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import mcal, planner, rules, sentences
from mcal_engine.types import Interval, Plan
from tests.engine.situations import accepted, audited, situation
from tests.engine.support import config


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


def weighed(made, *, machine=4000, forced=False, error=0.0, error_now=0.04):
    """Return a plan beside what stopping now delivers."""
    stop = 150.0 if made is None else made.stop_now
    present = planner.Present(
        size=machine,
        audit=0,
        wanted=machine,
        cost=stop,
        error=error_now,
        theta=0.5,
        totals=np.full(240, stop),
        forced=forced,
    )
    return planner.Weighed(made, present, present.totals, forced, error)


def test_plans_that_agree_are_stable_from_four_points_on():
    assert rules.is_stable(plan(100, 2000), plan(104, 2300), 4)
    assert not rules.is_stable(plan(100, 2000), plan(104, 2300), 3)


@pytest.mark.parametrize("before", [plan(120, 2000), plan(100, 3000), None])
def test_plans_that_differ_are_not_stable(before):
    assert not rules.is_stable(plan(100, 2000), before, 6)


def test_before_a_forecast_b_grows_by_half():
    early = replace(now, records=now.records[:2], trained=300)
    assert rules.next_delta(early, weighed(None), stable=False) == 150


def test_a_batch_is_at_least_one_percent():
    early = replace(now, records=now.records[:2], trained=100)
    assert rules.next_delta(early, weighed(None), stable=False) == 100


def test_unstable_growth_does_not_pass_the_planned_size():
    assert rules.next_delta(now, weighed(plan(size=2000)), stable=False) == 337
    assert rules.next_delta(now, weighed(plan(size=900)), stable=False) == 225


def test_a_stable_plan_goes_to_its_size_in_its_steps():
    assert rules.next_delta(now, weighed(plan(size=1875, steps=3)), stable=True) == 400


def test_the_step_that_only_makes_sure_is_small():
    assert rules.next_delta(now, weighed(plan(steps=0)), stable=False) == 100


def test_with_nothing_to_machine_label_yet_b_goes_on_growing():
    assert rules.next_delta(now, weighed(plan(steps=0), machine=0), stable=True) == 337


def test_the_last_round_goes_straight_to_the_planned_size():
    last = replace(now, config=replace(now.config, max_rounds=len(now.records) + 1))
    assert rules.next_delta(last, weighed(plan(size=2000, steps=4)), stable=False) == 2000 - 675


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
    found = rules.reason_to_stop(now, weighed(made))
    assert words in found
    assert bool(found) == bool(words)


def test_three_points_never_want_to_stop():
    early = replace(now, records=now.records[:3])
    assert rules.reason_to_stop(early, weighed(plan(cost=150))) == ""


def test_with_nothing_to_lose_a_fair_chance_is_enough_to_go_on():
    hopeful, lost = plan(cost=150, worthwhile=0.5), plan(cost=150, worthwhile=0.1)
    assert rules.reason_to_stop(now, weighed(hopeful, machine=0)) == ""
    assert rules.reason_to_stop(now, weighed(lost, machine=0)) != ""


def test_exploring_over_a_tenth_of_human_only_with_no_better_plan_is_taxed():
    lost, better = weighed(plan(cost=410.0, stop=441.0)), weighed(plan(cost=300.0, stop=441.0))
    assert rules.tax_exceeded(replace(now, spent=41.0), lost, 100)
    assert not rules.tax_exceeded(replace(now, spent=41.0), better, 100)
    assert not rules.tax_exceeded(replace(now, spent=1.0), lost, 100)


def test_the_tax_is_due_before_the_first_plan_too():
    """Dear training, and no plan yet: a set that already saves is a reason to go on."""
    early = replace(now, records=now.records[:2], spent=41.0)
    nothing = replace(weighed(None, machine=0).present, cost=441.0)
    assert rules.tax_exceeded(early, planner.Weighed(None, nothing, nothing.totals), 100)
    assert not rules.tax_exceeded(early, weighed(None), 100)


def decided(situation, **state):
    begun = replace(mcal.start(config(10_000, classes=10))[0], **state)
    return rules.decide(situation, begun)


def test_one_wish_to_stop_is_not_enough_and_two_are():
    settled = situation(walk=accepted(8600))
    once = decided(settled)
    assert (once.reason, once.votes) == ("", 1)
    assert "make sure" in once.sentence
    twice = decided(settled, stop_votes=1)
    assert "two plans in a row" in twice.reason
    assert "machine label 8,600 images" in twice.sentence


def test_a_change_of_mind_starts_the_votes_again():
    assert decided(now, stop_votes=1).votes == 0


def test_the_decision_says_what_more_labels_are_for():
    sentence = decided(now).sentence
    assert sentence.startswith("adds 337 images to training because ")
    assert "save $" in sentence


def test_before_a_forecast_the_decision_says_what_is_missing():
    early = replace(now, records=now.records[:2])
    assert decided(early).sentence.endswith("needs 1 more training")
    first = replace(now, records=now.records[:1])
    assert decided(first).sentence.endswith("needs 2 more trainings")


def test_one_image_is_one_image():
    early = replace(now, records=())
    facts = rules._buys(early, weighed(None), "", 1)
    assert sentences.sentence(facts).startswith("adds 1 image to training because")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"images": 5, "why": "early", "to": 4}, "to make sure, since it stops after 4 trainings"),
        ({"images": 5, "why": "open"}, "adds 5 images to training because nothing can be"),
        ({"images": 5, "why": "budget", "to": 9, "error": 0.01, "error_now": 0.02}, "against 2.0%"),
        ({"why": "forced", "reason": "r", "machine": 1, "error": 0.01}, "leaves 1 image to"),
        ({"images": 5, "why": "saves", "to": 9.0, "more": 0, "dollars": 1.0}, "to save $1.00"),
    ],
)
def test_every_kind_of_decision_has_a_sentence(facts, words):
    assert words in sentences.sentence(facts)


def test_an_empty_machine_set_is_explained():
    empty = replace(now, walk=replace(now.walk, size=0, accepted=None))
    last = replace(empty, config=replace(now.config, max_rounds=5))
    assert "no machine-labelled set met the error target" in decided(last).sentence
    too_few = replace(last, walk=replace(last.walk, start=None))
    assert "500 test images are too few" in decided(too_few).sentence


@pytest.mark.parametrize(
    ("tiny", "words"),
    [
        (situation(points=1, epsilon=0.002), "500 test images are too few"),
        (audited(points=1, epsilon=0.00005), "the audit takes nearly every image"),
    ],
)
def test_a_hopeless_target_ends_the_run_at_its_first_training(tiny, words):
    made = decided(tiny)
    assert words in made.reason
    assert made.sentence.count(words) == 1
    assert made.sentence.endswith("people label the rest")


def test_free_labels_end_the_run_at_its_first_training():
    for free in (situation(points=1, label=0.0), audited(points=1, label=0.0)):
        made = decided(free)
        assert made.reason.startswith("labels cost nothing")
        assert made.present.size == 0


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


def test_a_training_dearer_than_all_it_could_save_is_not_begun():
    """Known after the first training, long before a forecast."""
    dear = audited(points=1, compute=50_000.0, spent=125.0)
    assert "cost more than all that it could still save" in decided(dear).reason
    assert decided(audited(points=1)).reason == ""


def test_a_perfect_model_leaves_b_and_t_to_pay():
    one_label = replace(now, records=now.records[:2], spent=0.0)
    run = rules._after_next_run(one_label, 100)
    least = (675 + 500) * 0.04 + run
    dearer, cheaper = (replace(weighed(None).present, cost=least + d) for d in (0.01, -0.01))
    assert not rules.cannot_pay(one_label, planner.Weighed(None, dearer, dearer.totals), 100)
    assert rules.cannot_pay(one_label, planner.Weighed(None, cheaper, cheaper.totals), 100)


# --- naive active learning --------------------------------------------------------------------


def naive(path, *, delta=200):
    """Return a situation of a fixed batch whose stop-now costs were these."""
    records = tuple(replace(r, stop_now=c) for r, c in zip(now.records, path, strict=False))
    return replace(now, config=replace(now.config, fixed_delta=delta), records=records)


def test_a_fixed_batch_stays_whatever_the_plan():
    assert rules.next_delta(naive([]), weighed(plan(steps=0)), stable=True) == 200
    assert decided(naive([400.0, 390.0, 380.0, 370.0])).delta == 200


@pytest.mark.parametrize(
    ("past", "cost", "stops"),
    [
        ([300.0, 200.0, 210.0, 220.0], 230.0, True),
        ([300.0, 290.0, 280.0, 220.0], 230.0, False),
        ([300.0, 290.0, 280.0, 290.0], 285.0, False),
        ([400.1, 400.2, 400.3, 400.4], 400.5, False),
    ],
)
def test_naive_active_learning_stops_at_the_second_rise(past, cost, stops):
    assert rules.rising(naive(past), cost) is stops


def test_naive_active_learning_needs_no_second_vote():
    made = decided(naive([300.0, 200.0, 210.0, 220.0]), stop_votes=5)
    assert made.reason == "the cost of stopping has risen twice in a row"
    assert "fixed batch" in decided(naive([300.0, 290.0, 280.0, 270.0]), stop_votes=5).sentence


# --- budget -----------------------------------------------------------------------------------


def test_a_round_that_the_budget_does_not_cover_ends_the_run():
    poor = audited(budget=(675 + 500 + 90) * 0.04)
    made = decided(poor)
    assert made.reason == "the budget has no room for another round"
    assert "expected error" in made.sentence
    assert not rules.affordable(poor, 100)
    assert rules.affordable(audited(), 10**6)


def test_growth_without_a_plan_stays_within_the_budget():
    poor = audited(points=2, budget=(200 + 500 + 120) * 0.04 + 1)
    assert rules.next_delta(poor, weighed(None), stable=False) == 100


def test_the_budget_is_said_while_the_run_goes_on():
    sentence = decided(audited(budget=100.0)).sentence
    assert "within the budget" in sentence
    assert "%" in sentence


@pytest.mark.parametrize(
    ("made", "error", "words"),
    [
        (plan(steps=1, lower=0.9), 0.02, ""),
        (plan(steps=1, lower=0.1), 0.02, "likely to leave fewer"),
        (plan(steps=0), 0.04, "likely to leave fewer"),
        (plan(steps=1), 0.0399, "1 % fewer"),
    ],
)
def test_within_a_budget_the_errors_decide(made, error, words):
    found = rules.reason_to_stop(now, weighed(made, forced=True, error=error))
    assert words in found
    assert bool(found) == bool(words)

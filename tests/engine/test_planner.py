"""The plan is the cheapest of the list, against brute force; always has the two sure options."""

import time
from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import curves, guarantees, planner
from mcal_engine.types import THETAS, Criterion, Target
from tests.engine.support import config, record

SIZES = (100, 200, 300, 450, 675)
NOTHING = guarantees.Walk(None, 0, 0, (), ())


def law(b, theta):
    return 0.35 * (b / 100) ** -0.5 * theta**2


def situation(rate=law, *, points=5, n=10_000, walk=NOTHING, scale=1, spent=0.0, **settings):
    records = tuple(record(b * scale, lambda t, b=b: rate(b, t), n=n) for b in SIZES[:points])
    return planner.Situation(
        config=config(n, classes=10, **settings),
        records=records,
        n=n,
        trained=records[-1].train_size,
        marked=records[-1].test_size,
        spent=spent,
        walk=walk,
    )


def accepted(size, index=10):
    return guarantees.Walk(index, size, 100, (), ())


def test_two_points_are_no_plan():
    assert planner.make_plan(situation(points=2)) is None


def test_going_on_pays_while_errors_fall():
    plan = planner.make_plan(situation(walk=accepted(4000)))
    assert plan.b_opt.value > 675
    assert plan.c_star.value < plan.stop_now
    assert 1 <= plan.steps <= 4


def test_dear_compute_makes_it_stop():
    cheap = planner.make_plan(situation(walk=accepted(4000)))
    dear = planner.make_plan(situation(walk=accepted(4000), compute=200_000.0))
    assert cheap.steps > 0
    assert dear.steps == 0
    assert dear.c_star.value == dear.stop_now


def test_a_useless_model_plans_human_only():
    plan = planner.make_plan(situation(lambda b, t: 0.9))
    assert plan.c_star.value == plan.stop_now == pytest.approx(plan.human_only)
    assert plan.probability_worthwhile < 0.05


def test_the_two_sure_options_are_exact():
    plan = planner.make_plan(situation(walk=accepted(4000), spent=1.5))
    assert plan.human_only == pytest.approx(400.0)
    assert plan.stop_now == pytest.approx(6000 * 0.04 + 1.5)


def test_no_plan_costs_more_than_stopping_now():
    for size in (0, 3000, 6000, 9000):
        plan = planner.make_plan(situation(walk=accepted(size)))
        assert plan.c_star.value <= plan.stop_now


def test_intervals_are_nested_around_their_value():
    plan = planner.make_plan(situation(walk=accepted(4000)))
    for figure in (plan.c_star, plan.b_opt, plan.theta_star):
        assert figure.low95 <= figure.low80 <= figure.value <= figure.high80 <= figure.high95


def test_the_search_is_brute_force_over_draws_sizes_and_sets():
    now = situation(walk=accepted(1000))
    points = curves.points_of(now.records, now.n, 10, Criterion.OVERALL)
    drawn, grid = curves.fit(points, 0), np.array([800.0, 1500.0])
    found = planner._search(now, drawn, grid)
    for g, b in enumerate(grid):
        marked = now.marked * (now.n - b) / (now.n - now.trained)
        sizes = np.array(THETAS) * (now.n - b - marked)
        tests = np.array(THETAS) * marked
        most = guarantees.largest_rate(now.n, sizes, tests, now.config.target)
        room = np.where(most >= 0, most * tests, -1)
        start = next(j for j in range(len(THETAS)) if room[j] >= guarantees.SPARE)
        rates = drawn.rates(np.array([b]), (sizes / now.records[-1].remainder)[None])[:, 0]
        for d in range(0, curves.DRAWS, 40):
            best = 0
            for j in range(start, len(THETAS)):
                seen = rates[d, j] + drawn.luck[d] * np.sqrt(rates[d, j] / tests[j])
                if max(seen, 0) > most[j]:
                    break
                best = int(sizes[j])
            assert found.labels[d, g] == pytest.approx((now.n - best) * 0.04)


def test_no_step_is_smaller_than_one_percent():
    now = situation(walk=accepted(4000))
    rows = planner._compute(now, np.array([775.0, 975.0, 1075.0]))
    assert np.isfinite(rows).tolist() == [
        [True, True, True],
        [False, True, True],
        [False, True, True],
        [False, False, True],
    ]


def test_the_grid_ends_at_the_horizon_and_leaves_the_marks():
    assert planner._grid(situation(), 2700.0)[-1] == 2700
    full = replace(situation(), n=1300, marked=100)
    assert planner._grid(full, 2700.0)[-1] == 1199


def test_a_pool_without_room_for_a_batch_stands_still():
    full = replace(situation(walk=accepted(100)), n=1180, marked=500)
    plan = planner.make_plan(full)
    assert (plan.steps, plan.c_star.value) == (0, plan.stop_now)


@pytest.mark.parametrize("criterion", list(Criterion))
def test_every_criterion_plans(criterion):
    now = situation(walk=accepted(3000))
    target = Target(0.05, criterion=criterion)
    plan = planner.make_plan(replace(now, config=replace(now.config, target=target)))
    assert 0 <= plan.theta_star.value <= 1


def test_the_charts_belong_to_their_grid():
    plan = planner.make_plan(situation(walk=accepted(4000)))
    width = len(plan.grid_b)
    assert plan.grid_b[0] == 675
    assert width == len(plan.grid_total) == len(plan.grid_labels) == len(plan.grid_compute)
    assert len(plan.curve_median) == len(plan.curve_low) == len(plan.curve_high) == 20
    assert {len(row) for row in plan.curve_median} == {len(plan.curve_b)}
    parts = np.array(plan.grid_labels) + np.array(plan.grid_compute)
    assert np.allclose(plan.grid_total, parts, rtol=1e-3)


def test_the_fitted_curves_start_at_the_first_training():
    now = situation(walk=accepted(4000))
    plan = planner.make_plan(now)
    past = [record.train_size for record in now.records]
    assert list(plan.curve_b) == sorted({*past, *plan.grid_b})
    everything = dict(zip(plan.curve_b, plan.curve_median[-1], strict=True))
    assert everything[past[0]] > everything[past[-1]]


def test_without_charts_keeps_the_figures():
    plan = planner.make_plan(situation(walk=accepted(4000)))
    bare = planner.without_charts(plan)
    assert bare.grid_b == bare.curve_b == bare.curve_high == ()
    assert bare.c_star == plan.c_star


def test_a_plan_for_a_million_images_takes_under_200_ms():
    now = situation(n=1_300_000, scale=130, walk=accepted(100_000))
    planner.make_plan(now)
    times = []
    for _ in range(5):
        began = time.thread_time()
        planner.make_plan(now)
        times.append(time.thread_time() - began)
    assert min(times) < 0.2

"""The truth about a recording, against counting by hand."""

import numpy as np
import pytest

from mcal_engine.lab.replay import settings
from mcal_engine.lab.truth import machine_share, pool_at, true_rates
from mcal_engine.types import THETAS, Prices, Target
from tests.engine.lab.support import job, recorded


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = recorded(tmp_path_factory.mktemp("truth"))
    return made, job()[0].truth, settings(made, Prices(0.04, 3.6), Target(0.05))


def test_the_whole_remainder_errs_as_counted(world):
    made, labels, config = world
    rates = true_rates(made, labels, config)
    assert rates.shape == (len(made.rounds), len(THETAS))
    left = pool_at(made, labels, config, 3).remainder
    pred = made.rounds[2].scores().pred
    assert rates[2, -1] == pytest.approx((pred != labels)[left].mean())


def test_half_the_remainder_errs_as_counted(world):
    made, labels, config = world
    left = np.flatnonzero(pool_at(made, labels, config, 1).remainder)
    scores = made.rounds[0].scores()
    order = left[np.argsort(scores.uncertainty[left])][: len(left) // 2]
    half = true_rates(made, labels, config)[0, THETAS.index(0.5)]
    assert half == pytest.approx((scores.pred != labels)[order].mean(), abs=1e-3)


def test_surer_sets_err_less_and_more_training_helps(world):
    rates = true_rates(*world)
    assert rates[:, 4].mean() < rates[:, -1].mean()
    assert rates[-1, -1] < rates[0, -1]


def test_a_perfect_judge_takes_all_that_fits(world):
    made, labels, config = world
    share = machine_share(made, labels, config, 7)
    left = np.flatnonzero(pool_at(made, labels, config, 7).remainder)
    scores = made.rounds[6].scores()
    order = left[np.argsort(scores.uncertainty[left], kind="stable")]
    wrong = np.cumsum((scores.pred != labels)[order])
    size = round(share * config.n)
    assert wrong[size - 1] <= 150
    assert size == len(order) or wrong[size] > 150
    assert machine_share(made, labels, config, 7, part=0.6) <= share

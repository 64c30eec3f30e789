"""Consistency training waits until the plain network is timed and a faultless model could pay."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import mcal, race, simulate
from mcal_engine.learner import SyntheticLearner
from mcal_engine.steering import reconfigure
from mcal_engine.types import Prices
from tests.engine.situations import audited
from tests.engine.support import config

PLAIN, SEMI = "cnn_small", "cnn_small+semi"


def raced(**more):
    return config(arch=PLAIN, rivals=(SEMI, "resnet18"), **more)


def now_of(hourly):
    """Return a situation after five trainings of the plain network, at this price of computing."""
    now = audited()
    records = tuple(replace(record, arch=PLAIN) for record in now.records)
    made = replace(now.config, rivals=(SEMI,), prices=Prices(0.04, hourly))
    return replace(now, config=made, records=records)


def test_it_does_not_train_first_where_the_plain_network_races():
    assert race.starters(raced()) == (PLAIN, "resnet18")
    assert mcal.start(raced())[0].live == (PLAIN, "resnet18")


def test_alone_it_trains_like_any_other():
    alone = config(arch=SEMI, rivals=("resnet18",))
    assert race.starters(alone) == (SEMI, "resnet18")


def test_before_the_plain_network_is_timed_it_waits():
    now = now_of(0.01)
    others = tuple(replace(record, arch="resnet18") for record in now.records)
    assert race.joining(now.config, others, now, 100, 400.0) == ()
    assert race.joining(now.config, now.records, now, 100, 400.0) == (SEMI,)


def test_its_price_is_the_plain_networks_times_all_images_that_it_sees():
    now, size = now_of(3.6), np.array([775.0])
    plain = now.records[-1]  # 8 s each
    seconds = 8.0 * 775 / plain.train_size * 2 * (1 + 2 * 2)
    found = race.first_price(now, now.records, size)
    assert found == pytest.approx((seconds + plain.score_seconds) * 3.6 / 3600, rel=0.2)
    longer = replace(now.config, training={"semi_longer": 4, "semi_unlabelled": 2})
    more = race.first_price(replace(now, config=longer), now.records, size)
    assert more > 1.9 * found


def test_it_joins_exactly_when_a_faultless_model_could_pay():
    now, delta = now_of(3.6), 100
    size = np.array([float(now.trained + delta)])
    labels = (now.trained + delta + now.marked) * 0.04
    price = race.first_price(now, now.records, size)
    least = labels + race.situation.next_runs(now, size[0]) + price
    assert race.joining(now.config, now.records, now, delta, least + 0.01) == (SEMI,)
    assert race.joining(now.config, now.records, now, delta, least) == ()


def test_dear_computing_keeps_it_out_and_cheap_computing_lets_it_in():
    trained = {hourly: _archs(hourly) for hourly in (0.36, 2000.0)}
    assert SEMI in trained[0.36]
    assert SEMI not in trained[2000.0]


def _archs(hourly):
    made = replace(config(1000, classes=4, arch=PLAIN, rivals=(SEMI,)), max_rounds=4)
    made = replace(made, prices=Prices(0.04, hourly))
    labels = np.random.default_rng(0).integers(0, 4, made.n)
    learner = SyntheticLearner(labels, 4, strengths={PLAIN: (1, 1), SEMI: (0.7, 10)})
    driver = simulate.Driver(made, simulate.Oracle(labels), learner)
    state, request = mcal.start(made)
    while state.phase != "finished":
        state, request = mcal.advance(state, driver.answer(request))
    firsts = {r.arch: r.number for r in reversed(state.records)}
    assert firsts[PLAIN] == 1
    assert firsts.get(SEMI, 2) >= 2
    return set(firsts)


def test_a_manager_who_adds_it_lets_it_wait_too():
    state, _ = mcal.start(config(arch=PLAIN))
    assert reconfigure(state, rivals=(SEMI, "resnet18")).entering == ("resnet18",)

"""The ImageNet decision at small size: dear training gives up, cheap training under Eq. 2 not."""

import argparse

import numpy as np
import pytest

from mcal_engine.lab import paper_numbers as numbers
from mcal_engine.lab.commands import parser
from mcal_engine.lab.paper_imagenet import CHEAP, RESNET18, Priced, imagenet, settings, world
from mcal_engine.lab.paper_runs import ASKED, PAPER, PLUG_IN

N = 24_000


def options(*more) -> argparse.Namespace:
    return parser().parse_args(["imagenet", "--out", ".", *more])


@pytest.fixture(scope="module")
def cases():
    rows = imagenet((), options(), N).result["rows"]
    return {(row["mode"], row["training_price"]): row for row in rows}


def dear(factor):
    return RESNET18 * factor


@pytest.mark.parametrize("factor", numbers.IMAGENET.dearer)
def test_dear_training_gives_up_within_the_tax(cases, factor):
    row = cases["per_s", dear(factor)]
    assert row["outcome"] == "human_only"
    assert row["machine_share"] == 0
    assert 0 < row["tax"] <= numbers.IMAGENET.tax
    assert row["total"] == pytest.approx(row["by_hand"] + row["compute"])


def test_dear_training_gives_up_under_eq_2_as_well(cases):
    assert cases["plug_in", dear(60)]["tax"] <= numbers.IMAGENET.tax


def test_the_papers_criterion_can_machine_label_none_at_any_price(cases):
    row = cases["per_s", CHEAP]
    assert row["outcome"] == "human_only"
    assert row["machine_share"] == 0


@pytest.mark.parametrize("mode", ["plug_in", "asked"])
def test_cheap_training_does_not_give_up_under_eq_2(cases, mode):
    row = cases[mode, CHEAP]
    assert row["outcome"] == "machine"
    assert row["machine_share"] > 0.1
    assert row["total"] < row["by_hand"]


def test_the_profile_is_twenty_per_cent_wrong_where_the_paper_stopped():
    config = settings(PAPER, options(), N)
    wrong = world(config).error_probability(round(0.454 / 1.2 * N))
    assert wrong.mean() == pytest.approx(0.2, rel=0.05)
    surest = np.sort(wrong)[: N // 20]
    assert surest.mean() > 0.05


def test_settings_follow_the_options():
    config = settings(ASKED, options("--seed", "7", "--label-price", "0.1"), N)
    assert (config.seed, config.prices.label, config.classes) == (7, 0.1, 20)
    assert settings(PAPER, options(), N).test_share == numbers.TEST_SHARE
    assert settings(PLUG_IN, options(), N).test_share == 0.015
    assert settings(PAPER, options("--test-share", "0.02"), N).test_share == 0.02


def test_trainings_take_their_price_per_image():
    config = settings(PAPER, options(), 2400)
    learner = Priced(world(config), 2.5)
    items = np.arange(100)
    trained = learner.train_and_score(items, learner.learner.labels[items], seed=1, arch="x")
    assert trained.train_seconds == 250
    assert trained.samples_shown == 100

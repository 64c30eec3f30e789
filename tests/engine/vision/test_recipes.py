from __future__ import annotations

import pytest
import torch
from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision.recipes import DROPS, Recipe, optimizer_of, suited


def rates(recipe: Recipe, steps: int) -> list[float]:
    optimizer, schedule = optimizer_of(nn.Linear(2, 2), recipe, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_papers_rate_falls_to_a_tenth_at_80_120_160_and_180_epochs():
    recipe = Recipe.paper()
    assert (recipe.epochs, recipe.batch, recipe.steps(2560)) == (200, 256, 2000)
    found = rates(recipe, 2000)  # ten steps an epoch
    for epoch, rate in ((0, 0.1), (79, 0.1), (81, 1e-2), (121, 1e-3), (161, 1e-4), (181, 1e-5)):
        assert found[epoch * 10] == pytest.approx(rate)
    assert [round(share * 200) for share in DROPS] == [80, 120, 160, 180]


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing():
    found = rates(Recipe(learning_rate=0.02, warm_up=0.25), 100)
    assert max(found) == pytest.approx(0.02, rel=0.02)
    assert found.index(max(found)) in {24, 25, 26}
    assert found[0] < 0.001
    assert found[-1] < 0.001


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_only_matrices_decay(optimizer):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    groups = optimizer_of(net, Recipe(optimizer=optimizer), 10)[0].param_groups
    assert {p.ndim for p in groups[0]["params"]} == {2, 4}
    assert {p.ndim for p in groups[1]["params"]} == {1}
    assert (groups[0]["weight_decay"], groups[1]["weight_decay"]) == (Recipe().weight_decay, 0.0)


def test_optimizers_by_name():
    assert isinstance(optimizer_of(nn.Linear(1, 1), Recipe(), 1)[0], torch.optim.AdamW)
    assert isinstance(optimizer_of(nn.Linear(1, 1), Recipe.paper(), 1)[0], torch.optim.SGD)


@pytest.mark.parametrize("schedule", ["one_cycle", "steps"])
def test_a_training_of_one_step_has_a_schedule(schedule):
    assert rates(Recipe(schedule=schedule), 1)[0] > 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"optimizer": "adamx"}, "no optimizer 'adamx'"),
        ({"schedule": "cosine"}, "no schedule 'cosine'"),
        ({"average": 1.0}, "average"),
        ({"average": -0.1}, "average"),
        ({"cutout": -1}, "cutout"),
    ],
)
def test_a_senseless_recipe_is_refused_in_words(wrong, words):
    with pytest.raises(DataError, match=words):
        Recipe(**wrong)


def test_every_field_is_plain_so_that_a_job_can_carry_it():
    assert all(type(value) in {int, float, bool, str} for value in vars(Recipe.paper()).values())


@pytest.mark.parametrize("arch", ["paper_cnn18", "paper_resnet50"])
def test_the_papers_networks_get_the_papers_recipe(arch):
    assert suited(arch, channels=3) == Recipe.paper()


def test_the_small_net_keeps_the_defaults_and_flips_are_kept():
    assert suited("cnn_small", channels=1, flip=False) == Recipe(flip=False)
    assert all(not suited(a, channels=3, flip=False).flip for a in ("cnn_fast", "paper_cnn18"))


def test_the_fast_net_takes_what_was_measured_for_grey_and_colour():
    grey, colour = (suited("cnn_fast", channels=c) for c in (1, 3))
    assert (grey.epochs, grey.min_steps, grey.pad) == (15, 600, 2)
    assert (colour.epochs, colour.min_steps, colour.pad) == (25, 1000, 4)

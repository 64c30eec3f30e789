from __future__ import annotations

import pytest
import torch
from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision.recipes import (
    DROPS,
    Recipe,
    member_steps,
    optimizer_of,
    suited,
    tail_steps,
    with_members,
)


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


@pytest.mark.parametrize("schedule", ["one_cycle", "steps", "tail"])
def test_a_training_of_one_step_has_a_schedule(schedule):
    assert rates(Recipe(schedule=schedule), 1)[0] > 0


@pytest.mark.parametrize("warm_up", [0.0, 0.2, 0.25, 0.5, 1.0])
def test_a_cycle_of_any_few_steps_has_a_schedule(warm_up):
    for steps in range(1, 12):  # a rise of exactly one of all steps was a division by zero
        assert min(rates(Recipe(warm_up=warm_up), steps)) > 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"optimizer": "adamx"}, "no optimizer 'adamx'"),
        ({"schedule": "cosine"}, "no schedule 'cosine'"),
        ({"average": 1.0}, "average"),
        ({"average": -0.1}, "average"),
        ({"cutout": -1}, "cutout"),
        ({"tail": 0.0}, "tail"),
        ({"tail": 1.0}, "tail"),
        ({"tail_rate": 0.0}, "tail_rate"),
        ({"spacing": -1}, "spacing"),
        ({"schedule": "tail", "warm_up": 0.6, "tail": 0.5}, "at most 1"),
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


# --- the tail, where the members of an ensemble come from --------------------------------------


def test_a_tail_rises_falls_and_then_stays():
    recipe = Recipe(schedule="tail", learning_rate=0.02, warm_up=0.2, tail=0.3, tail_rate=0.1)
    found = rates(recipe, 100)
    assert found[0] == pytest.approx(0.02 / 25)
    assert found.index(max(found)) == 20
    assert max(found) == pytest.approx(0.02)
    assert found[70:] == pytest.approx([0.002] * 30)
    assert found[20:71] == sorted(found[20:71], reverse=True)


def test_members_are_spread_over_the_tail_and_end_with_the_last_step():
    recipe = Recipe(schedule="tail", tail=0.3)
    assert member_steps(recipe, 100, 3) == (80, 90, 100)
    assert member_steps(recipe, 100, 1) == (100,)
    assert min(member_steps(recipe, 300, 7)) > 300 - tail_steps(recipe, 300)


def test_the_spacing_is_kept_where_one_is_given():
    recipe = Recipe(schedule="tail", tail=0.5, spacing=4)
    assert member_steps(recipe, 100, 3) == (92, 96, 100)
    with pytest.raises(DataError, match="do not fit into the last 50 of 100 steps"):
        member_steps(recipe, 100, 14)


@pytest.mark.parametrize("count", [2, 5, 20, 100, 400])
@pytest.mark.parametrize("spacing", [0, 1, 3])
@pytest.mark.parametrize("size", [10, 100, 5000])
def test_any_number_of_members_finds_room(count, spacing, size):
    recipe = with_members(Recipe(spacing=spacing), count)
    steps = recipe.steps(size)
    kept = member_steps(recipe, steps, count)
    assert len(set(kept)) == count
    assert kept[-1] == steps
    assert kept[0] > steps - tail_steps(recipe, steps)


def test_members_cost_no_training_while_they_fit_into_the_tail():
    usual = Recipe()
    assert with_members(usual, 1) == usual
    assert with_members(usual, 90).steps(100) == usual.steps(100) == 300
    assert with_members(usual, 100).steps(100) > 300

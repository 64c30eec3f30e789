from __future__ import annotations

import numpy as np
import pytest
import torch

from mcal_engine.vision import device
from mcal_engine.vision.checkpoints import NetSpec, sha256
from mcal_engine.vision.data import Augmenter, measure
from mcal_engine.vision.nets_fast import Whitening
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.score import score
from mcal_engine.vision.train import Trained, train
from tests.engine.vision.conftest import CLASSES, FAST, TinyPool, make_pool

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _clean_cache():
    yield
    device.cpu_multiplies_bf16.cache_clear()


def fit(pool: TinyPool, count: int = 60, *, seed: int = 0, arch: str = "cnn_fast", **changes):
    items, labels = pool.first(count)
    _, side, _, channels = pool.images.shape
    return train(
        pool.images,
        items,
        labels,
        spec=NetSpec(arch, channels, CLASSES, side, flip=False),
        recipe=Recipe(**(FAST | changes)),
        normalisation=measure(pool.images),
        seed=seed,
        device=CPU,
    )


def right(made: Trained, pool: TinyPool) -> float:
    return float((score(made.model, pool.images, CPU).pred == pool.labels)[60:].mean())


def test_the_fast_net_learns_the_tiny_pool(pool):
    assert right(fit(pool), pool) > 0.95


def test_the_fast_net_is_the_same_under_the_same_seed_to_the_last_bit(pool):
    first = sha256(fit(pool, seed=5, cutout=3).model)
    assert first == sha256(fit(pool, seed=5, cutout=3).model)
    assert first != sha256(fit(pool, seed=6, cutout=3).model)


def test_the_stem_is_measured_on_the_pool_and_stays_while_the_net_trains(pool):
    few, many = fit(pool, min_steps=1), fit(pool, min_steps=12)
    assert isinstance(few.model.net[0], Whitening)
    assert torch.equal(few.model.net[0].weight, many.model.net[0].weight)
    brighter = TinyPool(pool.images // 2, pool.labels)
    smoother = TinyPool(np.repeat(pool.images[:, :, :1], 12, axis=2), pool.labels)
    assert torch.isfinite(fit(brighter, min_steps=1).model.net[0].weight).all()
    other = fit(smoother, min_steps=1).model.net[0].weight
    assert not torch.allclose(few.model.net[0].weight, other)


@pytest.mark.parametrize("changes", [{"average": 0.9}, {"cutout": 4}])
def test_each_option_still_learns(pool, changes):
    assert right(fit(pool, **changes), pool) > 0.95


def test_the_papers_optimiser_and_schedule_learn(pool):
    changes = {"optimizer": "sgd", "schedule": "steps", "learning_rate": 0.05, "min_steps": 60}
    assert right(fit(pool, **changes), pool) > 0.95


def test_averaging_gives_other_weights_than_the_last_step(pool):
    last, mean = fit(pool, min_steps=8), fit(pool, min_steps=8, average=0.9)
    assert last.final_loss == mean.final_loss  # the training itself is the same
    assert sha256(last.model) != sha256(mean.model)


def test_an_average_of_one_step_is_that_step(pool):
    assert sha256(fit(pool, min_steps=1, batch=60).model) == sha256(
        fit(pool, min_steps=1, batch=60, average=0.9).model
    )


def test_one_image_of_one_class_trains():
    pool = make_pool(n=8)
    scores = score(fit(pool, 1).model, pool.images, CPU)
    assert np.isfinite(scores.uncertainty).all()


# --- blanked squares -------------------------------------------------------------------------


def blanked(cutout: int, n: int = 200) -> torch.Tensor:
    augmenter = Augmenter(torch.Generator().manual_seed(0), pad=0, flip=False, cutout=cutout)
    return augmenter.blank(torch.ones(n, 2, 12, 12)) == 0


def test_one_square_of_each_image_is_blanked_in_all_channels():
    hole = blanked(4)
    assert torch.equal(hole[:, 0], hole[:, 1])
    sizes = hole[:, 0].flatten(1).sum(1)
    assert sizes.max() == 16
    assert sizes.min() >= 4  # half of it in a corner, each way
    for image in hole[:, 0]:
        rows, columns = image.any(1), image.any(0)
        assert torch.equal(image, rows[:, None] & columns[None, :])


def test_every_pixel_is_blanked_now_and_then():
    assert blanked(4, n=2000).any(0).all()


def test_nothing_is_blanked_or_drawn_without_cutout():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    inputs = torch.ones(3, 1, 12, 12)
    assert Augmenter(generator, pad=0, flip=False).blank(inputs) is inputs
    assert torch.equal(before, generator.get_state())


# --- bf16 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_f": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_the_processor_computes_in_bf16_only_where_it_has_units_for_it(
    monkeypatch, found, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    device.cpu_multiplies_bf16.cache_clear()
    ones = torch.ones(4, 4)
    with device.autocast(CPU):
        assert (ones @ ones).dtype == expected


def test_bf16_and_float32_agree_on_nearly_all_images(pool, monkeypatch):
    made = [fit(pool)]
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    device.cpu_multiplies_bf16.cache_clear()
    made.append(fit(pool))
    found = [score(one.model, pool.images, CPU).pred for one in made]
    assert (found[0] == found[1]).mean() > 0.95


def test_confident_images_do_not_tie_in_bf16(pool):
    uncertainty = score(fit(pool, 100, min_steps=60).model, pool.images, CPU).uncertainty
    assert np.median(uncertainty) < 1e-2
    assert len(np.unique(uncertainty)) > 0.9 * len(uncertainty)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # inside torch itself
def test_compiled_steps_learn_as_well(pool):
    assert right(fit(pool, compiled=True), pool) > 0.95

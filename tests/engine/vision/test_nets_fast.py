from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mcal_engine.vision.data import measure, spread
from mcal_engine.vision.nets import ARCHITECTURES, build
from mcal_engine.vision.nets_fast import PATCH, STEM, Whitening, whiten
from tests.engine.vision.conftest import make_pool


def pictures(channels: int = 3, n: int = 40, side: int = 16) -> torch.Tensor:
    """Smooth noise: neighbouring pixels agree, so that there is something to decorrelate."""
    noise = torch.randn(n, channels, side + 4, side + 4, generator=torch.Generator().manual_seed(1))
    return functional.avg_pool2d(noise, 5, stride=1)


def responses(stem: Whitening, images: torch.Tensor) -> torch.Tensor:
    half = stem.width // 2
    return stem(images)[:, :half].transpose(0, 1).flatten(1).double()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_stem_gives_uncorrelated_responses_of_equal_power(channels):
    stem, images = Whitening(channels), pictures(channels) * 100
    stem.measure(images)
    found = responses(stem, images)
    power = found @ found.T / found.shape[1]
    torch.testing.assert_close(power, torch.eye(len(power), dtype=power.dtype), atol=1e-3, rtol=0)


def test_directions_without_content_are_not_blown_up():
    stem = Whitening(1)
    flat = torch.ones(5, 1, 12, 12)
    stem.measure(flat)
    assert torch.isfinite(stem.weight).all()
    assert stem.weight.abs().max() < 100


def test_each_direction_comes_with_both_signs():
    stem = Whitening(3)
    stem.measure(pictures())
    half = stem.width // 2
    assert stem.width == STEM
    assert torch.equal(stem.weight[:half], -stem.weight[half:])


def test_grey_patches_have_as_many_directions_as_pixels():
    assert Whitening(1).width == 2 * PATCH**2


def test_the_strongest_directions_are_kept():
    stem, images = Whitening(3), pictures()
    stem.measure(images)
    patches = functional.unfold(images, PATCH).transpose(1, 2).flatten(0, 1)
    variances = torch.linalg.eigvalsh((patches.T @ patches / len(patches)).double())
    along = stem.weight[: STEM // 2].flatten(1).double()
    lengths = along.square().sum(1)  # 1 / (variance + noise) of its direction
    torch.testing.assert_close(
        1 / lengths, variances.flip(0)[: STEM // 2] + 5e-4, rtol=1e-3, atol=0
    )


def test_training_does_not_change_the_stem():
    stem = Whitening(3)
    assert list(stem.parameters()) == []
    assert list(stem.state_dict()) == ["weight"]


def test_a_net_without_a_stem_is_left_alone():
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    before = net[0].weight.clone()
    whiten(net, pictures())
    assert torch.equal(net[0].weight, before)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (13, 3), (28, 1), (32, 3), (64, 3)])
def test_logits_for_all_sizes(side, channels):
    net = build("cnn_fast", channels=channels, classes=7, side=side).eval()
    assert net(torch.zeros(2, channels, side, side)).shape == (2, 7)


def test_every_weight_gets_a_gradient():
    net = build("cnn_fast", channels=3, classes=4, side=32)
    functional.cross_entropy(net(torch.randn(8, 3, 32, 32)), torch.arange(8) % 4).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_it_is_in_the_registry_with_its_size():
    assert "cnn_fast" in ARCHITECTURES
    weights = sum(
        p.numel() for p in build("cnn_fast", channels=3, classes=10, side=32).parameters()
    )
    convolutions = 9 * (32 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256)
    assert weights == convolutions + 2 * 2 * (64 + 128 + 256) + 256 * 10 + 10


def test_a_sample_is_spread_over_the_whole_pool():
    images = np.arange(100, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    taken = spread(images, 30)[:, 0, 0, 0]
    assert taken.tolist() == list(range(0, 100, 4))


def test_a_mapped_pool_is_copied_and_not_written(tmp_path):
    pool = make_pool(n=12)
    np.save(tmp_path / "pool.npy", pool.images)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    assert measure(mapped) == measure(pool.images)
    spread(mapped, 5).zero_()
    np.testing.assert_array_equal(mapped, pool.images)

"""Every network by name: its size, what it accepts, that it learns, saves and is repeatable."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision import checkpoints
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.nets import ARCHITECTURES, build, place
from mcal_engine.vision.train import Recipe
from tests.engine.vision.conftest import CLASSES, make_pool

PAPER = ("paper_cnn18", "paper_resnet18", "paper_resnet50")
LARGE = (
    "resnet10", "resnet18", "resnet50", "squeezenet1_1", "densenet121", "googlenet",
    "inception_v3", "efficientnet_b0", "convnext_tiny", "vit_b_16",
)  # fmt: skip
DEEP = ("densenet121", "googlenet", "inception_v3", "convnext_tiny", "vit_b_16")
EVERY = [
    pytest.param(arch, marks=pytest.mark.slow) if arch in DEEP else arch for arch in ARCHITECTURES
]
"""The deep ones take seconds for a single step."""
TINY = Recipe(epochs=1, min_steps=2, batch=4, pad=1)
CPU = torch.device("cpu")


def parameters(arch, *, channels=3, classes=10, side=32):
    with torch.device("meta"):  # counted, never filled
        net = build(arch, channels=channels, classes=classes, side=side)
    return sum(p.numel() for p in net.parameters())


def learner(side, channels, n=12):
    images = make_pool(n, side, channels).images
    return TorchLearner(images, CLASSES, recipe=TINY, device="cpu", threads=1)


def fit(model, arch, *, count=8, **more):
    items = np.arange(count)
    return model.train_and_score(items, items % CLASSES, seed=3, arch=arch, **more)


def conv(before, after, kernel=3):
    return before * after * kernel**2 + after


def keras_resnet_v1(n, classes=10):
    """Count as Keras does: weights and biases of 6n + 2 layers and two skips, two per norm."""
    count = conv(3, 16) + 2 * 16
    before = 16
    for width in (16, 32, 64):
        count += conv(before, width) + (2 * n - 1) * conv(width, width) + 2 * n * 2 * width
        count += 0 if before == width else conv(before, width, 1)
        before = width
    return count + 64 * classes + classes


def test_resnet18_of_the_paper_has_the_trainable_parameters_that_keras_prints():
    assert parameters("paper_resnet18") == 273_066 == keras_resnet_v1(3)


def test_resnet50_of_the_paper_is_the_same_with_eight_blocks_a_stage():
    assert parameters("paper_resnet50") == 760_266 == keras_resnet_v1(8)


def test_cnn18_of_the_paper_is_nine_plain_convolutions():
    widths = [3, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    convolutions = sum(conv(a, b) for a, b in pairwise(widths))
    assert parameters("paper_cnn18") == convolutions + 2 * sum(widths[1:]) + 64 * 10 + 10
    net = build("paper_cnn18", channels=3, classes=10, side=32)
    assert sum(isinstance(layer, nn.Conv2d) for layer in net.modules()) == 9


@pytest.mark.parametrize(
    ("arch", "classes", "side", "published"),
    [
        ("resnet18", 1000, 224, 11_689_512),  # torchvision's model pages
        ("resnet50", 1000, 224, 25_557_032),
        ("efficientnet_b0", 1000, 224, 5_288_548),
        ("densenet121", 1000, 224, 7_978_856),
        ("googlenet", 1000, 224, 6_624_904),
        ("squeezenet1_1", 1000, 224, 1_235_496),
        ("convnext_tiny", 1000, 224, 28_589_128),
        ("vit_b_16", 1000, 224, 86_567_656),
        ("resnet18", 10, 32, 11_173_962),  # with the CIFAR stem (kuangliu/pytorch-cifar)
        ("resnet50", 10, 32, 23_520_842),
    ],
)
def test_torchvisions_networks_have_the_published_sizes(arch, classes, side, published):
    assert parameters(arch, classes=classes, side=side) == published


@pytest.mark.parametrize(("side", "kernel", "stride", "pooled"), [
    (32, 3, 1, False), (63, 3, 1, False), (64, 3, 1, True), (127, 3, 1, True), (128, 7, 2, True),
])  # fmt: skip
def test_the_stem_of_a_resnet_follows_the_image(side, kernel, stride, pooled):
    net = build("resnet18", channels=3, classes=4, side=side)
    assert (net.conv1.kernel_size[0], net.conv1.stride[0]) == (kernel, stride)
    assert isinstance(net.maxpool, nn.MaxPool2d) is pooled


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 64), (2, 33)])
def test_every_network_returns_a_logit_per_class(arch, channels, side):
    with torch.device("meta"):  # shapes only
        net = build(arch, channels=channels, classes=7, side=side).eval()
        assert net(torch.empty(2, channels, side, side + 3)).shape == (2, 7)


@pytest.mark.parametrize("arch", [arch for arch in EVERY if arch != "resnet50"])
def test_every_parameter_of_every_network_gets_a_gradient(arch):
    net = place(build(arch, channels=3, classes=5, side=20), CPU).eval()
    net(torch.randn(2, 3, 20, 20)).square().sum().backward()
    still = [name for name, p in net.named_parameters() if p.requires_grad and not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("arch", EVERY)
def test_every_network_trains_scores_saves_and_comes_back_to_the_last_bit(arch, tmp_path):
    """One tiny training for all of it: the large networks take a second each."""
    model = learner(20, 1, n=6)
    scores = fit(model, arch, count=2, features=True).scores
    linear = [layer for layer in model.model.net.modules() if isinstance(layer, nn.Linear)][-1]
    assert scores.features.shape == (6, linear.in_features)
    assert np.isfinite(scores.entropy).all()
    assert checkpoints.save(model.model, tmp_path / "model.pt") == scores.model
    again = checkpoints.load(tmp_path / "model.pt", CPU)
    assert checkpoints.sha256(again) == scores.model
    assert again.spec == model.model.spec


@pytest.mark.parametrize("arch", ["paper_cnn18", "efficientnet_b0"])
def test_the_same_seed_gives_the_same_weights_even_with_dropout(arch):
    model = learner(17, 1, n=4)
    first = fit(model, arch, count=2).scores.model
    torch.rand(3)  # the global generator moves on
    assert fit(model, arch, count=2).scores.model == first


@pytest.mark.parametrize("arch", ["cnn_small", *PAPER])
def test_one_labelled_image_of_eight_pixels_is_enough(arch):
    assert len(fit(learner(8, 1), arch, count=1).scores.pred) == 12


@pytest.mark.parametrize("arch", ["resnet18", "efficientnet_b0"])
def test_one_labelled_image_of_seventeen_pixels_is_enough(arch):
    assert len(fit(learner(17, 1, n=4), arch, count=1).scores.pred) == 4


@pytest.mark.parametrize("arch", LARGE)
def test_images_too_small_for_a_network_are_refused_in_words(arch):
    with pytest.raises(DataError, match=f"{arch} needs images of 17 pixels"):
        fit(learner(16, 1), arch)


def test_no_network_is_fetched(monkeypatch):
    def fail(*_args, **_more):
        raise AssertionError("something was fetched")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    assert parameters("resnet18") > 0

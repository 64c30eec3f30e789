"""Consistency training: thresholds, strong views, and that it learns from images without a label."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine.errors import DataError
from mcal_engine.training import Semi
from mcal_engine.vision import semi
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.semi_views import COLOUR, GREY, SQUARE, StrongViews, transforms
from mcal_engine.vision.train import Hooks

CPU = torch.device("cpu")
QUICK = Recipe(epochs=1, min_steps=6, batch=16)
PLAIN = Hooks()


def images(n=120, side=12, channels=1, seed=0):
    """Two classes that differ in where the light is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    pixels = rng.integers(0, 60, (n, side, side, channels))
    pixels[labels == 1, : side // 2] += 150
    return pixels.astype(np.uint8), labels.astype(np.int64)


# --- thresholds (FreeMatch, Eq. 5 to 8) -----------------------------------------------------------


def test_thresholds_start_at_chance_and_follow_the_running_means():
    found = semi.Thresholds(4, 0.9, CPU)
    assert found.per_class.tolist() == pytest.approx([0.25] * 4)
    seen = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.4, 0.4, 0.1, 0.1]])
    found.update(seen)
    confidence = 0.9 * 0.25 + 0.1 * (0.7 + 0.4) / 2
    means = [0.9 * 0.25 + 0.1 * m for m in (0.55, 0.25, 0.1, 0.1)]
    assert float(found.confidence) == pytest.approx(confidence)
    assert found.per_class.tolist() == pytest.approx([confidence * m / means[0] for m in means])


def test_a_sure_network_that_sees_all_classes_asks_for_sureness():
    found = semi.Thresholds(2, 0.5, CPU)
    for _ in range(40):
        found.update(torch.tensor([[0.98, 0.02], [0.02, 0.98]]))
    assert found.per_class.tolist() == pytest.approx([0.98, 0.98], abs=1e-4)


# --- strong views -----------------------------------------------------------------------------


def test_each_transform_is_what_it_is_called():
    kinds = torch.arange(6)
    found = transforms(kinds, torch.ones(6))
    plain = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    assert torch.equal(found[0], plain)
    turned = found[1, :, :2]
    assert torch.allclose(turned @ turned.T, torch.eye(2), atol=1e-6)
    assert torch.linalg.det(turned) == pytest.approx(1)
    assert found[2, 0, 1] == pytest.approx(0.3)
    assert found[3, 1, 0] == pytest.approx(0.3)
    assert found[4, 0, 2] == found[5, 1, 2] == pytest.approx(0.5)
    assert (torch.linalg.det(found[:, :, :2]) > 0).all()  # nothing is mirrored


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]))
def test_views_stay_images(seed, channels):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand((8, channels, 9, 11), generator=generator) * 255
    found = StrongViews(generator, (100.0,) * channels).apply(pixels)
    assert found.shape == pixels.shape
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 255.0001


@pytest.mark.parametrize("operation", sorted({*GREY, *COLOUR}, key=lambda one: one.__name__))
def test_colour_operations_leave_the_shape_and_do_something(operation):
    pixels = torch.rand((4, 3, 8, 8), generator=torch.Generator().manual_seed(0)) * 200
    found = operation(pixels, torch.full((4,), -0.6))
    assert found.shape == pixels.shape
    assert not torch.equal(found, pixels)


def test_the_square_is_no_larger_than_said():
    views = StrongViews(torch.Generator().manual_seed(0), (7.0,))
    found = views._blanked(torch.zeros((200, 1, 20, 20)))
    assert (found == 7.0).flatten(1).sum(1).max() <= (SQUARE * 20 + 1) ** 2
    assert (found == 7.0).any()


# --- training ---------------------------------------------------------------------------------


def prepared(pixels, items, hooks=PLAIN):
    return semi.prepared(
        pixels,
        items,
        QUICK,
        hooks,
        settings=Semi(),
        classes=2,
        normalisation=Normalisation((90.0,), (60.0,)),
        seed=1,
        device=CPU,
    )


def test_where_every_image_has_a_label_it_is_a_plain_training():
    pixels, _ = images(20)
    recipe, hooks = prepared(pixels, np.arange(20))
    assert (recipe, hooks) == (QUICK, PLAIN)


def test_another_loss_is_refused():
    pixels, _ = images(20)
    with pytest.raises(DataError):
        prepared(pixels, np.arange(5), hooks=Hooks(loss=lambda forward, batch: None))


def test_all_images_outside_b_are_drawn_and_none_of_b():
    pixels, _ = images(40)
    _, hooks = prepared(pixels, np.arange(10))
    assert list(hooks.loss.unlabelled.outside) == list(range(10, 40))


def test_its_price_is_said_and_every_image_is_counted():
    pixels, labels = images()
    rules = {"semi_unlabelled": 3, "semi_longer": 2}
    plain = TorchLearner(pixels, 2, recipe=QUICK, threads=1)
    more = TorchLearner(pixels, 2, recipe=QUICK, settings=rules, threads=1)
    items = np.arange(32)
    one = plain.train_and_score(items, labels[items], seed=0, arch="cnn_small")
    two = more.train_and_score(items, labels[items], seed=0, arch="cnn_small+semi")
    assert two.samples_shown == one.samples_shown * 2 * (1 + 2 * 3)
    assert two.samples_shown == one.samples_shown * Semi(unlabelled=3, longer=2).images


def test_equal_arguments_give_equal_scores_and_labels_outside_b_are_not_read():
    pixels, labels = images()
    learner = TorchLearner(pixels, 2, recipe=QUICK, threads=1)
    items = np.arange(32)
    one, two = (
        learner.train_and_score(items, labels[items], seed=3, arch="cnn_small+semi")
        for _ in range(2)
    )
    assert one.scores.model == two.scores.model


def test_it_learns_and_reports_its_epochs():
    pixels, labels = images()
    seen = []
    learner = TorchLearner(
        pixels,
        2,
        recipe=Recipe(epochs=1, min_steps=30, batch=16, flip=False),
        threads=1,
        report_training=seen.append,
    )
    items = np.arange(24)
    model = learner.train_and_score(items, labels[items], seed=0, arch="cnn_small+semi")
    assert (model.scores.pred[24:] == labels[24:]).mean() > 0.9
    epochs = [one.epoch for one in seen if one.epoch is not None]
    assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert epochs[-1].accuracy > 0.8

"""Scoring a pool: the measures, the features, bf16, and networks that went wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mcal_engine.errors import DataError, TrainingError
from mcal_engine.vision import score as module
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.learner import seeded
from mcal_engine.vision.nets import build, place
from mcal_engine.vision.score import chunk_size, score
from tests.engine.vision.conftest import make_pool

CPU = torch.device("cpu")


def model(*, flip=False, net=None, classes=4) -> Model:
    spec = NetSpec("cnn_small", channels=1, classes=classes, side=12, flip=flip)
    with seeded(1, CPU):
        made = net or build("cnn_small", channels=1, classes=classes, side=12)
    return Model(spec, place(made, CPU).eval(), Normalisation((90.0,), (60.0,)))


def images(n=40):
    return make_pool(n).images


def logits(one: Model, pool) -> torch.Tensor:
    with torch.inference_mode():
        return one.net(one.normalisation.apply(torch.from_numpy(pool)))


class Constant(nn.Module):
    """Returns the same logits for each image, through a linear layer."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.linear = nn.Linear(1, len(values))
        nn.init.zeros_(self.linear.weight)
        self.linear.bias.data = torch.tensor(values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x[:, 0, 0, :1])


def test_the_three_measures_are_those_of_the_probabilities():
    one, pool = model(), images()
    scores, p = score(one, pool, CPU), logits(one, pool).double().softmax(1).numpy()
    p.sort(axis=1)
    np.testing.assert_allclose(scores.uncertainty, 1 - p[:, -1] + p[:, -2], rtol=1e-5)
    np.testing.assert_allclose(scores.least, 1 - p[:, -1], rtol=1e-5)
    np.testing.assert_allclose(scores.entropy, -(p * np.log(p)).sum(1), rtol=1e-5)


def test_all_measures_are_float32_and_features_stay_away_unasked():
    scores = score(model(), images(), CPU)
    kinds = {a.dtype for a in (scores.uncertainty, scores.least, scores.entropy)}
    assert kinds == {np.dtype(np.float32)}
    assert scores.features is None


def test_features_are_the_input_of_the_last_linear_layer():
    one, pool = model(), images()
    features = score(one, pool, CPU, features=True).features
    assert (features.shape, features.dtype) == ((40, 64), np.float16)
    linear = one.net[-1].linear
    again = torch.from_numpy(features).float() @ linear.weight.T + linear.bias
    torch.testing.assert_close(again, logits(one, pool), rtol=0.01, atol=0.01)


def test_features_are_the_mean_of_both_mirror_views():
    pool = images()
    straight = score(model(), pool, CPU, features=True).features.astype(np.float32)
    other = np.ascontiguousarray(pool[:, :, ::-1])
    mirrored = score(model(), other, CPU, features=True).features.astype(np.float32)
    both = score(model(flip=True), pool, CPU, features=True).features
    np.testing.assert_allclose(both, (straight + mirrored) / 2, rtol=0.01, atol=1e-3)


def test_features_beyond_half_precision_stay_finite():
    one = model()
    one.net[-2].register_forward_hook(lambda layer, inputs, output: output.abs() * 1e9 + 1e6)
    features = score(one, images(), CPU, features=True).features
    assert np.isfinite(features).all()
    assert features.max() == np.finfo(np.float16).max


def test_scores_do_not_tie_under_bf16(monkeypatch):
    """A head in bf16 leaves 48 values of these 600."""
    monkeypatch.setattr(module, "autocast", lambda _: torch.autocast("cpu", torch.bfloat16))
    one = model(classes=2)
    one.net[-1].linear.weight.data *= 20  # a net that has made up its mind
    assert len(np.unique(score(one, make_pool(600).images, CPU).uncertainty)) > 590


def test_scores_do_not_depend_on_the_size_of_the_chunks(monkeypatch):
    one, pool = model(flip=True), images(41)
    whole = score(one, pool, CPU, features=True)
    monkeypatch.setitem(module.CHUNK, "cpu", 7)
    parts = score(one, pool, CPU, features=True)
    np.testing.assert_allclose(whole.uncertainty, parts.uncertainty, rtol=1e-4)
    np.testing.assert_array_equal(whole.pred, parts.pred)
    np.testing.assert_allclose(whole.features, parts.features, rtol=0.01, atol=1e-3)


def test_progress_reaches_the_number_of_images(monkeypatch):
    monkeypatch.setitem(module.CHUNK, "cpu", 16)
    done = []
    score(model(), images(40), CPU, report=done.append)
    assert done == [16, 32, 40]


def test_wide_networks_are_scored_in_small_chunks(monkeypatch):
    one, pool = model(), images()
    widest = 32 * 6 * 6  # the first stage, before its pooling
    assert chunk_size(one, pool, CPU) == module.CHUNK["cpu"]
    monkeypatch.setitem(module.LAYER_BYTES, "cpu", 10 * 4 * widest)
    assert chunk_size(one, pool, CPU) == 10
    monkeypatch.setitem(module.LAYER_BYTES, "cpu", 1)
    assert chunk_size(one, pool, CPU) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_no_numbers_are_a_failed_training(value):
    with pytest.raises(TrainingError, match="not a number"):
        score(model(net=Constant(value, 0.0, 0.0, 0.0)), images(), CPU)


def test_equal_predictions_for_all_images_are_fine():
    scores = score(model(net=Constant(0.0, 3.0, 0.0, 0.0)), images(), CPU)
    assert set(scores.pred.tolist()) == {1}
    assert len(np.unique(scores.uncertainty)) == 1


def test_equal_logits_give_the_first_class_and_full_uncertainty():
    scores = score(model(net=Constant(1.0, 1.0, 1.0, 1.0)), images(), CPU)
    assert set(scores.pred.tolist()) == {0}
    np.testing.assert_allclose(scores.uncertainty, 1.0)
    np.testing.assert_allclose(scores.entropy, np.log(4), rtol=1e-6)


def test_very_certain_images_keep_a_positive_uncertainty():
    scores = score(model(net=Constant(60.0, 0.0, 0.0, 0.0)), images(), CPU)
    assert (scores.uncertainty > 0).all()
    assert (scores.least > 0).all()
    np.testing.assert_allclose(scores.least, 3 * np.exp(-60.0), rtol=1e-5)


def test_a_network_without_a_linear_layer_is_refused():
    with pytest.raises(DataError, match="no linear layer"):
        score(model(net=nn.Sequential(nn.Flatten())), images(), CPU)


def test_a_network_is_left_without_hooks():
    one = model()
    score(one, images(), CPU)
    assert not any(layer._forward_hooks for layer in one.net.modules())


def test_a_failed_look_leaves_no_hooks_either():
    one = model(net=Constant(float("nan"), 0.0))
    with pytest.raises(TrainingError):
        score(one, images(), CPU)
    assert not any(layer._forward_hooks for layer in one.net.modules())


def test_the_scores_name_the_checkpoint_and_change_with_it():
    one = model()
    name = score(one, images(), CPU).model
    assert score(replace(one), images(), CPU).model == name
    assert score(model(net=Constant(0.0, 1.0, 2.0, 3.0)), images(), CPU).model != name

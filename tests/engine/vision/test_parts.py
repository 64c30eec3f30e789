from __future__ import annotations

import io
from dataclasses import asdict

import numpy as np
import pytest
import torch

from mcal_engine.errors import DataError
from mcal_engine.vision import checkpoints, device, torchvision_shim
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Augmenter, Normalisation, measure
from mcal_engine.vision.nets import build, place
from mcal_engine.vision.score import score
from mcal_engine.vision.train import Recipe
from tests.engine.vision.conftest import make_pool

CPU = torch.device("cpu")


def a_model() -> Model:
    spec = NetSpec("cnn_small", channels=1, classes=4, side=12, flip=True)
    net = place(build("cnn_small", channels=1, classes=4, side=12), CPU).eval()
    return Model(spec, net, Normalisation((90.0,), (60.0,)))


def augmenter(*, pad: int, flip: bool) -> Augmenter:
    return Augmenter(torch.Generator().manual_seed(0), pad=pad, flip=flip)


def ramp(n: int = 64) -> torch.Tensor:
    """Images whose pixel value is their column: shifts and flips can be read off."""
    return torch.arange(12, dtype=torch.uint8)[None, None, :, None].expand(n, 12, 12, 1)


def test_a_checkpoint_comes_back_with_the_same_scores(tmp_path):
    model, images = a_model(), make_pool(n=20).images
    name = checkpoints.save(model, tmp_path / "model.pt")
    again = checkpoints.load(tmp_path / "model.pt", CPU)
    assert checkpoints.sha256(again) == name
    np.testing.assert_array_equal(
        score(model, images, CPU).uncertainty, score(again, images, CPU).uncertainty
    )


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"not a model")
    with pytest.raises(DataError, match=r"model\.pt is not a checkpoint"):
        checkpoints.load(tmp_path / "model.pt", CPU)


def test_a_checkpoint_of_another_schema_is_refused(tmp_path):
    torch.save({"schema": 99}, tmp_path / "model.pt")
    with pytest.raises(DataError, match="schema 1"):
        checkpoints.load(tmp_path / "model.pt", CPU)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spec": {"arch": "cnn_small"}}, "does not fit"),
        ({"weights": {}}, "does not fit"),
        ({"mean": None}, "does not fit"),
        ({"spec": asdict(a_model().spec) | {"arch": "gone"}}, "no architecture 'gone'"),
        ({"spec": asdict(a_model().spec) | {"classes": 9}}, "does not fit"),
    ],
)
def test_a_checkpoint_with_other_contents_is_refused(tmp_path, changes, words):
    content = torch.load(io.BytesIO(checkpoints.to_bytes(a_model())), weights_only=True)
    torch.save(content | changes, tmp_path / "model.pt")
    with pytest.raises(DataError, match=words):
        checkpoints.load(tmp_path / "model.pt", CPU)


def test_mirrored_images_score_alike_where_mirroring_keeps_the_class():
    model, images = a_model(), make_pool(n=20).images
    straight = score(model, images, CPU).uncertainty
    mirrored = score(model, np.ascontiguousarray(images[:, :, ::-1]), CPU).uncertainty
    np.testing.assert_allclose(straight, mirrored, rtol=1e-4)


def test_a_crop_shifts_by_at_most_the_padding_and_mirrors_the_edge():
    taken = augmenter(pad=2, flip=False).take(ramp(), torch.arange(64))[:, 0, :, 0].int()
    middle = taken[:, 5]
    assert set(middle.tolist()) == {3, 4, 5, 6, 7}
    assert taken.min() == 0
    assert taken.max() == 11
    far_right = taken[middle == 7][0].tolist()
    assert far_right == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 10, 9]


def test_about_half_of_the_images_are_flipped():
    taken = augmenter(pad=0, flip=True).take(ramp(400), torch.arange(400))[:, 0, 0, 0]
    assert 150 < int((taken == 11).sum()) < 250


def test_nothing_is_flipped_where_flips_are_off():
    taken = augmenter(pad=0, flip=False).take(ramp(), torch.arange(64))
    assert torch.equal(taken, ramp())


def test_normalisation_is_measured_per_channel_on_the_pool():
    images = make_pool(n=50, channels=3).images
    found = measure(images)
    np.testing.assert_allclose(found.mean, images.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.std, images.std(axis=(0, 1, 2)), rtol=1e-4)


def test_a_large_pool_is_sampled_evenly():
    images = np.zeros((20_001, 2, 2, 1), np.uint8)
    images[10_000:] = 200
    assert measure(images).mean[0] == pytest.approx(100, abs=1)


def test_a_pool_of_one_colour_does_not_divide_by_zero():
    images = np.full((5, 8, 8, 1), 77, np.uint8)
    normalised = measure(images).apply(torch.from_numpy(images))
    assert torch.equal(normalised, torch.zeros(5, 1, 8, 8))


def test_steps_follow_the_epochs_but_never_fall_below_the_floor():
    recipe = Recipe(epochs=20, min_steps=300, batch=128)
    assert recipe.steps(100) == 300
    assert recipe.steps(6400) == 1000
    assert recipe.batch_size(50) == 50


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"min_steps": 0}, {"pad": -1}])
def test_a_recipe_that_trains_nothing_is_refused(wrong):
    with pytest.raises(DataError):
        Recipe(**wrong)


@pytest.mark.parametrize("name", ["cuda:99", "mps", "tpu", "nonsense", "xpu"])
def test_a_device_that_is_not_there_is_refused_and_not_replaced(name):
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has MPS")
    with pytest.raises(DataError):
        device.pick_device(name)


def test_the_processor_is_always_there():
    assert device.pick_device("cpu") == CPU
    assert "threads" in device.describe(CPU)


def test_torchvision_can_be_imported_beside_this_torch():
    assert hasattr(torchvision_shim.import_torchvision(), "models")

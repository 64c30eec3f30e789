"""Frozen features with a linear head, their cache on disk, and fine-tuning, on tiny images."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from mcal_engine.candidates import parse
from mcal_engine.errors import CancelledError, DataError, TrainingError, WeightsError
from mcal_engine.vision import checkpoints, frozen_cache, pretrained
from mcal_engine.vision.frozen_cache import FeatureCache
from mcal_engine.vision.frozen_head import STRENGTHS, fit_head
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.pretrained import Prior
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.weights import Source
from tests.engine.vision.conftest import CLASSES, FAST, make_pool

CPU = torch.device("cpu")
RECIPE = Recipe(**FAST)


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory):
    """Weights of cnn_small, trained on a pool of the same kind."""
    folder, pool = tmp_path_factory.mktemp("weights"), make_pool(200)
    learner = TorchLearner(pool.images, CLASSES, recipe=RECIPE, device="cpu", threads=1)
    learner.train(np.arange(120), pool.labels[:120], seed=1, arch="cnn_small")
    digest = checkpoints.save(learner.model, folder / "cnn_small.pt")
    (folder / "cnn_small.pt.sha256").write_text(digest)
    return folder


def learner_of(pool, folder, cache=None, **more):
    found = TorchLearner(pool.images, CLASSES, recipe=RECIPE, device="cpu", threads=1, **more)
    found.prior = Prior(Source(folder), FeatureCache(cache))
    return found


def fit(learner, pool, arch="cnn_small+frozen", count=24, seed=5, **more):
    items = np.arange(count)
    return learner.train_and_score(items, pool.labels[:count], seed=seed, arch=arch, **more)


# --- the candidates ----------------------------------------------------------------------------


def test_a_head_on_frozen_features_scores_every_image(weights_folder, pool):
    learner = learner_of(pool, weights_folder)
    found = fit(learner, pool, features=True)
    assert (found.scores.pred == pool.labels).mean() > 0.9
    assert found.scores.features.shape == (len(pool.images), 64)
    assert found.scores.features.dtype == np.float16
    assert np.isfinite(found.scores.entropy).all()
    assert found.samples_shown == learner.fitted.head.samples > 0
    assert checkpoints.sha256(learner.model) == found.scores.model


def test_the_model_that_is_kept_says_the_same_by_itself(weights_folder, pool, tmp_path):
    learner = learner_of(pool, weights_folder)
    found = fit(learner, pool)
    assert learner.fitted.keep(tmp_path) == found.scores.model
    model = checkpoints.load(tmp_path / "model.pt", CPU)
    with torch.inference_mode():
        logits = model.net(model.normalisation.apply(torch.from_numpy(pool.images)))
    odds = logits.double().softmax(1).numpy()
    assert (odds.argmax(1) == found.scores.pred).mean() > 0.98  # float16 features tip few
    assert np.abs(1 - odds.max(1) - found.scores.least).max() < 0.05


def test_the_features_cost_once_in_the_round_that_computed_them(weights_folder, pool, tmp_path):
    learner = learner_of(pool, weights_folder, tmp_path)
    first, second = (fit(learner, pool, count=count) for count in (24, 40))
    assert learner.trained.preparation == 0
    assert first.score_seconds > second.score_seconds
    fresh = learner_of(pool, weights_folder, tmp_path)  # as the next round's process
    fit(fresh, pool, count=48)
    assert fresh.trained.preparation == 0


def test_the_same_round_gives_the_same_scores_from_the_cache_and_without(
    weights_folder, pool, tmp_path
):
    ways = (learner_of(pool, weights_folder), learner_of(pool, weights_folder, tmp_path))
    first, second = (fit(way, pool).scores for way in ways)
    third = fit(learner_of(pool, weights_folder, tmp_path), pool).scores
    for other in (second, third):
        assert other.model == first.model
        assert np.array_equal(other.uncertainty, first.uncertainty)


def test_pseudo_labels_weigh_in_the_head_too(weights_folder, pool):
    learner = learner_of(pool, weights_folder)
    features = fit(learner, pool, features=True).scores.features
    items, labels = np.arange(24), pool.labels[:24].copy()
    labels[12:] = 0  # wrong, and without weight
    weights = np.concatenate([np.ones(12), np.full(12, 1e-9)])
    odd = fit_head(features, items, labels, CLASSES, weights=weights)
    logits = features.astype(np.float32) @ odd.weight.T + odd.bias
    assert (logits.argmax(1) == pool.labels).mean() > 0.8


def test_tuned_weights_begin_where_the_file_ends(weights_folder, pool):
    learner = learner_of(pool, weights_folder)
    found = fit(learner, pool, "cnn_small+tuned")
    assert (found.scores.pred == pool.labels).mean() > 0.8
    assert learner.model.spec.arch == "cnn_small.resized"
    scratch = fit(learner_of(pool, None), pool, "cnn_small")
    assert found.scores.model != scratch.scores.model
    assert fit(learner, pool, "cnn_small+tuned").scores.model == found.scores.model


def test_an_ensemble_may_be_tuned(weights_folder, pool):
    found = fit(learner_of(pool, weights_folder), pool, "cnn_small+seeds=2+tuned")
    assert found.scores.mutual is not None


def test_images_of_another_size_and_grey_ones_go_into_the_weights(weights_folder):
    pool = make_pool(80, side=20)
    found = fit(learner_of(pool, weights_folder), pool)
    assert (found.scores.pred == pool.labels).mean() > 0.7


@pytest.mark.parametrize("arch", ["cnn_small+frozen", "cnn_small+tuned"])
def test_without_weights_the_training_says_what_is_missing(arch, pool):
    with pytest.raises(WeightsError, match="no pre-trained weights of cnn_small"):
        fit(learner_of(pool, None), pool, arch)


def test_a_training_that_is_asked_to_stop_leaves_no_cache(weights_folder, pool, tmp_path):
    with pytest.raises(CancelledError):
        fit(learner_of(pool, weights_folder, tmp_path, cancelled=lambda: True), pool)
    assert list(tmp_path.iterdir()) == []


def test_fine_tuning_is_gentler_and_published_networks_the_gentlest():
    usual = Recipe(learning_rate=0.01, min_steps=1000)
    own = pretrained.gentler(usual, "cnn_small.resized")
    published = pretrained.gentler(usual, "resnet18.original")
    assert published.learning_rate < own.learning_rate < usual.learning_rate
    assert published.min_steps < usual.min_steps
    assert replace(own, learning_rate=usual.learning_rate) == usual


def test_a_rate_that_was_asked_for_is_taken_at_its_word(weights_folder, pool):
    learner = learner_of(pool, weights_folder, settings={"learning_rate": 0.007})
    assert learner._begin(parse("cnn_small+tuned")).learning_rate == 0.007


# --- the head ----------------------------------------------------------------------------------


def separable(n=120, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return (np.eye(3)[labels] * 4 + rng.normal(size=(n, 3))).astype(np.float16), labels


def test_the_head_finds_what_a_line_can_tell_apart():
    features, labels = separable()
    head = fit_head(features, np.arange(60), labels[:60], 3)
    found = (features.astype(np.float32) @ head.weight.T + head.bias).argmax(1)
    assert (found == labels).mean() > 0.9
    assert head.strength in STRENGTHS
    assert head.accuracy > 0.9


def test_the_head_is_at_the_least_of_its_loss():
    """At the optimum the gradient of the loss is that of the penalty, class by class."""
    features, labels = separable(40)
    head = fit_head(features, np.arange(40), labels, 3)
    wide = features.astype(np.float64)
    mean, spread = wide.mean(0), wide.std(0)
    inputs, weight = (wide - mean) / spread, head.weight * spread
    logits = inputs @ weight.T + head.bias + head.weight @ mean
    odds = np.exp(logits - logits.max(1, keepdims=True))
    odds /= odds.sum(1, keepdims=True)
    slope = (odds - np.eye(3)[labels]).T @ inputs / 40
    assert np.allclose(slope, -head.strength * weight, atol=1e-4)
    assert np.allclose((odds - np.eye(3)[labels]).mean(0), 0, atol=1e-4)


def test_classes_that_nobody_labelled_yet_do_no_harm():
    features, labels = separable()
    items = np.flatnonzero(labels < 2)[:20]
    head = fit_head(features, items, labels[items], 5)
    assert head.weight.shape == (5, 3)
    found = (features[items].astype(np.float32) @ head.weight.T + head.bias).argmax(1)
    assert set(found) <= {0, 1}


def test_features_that_never_vary_are_no_division_by_zero():
    features, labels = separable()
    flat = np.concatenate([features, np.zeros((120, 2), np.float16)], axis=1)
    head = fit_head(flat, np.arange(60), labels[:60], 3)
    assert np.isfinite(head.weight).all()


def test_one_label_is_enough_and_none_is_not():
    features, labels = separable()
    assert fit_head(features, np.array([0]), labels[:1], 3).accuracy == 1
    with pytest.raises(TrainingError, match="no labelled image"):
        fit_head(features, np.array([], dtype=np.int64), labels[:0], 3)


def test_features_that_are_no_numbers_are_said_so():
    features = np.full((20, 3), np.nan, np.float16)
    with pytest.raises(TrainingError, match="not numbers"):
        fit_head(features, np.arange(20), np.arange(20) % 3, 3)


# --- the cache ---------------------------------------------------------------------------------


class Counting:
    """Features that are each image's mean, twice; counts what was asked for."""

    def __init__(self, images):
        self.images, self.asked = images, []

    def __call__(self, items):
        self.asked += items.tolist()
        for start in range(0, len(items), 3):
            part = self.images[items[start : start + 3]].mean(axis=(1, 2, 3))
            yield np.stack([part, part], axis=1).astype(np.float16)


def images_of(n, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, 4, 4, 1), dtype=np.uint8)


def kept(cache, images, key="key"):
    compute = Counting(images)
    found = cache.of(key, images, 2, compute)
    expected = images.mean(axis=(1, 2, 3)).astype(np.float16)
    assert np.array_equal(found.features, np.stack([expected, expected], axis=1))
    assert found.computed == len(compute.asked)
    return compute.asked


@pytest.fixture(params=["disk", "memory"])
def cache(request, tmp_path):
    return FeatureCache(tmp_path / "features" if request.param == "disk" else None)


def test_features_are_computed_once(cache):
    images = images_of(10)
    assert kept(cache, images) == list(range(10))
    assert kept(cache, images) == []


def test_only_changed_and_new_images_are_computed_anew(cache):
    images = images_of(10)
    kept(cache, images)
    changed = np.concatenate([images, images_of(3, seed=1)])
    changed[4] += 1
    assert kept(cache, changed) == [4, 10, 11, 12]
    assert kept(cache, changed) == []


def test_images_may_change_places_or_go(cache):
    images = images_of(10)
    kept(cache, images)
    assert kept(cache, images[::-1]) == []
    assert kept(cache, images[3:7]) == []


def test_another_key_is_another_cache(cache):
    kept(cache, images_of(5))
    assert kept(cache, images_of(5), key="other") == list(range(5))


def test_another_width_is_never_mixed_in(tmp_path):
    cache, images = FeatureCache(tmp_path), images_of(4)
    kept(cache, images)
    found = cache.of("key", images, 1, lambda items: iter([np.ones((len(items), 1), np.float16)]))
    assert found.computed == 4


@pytest.mark.parametrize("name", ["key.npy", "key.rows.npy", "key.json"])
def test_a_broken_or_missing_file_never_counts(name, tmp_path):
    cache, images = FeatureCache(tmp_path), images_of(6)
    kept(cache, images)
    path = tmp_path / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert len(kept(cache, images)) == 6
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert len(kept(cache, images)) == 6
    path.unlink()
    assert len(kept(cache, images)) == 6
    assert kept(cache, images) == []


def test_a_computation_that_breaks_off_leaves_what_was_there(tmp_path):
    cache, images = FeatureCache(tmp_path), images_of(6)
    kept(cache, images[:4])

    def fail(_items):
        yield np.zeros((1, 2), np.float16)
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        cache.of("key", images, 2, fail)
    assert kept(cache, images) == [4, 5]
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_is_said_in_words_and_leaves_nothing(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: usage._replace(free=10))
    with pytest.raises(DataError, match="The disk is full"):
        kept(FeatureCache(tmp_path), images_of(6))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_writing_is_said_in_words(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(frozen_cache, "write_array", full)
    with pytest.raises(DataError, match=r"cannot be kept in .*: The disk is full"):
        kept(FeatureCache(tmp_path), images_of(6))
    monkeypatch.undo()
    assert len(kept(FeatureCache(tmp_path), images_of(6))) == 6


def test_the_oldest_caches_make_room_and_what_never_fits_is_refused(tmp_path):
    cache = FeatureCache(tmp_path, most_bytes=2000)
    for number, key in enumerate(("one", "two", "three")):
        kept(cache, images_of(6), key=key)
        for path in tmp_path.glob(f"{key}*"):
            os.utime(path, (number, number))
    left = {path.stem for path in tmp_path.glob("*.json")}
    assert "three" in left
    assert "one" not in left
    with pytest.raises(DataError, match=r"at most 1 MiB may be kept"):
        kept(FeatureCache(tmp_path, most_bytes=100), images_of(6), key="four")


def test_what_a_killed_program_left_goes_and_what_somebody_writes_counts(tmp_path):
    cache = FeatureCache(tmp_path, most_bytes=2400)
    kept(cache, images_of(6), key="one")
    for name in ("two.npy", ".three.npy.x8", ".one.npy.y9"):
        (tmp_path / name).write_bytes(bytes(900))
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".four.npy.z1").write_bytes(bytes(900))
    kept(cache, images_of(6), key="five")
    names = {path.name for path in tmp_path.iterdir() if path.name != ".four.npy.z1"}
    assert names == {"five.npy", "five.rows.npy", "five.json"}  # "one" made room
    assert (tmp_path / ".four.npy.z1").exists()


# --- the request -------------------------------------------------------------------------------


def test_a_job_with_frozen_features_keeps_them_for_the_next(job, weights_folder, tmp_path):
    from mcal_engine.vision import program  # noqa: PLC0415

    wanted = {"weights": str(weights_folder), "features": str(tmp_path / "features")}
    folder = job(arch="cnn_small+frozen", features=True, display=True, pretrained=wanted)
    results = []
    for _ in range(2):
        assert program.run(folder, lambda: False) == program.DONE
        results.append(json.loads((folder / "result.json").read_text()))
    assert [result["model_sha256"] for result in results] == [results[0]["model_sha256"]] * 2
    assert results[0]["samples_shown"] > 0
    assert len(np.load(folder / "features.npy")) == len(np.load(folder / "pred.npy"))
    assert len(list((tmp_path / "features").glob("*.json"))) == 1


@pytest.mark.parametrize(
    "wrong",
    [3, {"folder": "x"}, {"weights": 3}, {"download": 1}, {"side": True}, {"side": 0}, {"side": 1.5},
     {"features_gib": 0}, {"features_gib": True}],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DataError, match="pretrained"):
        pretrained.prior_of(wrong)


def test_a_request_says_where_weights_come_from(tmp_path):
    assert pretrained.prior_of(None).source == Source()
    found = pretrained.prior_of(
        {"weights": str(tmp_path), "download": True, "side": 64, "features": str(tmp_path),
         "features_gib": 0.5}
    )  # fmt: skip
    assert found.source == Source(tmp_path, True, 64)
    assert (found.cache.folder, found.cache.most_bytes) == (tmp_path, 2**29)

"""Ensembles of tiny networks: what is kept, what is said, in which memory, and what goes wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from mcal_engine.ensembles import tally_of
from mcal_engine.errors import CancelledError, DataError, DiskFullError, TrainingError
from mcal_engine.vision import checkpoints, ensemble, program
from mcal_engine.vision import score as scoring
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.recipes import member_steps, with_members
from mcal_engine.vision.score import score
from mcal_engine.vision.train import Progress, Recipe
from tests.engine.vision.conftest import CLASSES, FAST, TinyPool
from tests.engine.vision.test_program import never, result

RECIPE = Recipe(**FAST)
CPU = torch.device("cpu")
ARCH = "cnn_small+checkpoints=4"


def learner(pool: TinyPool, **changes) -> TorchLearner:
    return TorchLearner(pool.images, CLASSES, **({"recipe": RECIPE, "device": "cpu"} | changes))


def fit(pool: TinyPool, arch: str, *, seed: int = 0, count: int = 40, **more):
    return learner(pool).train_and_score(*pool.first(count), seed=seed, arch=arch, **more)


# --- what is trained --------------------------------------------------------------------------


def test_checkpoints_of_one_run_score_as_the_mean_of_their_files(pool, tmp_path):
    one = learner(pool)
    one.members_in = tmp_path
    found = one.train_and_score(*pool.first(40), seed=3, arch="cnn_small+checkpoints=4").scores
    seen = []
    for number in range(4):
        member = checkpoints.load(tmp_path / "members" / f"{number:03d}.pt", CPU)
        score(member, one.images, CPU, watch=lambda views: seen.append(views.probabilities))
    together = tally_of(np.stack(seen)).scores(found.model)
    for name in ("pred", "uncertainty", "least", "entropy", "mutual", "variation"):
        np.testing.assert_array_equal(getattr(found, name), getattr(together, name))


def test_it_learns_the_tiny_pool(pool):
    found = fit(pool, "cnn_small+checkpoints=5", count=60).scores
    assert (found.pred == pool.labels)[60:].mean() > 0.95
    assert found.mutual.shape == found.variation.shape == (len(pool.images),)


def test_checkpoints_show_no_more_images_than_a_single_network(pool):
    assert (
        fit(pool, "cnn_small+checkpoints=5").samples_shown == fit(pool, "cnn_small").samples_shown
    )


def test_runs_of_other_seeds_are_trained_one_after_the_other(pool):
    one = learner(pool)
    model = one.train_and_score(*pool.first(40), seed=3, arch="cnn_small+seeds=3")
    assert model.samples_shown == 3 * fit(pool, "cnn_small").samples_shown
    assert one.trained.steps == 90
    assert len(one.fitted.members.hashes) == 3


def test_combined_ensembles_have_the_checkpoints_of_all_runs(pool):
    one = learner(pool)
    one.train(*pool.first(40), seed=3, arch="cnn_small+checkpoints=4+seeds=2")
    assert len(set(one.fitted.members.hashes)) == 8


def test_the_first_run_of_other_seeds_is_the_single_networks(pool, tmp_path):
    one, several = learner(pool), learner(pool)
    several.members_in = tmp_path
    one.train(*pool.first(40), seed=3, arch="cnn_small")
    several.train(*pool.first(40), seed=3, arch="cnn_small+seeds=2")
    first = checkpoints.load(tmp_path / "members" / "000.pt", CPU)
    for name, value in one.model.net.state_dict().items():
        kept = first.net.state_dict()[name]
        assert torch.equal(
            value.half() if value.is_floating_point() else value,
            kept.to(torch.float16 if value.is_floating_point() else value.dtype),
        )


def test_seeds_of_runs_are_all_different():
    seeds = {
        ensemble.run_seed(seed, number) for seed in range(0, 5000, 1000) for number in range(20)
    }
    assert len(seeds) == 100
    assert ensemble.run_seed(7, 0) == 7


def test_the_same_seed_gives_the_same_ensemble_to_the_last_bit(pool):
    first, again = (fit(pool, "cnn_small+checkpoints=3+seeds=2", seed=5).scores for _ in range(2))
    assert first.model == again.model
    np.testing.assert_array_equal(first.mutual, again.mutual)
    assert fit(pool, "cnn_small+checkpoints=3+seeds=2", seed=6).scores.model != first.model


def test_a_plain_name_trains_what_it_always_did(pool):
    """The tail belongs to ensembles: one network ends its cycle."""
    one = learner(pool)
    model = one.train_and_score(*pool.first(40), seed=0, arch="cnn_small").scores
    assert model.model == checkpoints.sha256(one.model)
    assert model.mutual is None
    assert with_members(RECIPE, 1).schedule == "one_cycle"


def test_members_of_a_tail_move_on_where_the_end_of_a_cycle_stands_still(pool, monkeypatch):
    """The rate of a one-cycle schedule ends near zero, so its last checkpoints are near-copies."""
    close = Recipe(**FAST | {"min_steps": 120}, spacing=1)

    def disagreement() -> float:
        noisy = np.random.default_rng(0).integers(0, CLASSES, len(pool.labels))
        one = learner(pool, recipe=close)
        found = one.train_and_score(np.arange(80), noisy[:80], seed=0, arch=ARCH).scores
        return float(found.mutual.mean())

    spread = disagreement()
    monkeypatch.setattr(ensemble, "with_members", lambda recipe, count: recipe)
    assert spread > 4 * disagreement()


# --- what is said -----------------------------------------------------------------------------


def test_features_are_the_last_members(pool):
    one = learner(pool)
    found = one.train_and_score(
        *pool.first(40), seed=0, arch="cnn_small+checkpoints=3", features=True
    ).scores
    last = replace(one.model)
    one.fitted.members.load_into(last, 2)
    alone = score(last, one.images, CPU, features=True)
    np.testing.assert_array_equal(found.features, alone.features)


def test_the_model_is_named_by_its_members_hashes(pool, tmp_path):
    one = learner(pool)
    found = one.train_and_score(*pool.first(40), seed=0, arch="cnn_small+checkpoints=3").scores
    assert one.fitted.keep(tmp_path) == found.model
    content = (tmp_path / "members.sha256").read_bytes()
    assert hashlib.sha256(content).hexdigest() == found.model


@pytest.mark.parametrize("held", [1, 7, 50])
def test_blocks_of_any_size_give_the_same_scores(pool, monkeypatch, held):
    one = learner(pool)
    whole = one.train_and_score(*pool.first(40), seed=0, arch="cnn_small+checkpoints=3").scores
    monkeypatch.setitem(scoring.CHUNK, "cpu", 13)
    monkeypatch.setattr(ensemble, "TALLY_BYTES", held * (10 * CLASSES + 12))
    pieces = one.score()
    for name in ("pred", "uncertainty", "entropy", "mutual", "variation"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), atol=1e-5)


def test_every_member_sees_every_image_once(pool, monkeypatch):
    monkeypatch.setattr(ensemble, "TALLY_BYTES", 50 * (10 * CLASSES + 12))
    monkeypatch.setitem(scoring.CHUNK, "cpu", 20)
    one = learner(pool)
    one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=3")
    seen = np.zeros((3, len(pool.images)), dtype=int)

    def count(number, rows, probabilities):
        assert len(probabilities) == rows.stop - rows.start
        seen[number, rows] += 1

    one.on_member = count
    one.score()
    assert (seen == 1).all()


def test_a_single_network_is_member_0(pool):
    one = learner(pool)
    one.train(*pool.first(40), seed=0, arch="cnn_small")
    seen = np.zeros(len(pool.images), dtype=int)

    def count(number, rows, probabilities):
        assert number == 0
        seen[rows] += len(probabilities) > 0

    one.on_member = count
    one.score()
    assert (seen == 1).all()


def test_what_pages_see_is_the_mean_in_the_order_of_the_images(pool):
    one = learner(pool)
    one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=3")
    seen = []
    found = one.score(watch=lambda views: seen.append(views.probabilities))
    assert np.array_equal(np.concatenate(seen).argmax(axis=1), found.pred)


def test_progress_runs_over_all_runs_and_all_members(pool):
    steps: list[Progress] = []
    done: list[int] = []
    one = learner(pool, report_training=steps.append, report_scoring=done.append)
    one.train_and_score(*pool.first(40), seed=0, arch="cnn_small+checkpoints=4+seeds=3")
    assert [told.step for told in steps] == list(range(1, 91))
    assert {told.steps for told in steps} == {90}
    assert steps[-1].images == 90 * 32
    assert done == sorted(done)
    assert done[-1] == len(pool.images)


# --- what goes wrong --------------------------------------------------------------------------


def test_a_bound_on_disk_is_checked_before_training(pool, tmp_path):
    steps: list[Progress] = []
    one = learner(pool, settings={"members_gib": 0.001}, report_training=steps.append)
    one.members_in = tmp_path
    with pytest.raises(DiskFullError, match=r"at most 1\.0 MiB are allowed"):
        one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=20")
    assert not steps
    assert not (tmp_path / "members").exists()


def test_a_stopped_training_leaves_no_members(pool, tmp_path):
    seen: list[Progress] = []
    one = learner(pool, report_training=seen.append, cancelled=lambda: len(seen) > 50)
    one.members_in = tmp_path
    with pytest.raises(CancelledError):
        one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=3+seeds=3")
    assert len(seen) > 30  # one run was done
    assert not (tmp_path / "members").exists()


def test_a_disk_that_fills_up_stops_the_training_and_leaves_nothing(pool, tmp_path, monkeypatch):
    one = learner(pool)
    one.members_in = tmp_path
    kept = ensemble.Shelf.add

    def add(shelf, model):
        if len(shelf.hashes) == 2:
            raise DiskFullError("The disk is full")
        kept(shelf, model)

    monkeypatch.setattr(ensemble.Shelf, "add", add)
    with pytest.raises(DiskFullError):
        one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=4")
    assert not (tmp_path / "members").exists()


def test_scoring_can_be_stopped_between_members(pool):
    calls: list[int] = []
    one = learner(pool)
    one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=3")
    one.cancelled = lambda: len(calls) >= 1
    one.report_scoring = calls.append
    with pytest.raises(CancelledError):
        one.score()


def test_a_member_whose_output_is_no_number_is_an_error(pool, tmp_path):
    one = learner(pool)
    one.members_in = tmp_path
    one.train(*pool.first(40), seed=0, arch="cnn_small+checkpoints=2")
    broken = one.model
    with torch.no_grad():
        for value in broken.net.parameters():
            value.fill_(float("nan"))
    content = checkpoints.to_bytes(broken, half=True)
    (tmp_path / "members" / "001.pt").write_bytes(content)
    hashes = (one.fitted.members.hashes[0], hashlib.sha256(content).hexdigest())
    one.fitted.members = replace(one.fitted.members, hashes=hashes)
    with pytest.raises(TrainingError, match="not a number"):
        one.score()


def test_more_checkpoints_than_the_tail_has_steps_lengthen_a_short_training(pool):
    wanted = with_members(RECIPE, 20)
    assert (RECIPE.min_steps, wanted.min_steps) == (30, 67)
    assert len(member_steps(wanted, wanted.steps(10), 20)) == 20


@pytest.mark.parametrize("arch", ["cnn_small+checkpoints=0", "cnn_small+seeds=0"])
def test_no_members_at_all_are_refused(pool, arch):
    with pytest.raises(Exception, match="at least one member"):
        fit(pool, arch)


def test_an_unknown_network_is_refused_as_ever(pool):
    with pytest.raises(DataError, match="no architecture 'huge'"):
        fit(pool, "huge+checkpoints=2")


# --- the training program ---------------------------------------------------------------------


def test_a_job_leaves_members_their_list_and_how_far_they_disagree(job, pool):
    folder = job(arch="cnn_small+checkpoints=3+seeds=2", display=True)
    assert program.run(folder, never) == program.DONE
    told = result(folder)
    assert (told["members"], told["steps"]) == (6, 60)
    assert told["member_bytes"] == sum(f.stat().st_size for f in (folder / "members").iterdir())
    assert not (folder / "model.pt").exists()
    listed = (folder / "members.sha256").read_bytes()
    assert hashlib.sha256(listed).hexdigest() == told["model_sha256"]
    for name in ("pred", "uncertainty", "least", "entropy", "mutual", "variation", "probs"):
        content = (folder / f"{name}.npy").read_bytes()
        assert hashlib.sha256(content).hexdigest() == told[f"{name}_sha256"]
    assert np.load(folder / "variation.npy").max() <= 1 - 1 / 6


def test_a_job_without_room_says_so(job):
    folder = job(arch="cnn_small+checkpoints=30", training={"members_gib": 0.001})
    assert program.run(folder, never) == program.FAILED
    told = result(folder)
    assert told["code"] == "disk_full"
    assert "30 members take" in told["message"]
    assert not (folder / "members").exists()

"""Recordings: drawn as the engine draws, whole after each round, the same after a kill."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import selection
from mcal_engine.errors import DataError
from mcal_engine.lab import recording
from mcal_engine.lab.recorder import record
from mcal_engine.types import MEASURES
from tests.engine.lab.support import SIZES, Breaking, job, recorded, same


def test_every_round_has_its_size_and_scores_of_every_image(tmp_path):
    made = recorded(tmp_path)
    assert made.sizes == SIZES
    for taken in made.rounds:
        assert made.train(taken.number).sum() == taken.train_size
        assert len(taken.scores().pred) == len(taken.scores().uncertainty) == 3000


def test_the_file_holds_all_of_it(tmp_path):
    made = recorded(tmp_path, keep_truth=True)
    again = recording.load(tmp_path / "run.npz")
    assert same(made, again)
    assert again.about == made.about
    assert np.array_equal(again.truth, made.truth)
    assert [t.take().train_seconds for t in again.rounds] == [
        t.take().train_seconds for t in made.rounds
    ]


def test_labels_are_kept_only_where_asked_for(tmp_path):
    recorded(tmp_path)
    assert recording.load(tmp_path / "run.npz").truth is None


def test_all_three_measures_keep_their_order(tmp_path):
    made, learner = job()
    taken = record(made, learner, tmp_path / "run.npz").rounds[0]
    items = np.flatnonzero(recording.load(tmp_path / "run.npz").joined == 1)
    real = learner.train_and_score(items, made.truth[items], seed=1000, arch="cnn_small").scores
    for measure in MEASURES:
        one, two = (np.argsort(s.by(measure), kind="stable") for s in (taken.scores(), real))
        assert np.array_equal(one, two)


def test_the_first_batch_is_the_engines(tmp_path):
    made, _ = job(seed=3)
    config = replace(made.config(), seed_share=SIZES[0] / 3000)
    expected = selection.draw_seed(config, np.arange(3000))
    assert set(recorded(tmp_path, seed=3).batch(1)) == set(expected)


def test_later_batches_are_the_engines(tmp_path):
    made, _ = job()
    found = recorded(tmp_path)
    outside = np.flatnonzero(~found.train(2))
    batch = selection.acquire(
        made.config(), outside, found.rounds[1].scores(), SIZES[2] - SIZES[1], 2
    )
    assert set(batch) == set(found.batch(3))


@pytest.mark.parametrize("trainings", [0, 1, 4])
def test_a_killed_recording_goes_on_to_the_same_end(tmp_path, trainings):
    made, learner = job()
    out = tmp_path / "killed.npz"
    with pytest.raises(KeyboardInterrupt):
        record(made, Breaking(learner, trainings), out)
    assert same(record(made, learner, out, resume=True), recorded(tmp_path))


def test_going_on_may_add_sizes(tmp_path):
    made, learner = job(sizes=SIZES[:3])
    record(made, learner, tmp_path / "short.npz")
    longer, learner = job()
    assert same(record(longer, learner, tmp_path / "short.npz", resume=True), recorded(tmp_path))


@pytest.mark.parametrize("change", [{"seed": 1}, {"acquisition": "random"}, {"archs": ("b",)}])
def test_going_on_with_another_job_is_refused(tmp_path, change):
    recorded(tmp_path, sizes=SIZES[:1])
    made, learner = job()
    with pytest.raises(DataError, match=next(iter(change))):
        record(replace(made, **change), learner, tmp_path / "run.npz", resume=True)


def test_going_on_where_recipes_have_learnt_new_settings(tmp_path):
    made, learner = job(sizes=SIZES[:2], recipe={"epochs": 3})
    record(made, learner, tmp_path / "run.npz")
    newer = replace(made, sizes=SIZES[:3], recipe={"epochs": 3, "unheard_of": 0})
    assert record(newer, learner, tmp_path / "run.npz", resume=True).sizes == SIZES[:3]
    with pytest.raises(DataError, match="recipe"):
        record(replace(made, recipe={"epochs": 4}), learner, tmp_path / "run.npz", resume=True)


def test_a_recording_is_not_overwritten_by_chance(tmp_path):
    recorded(tmp_path, sizes=SIZES[:1])
    with pytest.raises(DataError, match="exists"):
        recorded(tmp_path, sizes=SIZES[:1])


def test_architectures_share_one_training_set(tmp_path):
    made = recorded(tmp_path, archs=("one", "two"), sizes=SIZES[:3])
    assert list(made.rounds[2].takes) == ["one", "two"]
    again = recording.load(tmp_path / "run.npz")
    assert same(made, again)
    assert again.rounds[0].take("two").model.startswith("synthetic:two:60")
    with pytest.raises(DataError, match="three was not recorded"):
        again.rounds[0].take("three")


@pytest.mark.parametrize("sizes", [(), (0, 5), (10, 5), (5, 5), (10, 4000)])
def test_sizes_that_make_no_sense_are_refused(tmp_path, sizes):
    with pytest.raises(DataError, match="sizes"):
        recorded(tmp_path, sizes=sizes)


def test_scores_that_are_no_numbers_are_refused(tmp_path):
    made, learner = job()

    class Nan:
        def train_and_score(self, *given, **more):
            found = learner.train_and_score(*given, **more)
            bad = np.full_like(found.scores.uncertainty, np.nan)
            return replace(found, scores=replace(found.scores, uncertainty=bad))

    with pytest.raises(DataError, match="finite"):
        record(made, Nan(), tmp_path / "run.npz")


def test_people_who_err_are_what_training_sees(tmp_path):
    made, learner = job()
    seen = {}

    class Noting:
        def train_and_score(self, items, labels, **more):
            seen[len(items)] = labels
            return learner.train_and_score(items, labels, **more)

    given = (made.truth + 1) % made.classes
    found = record(replace(made, given=given, given_name="all wrong"), Noting(), tmp_path / "a.npz")
    assert np.array_equal(seen[60], given[found.joined == 1])
    assert found.about.given == "all wrong"
    assert found.about.given_sha256 != found.about.labels_sha256


def test_k_center_asks_for_features_even_after_a_kill(tmp_path):
    made, learner = job(acquisition="k_center", sizes=SIZES[:3])
    whole = record(made, learner, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        record(made, Breaking(learner, 2), tmp_path / "killed.npz")
    assert same(record(made, learner, tmp_path / "killed.npz", resume=True), whole)


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut"])
def test_what_is_no_recording_is_said_so(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.npz is not a recording"):
        recording.load(tmp_path / "bad.npz")


def test_a_newer_recording_is_refused(tmp_path):
    made = recorded(tmp_path, sizes=SIZES[:1])
    newer = replace(made, about=replace(made.about, version=99))
    (tmp_path / "new.npz").write_bytes(recording.to_bytes(newer))
    with pytest.raises(DataError, match="newer version"):
        recording.load(tmp_path / "new.npz")


def test_a_recording_can_be_cut_to_its_first_rounds(tmp_path):
    made = recorded(tmp_path)
    short = made.up_to(3)
    assert short.sizes == SIZES[:3]
    assert (short.joined > 0).sum() == SIZES[2]
    assert (tmp_path / "run.npz").stat().st_size < 3000 * len(SIZES) * 40  # knots dominate here

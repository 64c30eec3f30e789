"""A search as it runs: who learns from what, what it reaches, and what a killed one loses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mcal_engine.errors import CancelledError, DataError
from mcal_engine.learner import SyntheticLearner
from mcal_engine.search import Scheme
from mcal_engine.search_compare import compare
from mcal_engine.search_stages import DRAWN, FULL, SUBSET, Search, Votes
from mcal_engine.search_store import Folder, Memory, key_of
from tests.engine.search_worlds import CLASSES, GroupLearner, World, settings

WORLD = World()


def begin(chosen=None, *, learner=None, store=None, seed=0, **more):
    return Search(
        chosen or settings(), WORLD.pool, learner or GroupLearner(WORLD), store or Memory(), seed,
        **more,
    )  # fmt: skip


def folder(path, chosen=None):
    return Folder(path, key_of(chosen or settings(), WORLD.pool, "images", {}))


def test_build_up_doubles_from_a_random_start_and_keeps_what_it_has():
    stages = list(begin().stages())
    assert [len(stage.items) for stage in stages] == [320, 640]
    assert [stage.facts["kind"] for stage in stages] == ["random", "acquired"]
    assert stages[0].items.tolist() == stages[1].items[:320].tolist()
    assert len(np.unique(stages[1].items)) == 640
    assert not WORLD.pool.held_out[stages[1].items].any()


def test_build_up_learns_only_from_the_stage_before():
    """The one scheme that never needs all labels."""
    learner = GroupLearner(WORLD)
    stages = list(begin(settings(0.8), learner=learner).stages())
    for seen, stage in zip(learner.learnt, stages, strict=False):
        np.testing.assert_array_equal(seen, np.sort(stage.items))
    assert [entry[3] for entry in learner.log] == [320, 640]


@pytest.mark.parametrize("scheme", [Scheme.COMPRESS, Scheme.PRETRAIN])
def test_the_other_schemes_learn_from_all_of_the_labelled_set_first(scheme):
    learner = GroupLearner(WORLD)
    stages = list(begin(settings(scheme=scheme), learner=learner).stages())
    assert [len(stage.items) for stage in stages] == [640]
    np.testing.assert_array_equal(learner.learnt[0], WORLD.pool.items)


def test_a_search_covers_what_a_random_draw_loses():
    search = begin(settings(0.4))
    found, drawn = WORLD.coverage(search.subset()), WORLD.coverage(search.random_subset())
    assert found > drawn + 0.05
    assert found > 0.95


def test_the_accuracy_of_a_judged_set_follows_its_coverage():
    search = begin()
    for name, items in ((SUBSET, search.subset()), (DRAWN, search.random_subset())):
        known = WORLD.coverage(items)
        facts = search.judge(name, items, 1)
        guessed = 0.45  # at most, by five members who guess among four classes
        assert known <= facts["accuracy"] <= known + (1 - known) * guessed + 0.03
        assert facts["images"] == 640


def test_what_is_left_is_easier_than_what_was_taken():
    """The paper's Table 2: the unselected part is the redundant one."""
    world = World(enough=5)
    search = Search(settings(0.4), world.pool, GroupLearner(world), Memory(), 0)
    first, second = search.stages()
    left = np.setdiff1d(world.pool.items, second.items)
    known = world.known(second.items)
    assert known[left].mean() > world.known(first.items)[world.pool.items].mean()


@pytest.mark.parametrize(
    "name",
    ["mutual_information", "variation_ratios", "entropy", "margin", "error_count", "random"],
)
def test_every_acquisition_is_repeatable_and_hangs_on_the_seed(name):
    chosen = settings(acquisition=name)
    one, again, other = (begin(chosen, seed=seed).subset().tolist() for seed in (3, 3, 4))
    assert one == again
    assert one != other


def test_random_trains_nothing():
    learner = GroupLearner(WORLD)
    search = begin(settings(acquisition="random"), learner=learner)
    search.subset()
    assert (learner.log, search.trainings) == ([], 0)


def test_the_error_count_of_a_single_model_is_whether_it_errs():
    learner = GroupLearner(WORLD)
    chosen = settings(acquisition="error_count", acquirer="toy", scheme=Scheme.COMPRESS, share=0.1)
    world = World(enough=9)  # groups of ten lose two to the held-out part: never known
    learner = GroupLearner(world)
    search = Search(chosen, world.pool, learner, Memory(), 0)
    taken = search.subset()
    scores = learner._scores(world.known(world.pool.items), learner.log[0][2], "toy")
    assert (scores.pred != world.labels)[taken].all()


def test_votes_count_members_against_the_label():
    labels = np.array([0, 1, 1])
    votes = Votes(labels)
    for member, p in enumerate(([[0.9, 0.1]] * 3, [[0.2, 0.8]] * 3)):
        votes.take(member, slice(0, 2), np.array(p[:2]))
        votes.take(member, slice(2, 3), np.array(p[2:]))
    assert votes.share().tolist() == [0.5, 0.5, 0.5]


def test_images_without_a_vote_are_an_error():
    votes = Votes(np.array([0, 1]))
    votes.take(0, slice(0, 1), np.array([[0.9, 0.1]]))
    with pytest.raises(DataError, match="not every image was voted on"):
        votes.share()


def test_a_learner_that_shows_no_members_counts_no_errors():
    learner = SyntheticLearner(WORLD.labels, CLASSES)
    chosen = settings(acquisition="error_count", acquirer="toy")
    with pytest.raises(DataError, match="does not show what each member says"):
        begin(chosen, learner=learner).subset()


def test_a_learner_that_cannot_tune_is_refused_for_pretrain():
    with pytest.raises(DataError, match="cannot fine-tune"):
        begin(
            settings(scheme=Scheme.PRETRAIN, acquisition="margin"),
            learner=SyntheticLearner(WORLD.labels, CLASSES),
        )


def test_pretrain_trains_its_base_once_per_seed():
    learner = GroupLearner(WORLD)
    compare(settings(scheme=Scheme.PRETRAIN), WORLD.pool, learner, Memory(), (0, 1))
    assert [entry[0] for entry in learner.log] == ["train", "pretrain", "tune", "tune"] * 2


def test_pretrain_makes_its_base_anew_where_only_the_fine_tuning_is_left():
    store, chosen = Memory(), settings(scheme=Scheme.PRETRAIN)
    compare(chosen, WORLD.pool, GroupLearner(WORLD), store, (0,))
    del store.steps["0-model-search"]
    learner = GroupLearner(WORLD)
    compare(chosen, WORLD.pool, learner, store, (0,))
    assert [entry[0] for entry in learner.log] == ["pretrain", "tune"]


# --- killed, cancelled, moved ----------------------------------------------------------------


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_search_that_is_killed_at_any_training_ends_the_same(tmp_path, scheme):
    chosen = settings(0.8, scheme=scheme)
    whole = GroupLearner(WORLD)
    expected = compare(chosen, WORLD.pool, whole, Memory(), (0, 1))
    for number in range(len(whole.log)):
        store = folder(tmp_path / str(number), chosen)
        with pytest.raises(KeyboardInterrupt):
            compare(chosen, WORLD.pool, GroupLearner(WORLD, breaks_at=number), store, (0, 1))
        rest = GroupLearner(WORLD)
        store = folder(tmp_path / str(number), chosen)
        result, subset = compare(chosen, WORLD.pool, rest, store, (0, 1))
        assert result == expected[0]
        assert subset.tolist() == expected[1].tolist()
        again = rest.log[0][0] == "pretrain" and number > 0  # its weights were in memory
        assert len(rest.log) <= len(whole.log) - number + again


def test_a_cancelled_search_keeps_its_stages(tmp_path):
    chosen, asked = settings(0.8), []
    with pytest.raises(CancelledError):
        compare(
            chosen,
            WORLD.pool,
            GroupLearner(WORLD),
            folder(tmp_path, chosen),
            (0,),
            cancelled=lambda: bool(asked),
            watch=asked.append,
        )
    assert len(list(tmp_path.glob("0-stage-*.json"))) == 2


def test_stages_of_other_settings_do_not_count(tmp_path):
    begin(store=folder(tmp_path)).subset()
    other = settings(outliers=0.1)
    learner = GroupLearner(WORLD)
    begin(other, learner=learner, store=folder(tmp_path, other)).subset()
    assert len(learner.log) == 1


@pytest.mark.parametrize("part", ["key", "images", "labels", "held_out"])
def test_the_key_holds_all_that_decides(part):
    pool, images, more = WORLD.pool, "images", {}
    before = key_of(settings(), pool, images, more)
    if part == "key":
        more = {"epochs": 3}
    elif part == "images":
        images = "others"
    elif part == "labels":
        pool = replace(pool, labels=(pool.labels + 1) % CLASSES)
    else:
        pool = replace(pool, held_out=~pool.held_out)
    assert key_of(settings(), pool, images, more) != before
    assert key_of(settings(), WORLD.pool, "images", {}) == before


@pytest.mark.parametrize("damage", ["cut", "other", "missing", "no json"])
def test_a_stage_whose_files_are_not_whole_is_made_anew(tmp_path, damage):
    begin(store=folder(tmp_path)).subset()
    array, facts = tmp_path / "0-stage-2.npy", tmp_path / "0-stage-2.json"
    if damage == "cut":
        array.write_bytes(array.read_bytes()[:-8])
    elif damage == "other":
        np.save(array, np.arange(640))
    elif damage == "missing":
        array.unlink()
    else:
        facts.write_text("{")
    learner = GroupLearner(WORLD)
    begin(learner=learner, store=folder(tmp_path)).subset()
    assert len(learner.log) == 1
    assert json.loads(facts.read_text())["facts"]["size"] == 640


def test_nothing_half_written_is_left(tmp_path):
    begin(store=folder(tmp_path)).subset()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"0-stage-{k}.{ending}" for k in (1, 2) for ending in ("json", "npy")
    }


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        folder(tmp_path / "file" / "below")


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(_path, _array):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mcal_engine.search_store.write_array", full)
    with pytest.raises(DataError.__base__, match="The disk is full") as caught:
        begin(store=folder(tmp_path)).subset()
    assert caught.value.code == "disk_full"


def test_each_training_is_announced_in_order():
    told = []
    compare(settings(0.8), WORLD.pool, GroupLearner(WORLD), Memory(), (5,), watch=told.append)
    assert [(s.step, s.steps, s.purpose, s.stage, s.images) for s in told] == [
        (1, 5, "acquire", 2, 320),
        (2, 5, "acquire", 3, 640),
        (3, 5, FULL, 0, 1600),
        (4, 5, SUBSET, 0, 1280),
        (5, 5, DRAWN, 0, 1280),
    ]

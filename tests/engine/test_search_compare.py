"""What a search is worth: paired comparison over seeds, and transfer to another network."""

import numpy as np
import pytest

from mcal_engine.errors import DataError, InvalidConfigError
from mcal_engine.search import Scheme
from mcal_engine.search_compare import SETS, compare, judgement, lines, transfer
from mcal_engine.search_stages import DRAWN, FULL, SUBSET
from mcal_engine.search_store import Memory
from tests.engine.search_worlds import GroupLearner, World, settings

WORLD = World()


def run(chosen=None, seeds=(0, 1, 2), **more):
    return compare(chosen or settings(), WORLD.pool, GroupLearner(WORLD), Memory(), seeds, **more)


def test_a_search_beats_a_random_subset_beyond_the_interval_and_nearly_reaches_all():
    result, _ = run()
    gain = result["differences"]["search - random"]
    assert gain["low"] > 0
    assert result["differences"]["search - full"]["mean"] == pytest.approx(0, abs=0.05)
    assert result["images"] == {FULL: 1600, SUBSET: 640, DRAWN: 640}


def test_the_subset_returned_is_the_first_seeds():
    result, subset = run(seeds=(1, 0))
    alone, again = run(seeds=(1,))
    assert subset.tolist() == again.tolist()
    assert result["runs"][0] == alone["runs"][0]


def test_every_model_of_a_seed_has_the_same_training_seed():
    learner = GroupLearner(WORLD)
    compare(settings(), WORLD.pool, learner, Memory(), (0, 1))
    models = [entry[2] for entry in learner.log if entry[3] in {640, 1600}]
    assert len(models) == 6
    assert len(set(models[:3])) == len(set(models[3:])) == 1
    assert models[0] != models[3]


def test_without_sets_only_the_subset_is_made():
    result, subset = run(sets=())
    assert len(subset) == 640
    assert result["accuracy"] == result["differences"] == {}


def test_differences_are_paired():
    runs = [
        {"models": {name: {"accuracy": level + step} for name, step in steps.items()}}
        for level, steps in (
            (0.5, {FULL: 0.1, SUBSET: 0.1, DRAWN: 0.0}),
            (0.8, {FULL: 0.1, SUBSET: 0.12, DRAWN: 0.0}),
        )
    ]
    found = judgement(runs, SETS)["differences"]
    assert found["search - random"]["mean"] == pytest.approx(0.11)
    assert found["search - random"]["std"] == pytest.approx(0.02 / np.sqrt(2))
    assert found["search - full"]["values"] == pytest.approx([0.0, 0.02])


def test_the_result_is_said_in_lines():
    text = "\n".join(lines(run()[0]))
    assert "640 images" in text
    assert "search - random" in text
    assert "95 %" in text
    assert "one seed: no interval" in "\n".join(lines(run(seeds=(0,))[0]))


def test_classes_and_stages_are_counted():
    result, subset = run(seeds=(0,))
    stages = result["runs"][0]["stages"]
    assert [stage["size"] for stage in stages] == result["sizes"] == [320, 640]
    assert stages[1]["per_class"] == np.bincount(WORLD.labels[subset], minlength=4).tolist()
    assert sum(stages[0]["per_class"]) == 320
    assert 0 <= stages[1]["accuracy_left"] <= 1


def test_a_subset_serves_another_network():
    _, subset = run(seeds=(0,))
    found = transfer(subset, WORLD.pool, GroupLearner(WORLD), Memory(), "big+seeds=3", (0, 1))
    assert found["accuracy"][SUBSET]["mean"] > found["accuracy"][DRAWN]["mean"]
    assert found["settings"]["model"] == "big+seeds=3"
    assert found["images"][SUBSET] == 640


def test_other_seeds_of_a_transfer_draw_other_random_subsets():
    learner = GroupLearner(WORLD)
    _, subset = run(seeds=(0,))
    transfer(subset, WORLD.pool, learner, Memory(), "big", (0, 1))
    drawn = [learner.learnt[k].tolist() for k in (2, 5)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    ("subset", "words"),
    [
        ([], "one image or more"),
        ([1, 1], "each of them once"),
        ([1, 5], "held out"),  # every fifth is
        ([1, 2000], "beyond the 2,000"),
    ],
)
def test_a_subset_that_does_not_fit_is_refused(subset, words):
    with pytest.raises(DataError, match=words):
        transfer(np.array(subset, np.int64), WORLD.pool, GroupLearner(WORLD), Memory(), "big", (0,))


def test_all_of_the_set_is_no_subset():
    with pytest.raises(InvalidConfigError, match="whole set"):
        transfer(WORLD.pool.items, WORLD.pool, GroupLearner(WORLD), Memory(), "big", (0,))


def test_seeds_are_checked():
    with pytest.raises(InvalidConfigError, match="one seed or more"):
        run(seeds=())


@pytest.mark.parametrize("scheme", list(Scheme))
def test_what_is_held_out_is_never_learnt_from(scheme):
    learner = GroupLearner(WORLD)
    compare(settings(scheme=scheme), WORLD.pool, learner, Memory(), (0, 1))
    assert not any(WORLD.pool.held_out[items].any() for items in learner.learnt)


def test_what_the_learner_cannot_train_is_refused_before_anything_is_trained():
    class Picky(GroupLearner):
        def check(self, arch):
            if arch.startswith("huge"):
                raise DataError(f"there is no {arch}")

    learner = Picky(WORLD)
    with pytest.raises(DataError, match="there is no huge"):
        compare(settings(model="huge"), WORLD.pool, learner, Memory(), (0,))
    assert learner.log == []

"""Kinds of ensembles from one set of members, and how far checkpoints agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import ensembles
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.lab.consensus import Collector, agreement, kinds


def test_the_papers_kinds_are_parts_of_a_hundred_members():
    found = {kind.name: kind.members for kind in kinds(5, (5, 20))}
    assert list(found) == [
        "single",
        "seeds (5)",
        "checkpoints (5)",
        "checkpoints (20)",
        "combined (100)",
    ]
    assert found["single"] == (19,)
    assert found["seeds (5)"] == (19, 39, 59, 79, 99)
    assert found["checkpoints (5)"] == (3, 7, 11, 15, 19)  # every fourth, as epochs 130:5:150
    assert found["checkpoints (20)"] == tuple(range(20))
    assert found["combined (100)"] == tuple(range(100))


@given(st.integers(2, 6), st.lists(st.integers(2, 40), min_size=1, max_size=4))
def test_kinds_have_the_members_that_they_say(runs, checkpoints):
    kept = max(checkpoints)
    for kind in kinds(runs, checkpoints)[1:]:
        assert kind.name.endswith(f"({len(kind.members)})")
        assert len(set(kind.members)) == len(kind.members)
        assert 0 <= min(kind.members) <= max(kind.members) < runs * kept
        assert max(kind.members) % kept == kept - 1


@pytest.mark.parametrize(("runs", "checkpoints"), [(1, (5,)), (5, ()), (5, (1,))])
def test_one_of_anything_has_no_consensus(runs, checkpoints):
    with pytest.raises(InvalidConfigError, match="two runs or more"):
        kinds(runs, checkpoints)


def heard(members=6, n=50, classes=3, blocks=2, seed=0):
    """Return what 2 runs of 3 checkpoints said, told block by block."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), (members, n))
    collector = Collector(n, classes, kinds(2, (2, 3)), members)
    for rows in np.array_split(np.arange(n), blocks):
        for member in range(members):
            here = slice(rows[0], rows[-1] + 1)
            collector.take(member, here, p[member, here])
    return p, collector


def test_each_kind_is_the_mean_of_its_members():
    p, collector = heard()
    labels = np.arange(50) % 3
    for kind in collector.kinds:
        chosen = p[list(kind.members)]
        right = chosen.mean(axis=0).argmax(axis=1) == labels
        found = collector.accuracy(kind, labels, {"a": np.arange(10), "b": np.arange(10, 50)})
        assert found == {
            "a": pytest.approx(right[:10].mean()),
            "b": pytest.approx(right[10:].mean()),
        }
        np.testing.assert_allclose(
            collector.scores(kind).mutual, ensembles.mutual_information(chosen), atol=1e-6
        )
    np.testing.assert_array_equal(collector.votes, p.argmax(axis=2))


def test_a_silent_member_is_noticed():
    _, collector = heard()
    collector.take(0, slice(0, 1), np.array([[0.2, 0.3, 0.5]]))
    with pytest.raises(InvalidAnswerError, match="not every member"):
        collector.check()


def test_agreement_in_closed_form():
    votes = np.array([[1, 0, 2, 3], [0, 0, 2, 3], [0, 1, 2, 3]], dtype=np.uint16)
    assert agreement(votes) == {"n": [2, 3], "all": [0.75, 0.5], "pairs": [0.75, 0.75]}


@given(st.integers(0, 2**20), st.integers(2, 8), st.integers(1, 30))
def test_more_checkpoints_never_agree_on_more(seed, checkpoints, images):
    votes = np.random.default_rng(seed).integers(0, 3, (checkpoints, images)).astype(np.uint16)
    found = agreement(votes)
    assert (np.diff(found["all"]) <= 1e-12).all()
    assert found["all"][0] == found["pairs"][0]
    every = (votes == votes[0]).all(axis=0).mean()
    assert found["all"][-1] == pytest.approx(every)
    assert all(a <= b + 1e-12 for a, b in zip(found["all"], found["pairs"], strict=True))


@pytest.mark.parametrize("shape", [(1, 5), (3, 0)])
def test_agreement_needs_two_votes_on_something(shape):
    with pytest.raises(InvalidAnswerError, match="two checkpoints or more"):
        agreement(np.zeros(shape, dtype=np.uint16))

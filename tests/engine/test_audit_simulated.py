"""Certificate A in simulation, at a reduced number of audits (tests/bench/sim_audit.py)."""

import numpy as np
import pytest

from mcal_engine import audit
from mcal_engine.types import Audit
from tests.bench import sim_audit
from tests.bench.sim_audit import LEVEL, Rule, World

AUDITS = 150
MOST = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / AUDITS)
SMALL = World("small", (300, 500, 600), (10, 30, 101), (0.02, 0.05, 0.1))


@pytest.mark.parametrize("world", sim_audit.boundary_worlds()[:4:2], ids=lambda w: w.name)
def test_audits_are_wrong_no_more_often_than_alpha(world):
    assert sim_audit.false_rate(world, AUDITS, seed=5) <= MOST


def test_nor_are_they_with_late_answers_and_slow_wrong_ones():
    world = sim_audit.boundary_worlds()[1]
    assert sim_audit.late_false_rate(world, AUDITS, seed=5, prefix=True, slow=20.0) <= MOST


def test_counting_whatever_has_come_in_would_break_the_promise():
    """The control: the simulation does notice a rule that is wrong."""
    world = sim_audit.boundary_worlds()[0]
    assert sim_audit.late_false_rate(world, 60, seed=5, prefix=False, slow=20.0) > 0.3


def test_a_set_inside_its_limit_takes_about_as_many_labels_as_planned():
    found = sim_audit.lengths(0.02, 100, seed=1, corrected=True)
    planned = float(audit.expected_labels(0.02, sim_audit.N, 500, 0.05))
    assert 0.75 * planned < found.mean() < 1.15 * planned


def frozen(world):
    cuts = tuple(float(j) for j in range(len(world.sizes)))
    return Audit(
        attempt=1,
        alpha=LEVEL,
        arch="",
        model="",
        key="",
        frozen="",
        cuts=cuts,
        sizes=world.sizes,
        allowances=world.allowances,
        forecasts=world.forecasts,
        planned=0,
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_simulation_follows_the_engine_label_by_label(seed):
    """The boundaries of the simulation give the verdict of `audit.verdict` at every length."""
    level, wrong = SMALL.draw(np.random.default_rng(seed))
    n, k = sim_audit.counts(SMALL, level, wrong)
    rule = Rule.of(SMALL)
    inside = level[:, None] <= np.arange(3)
    for length in (1, 30, 60, 100, 200, 300):
        passed = sim_audit.followed(rule, n[:length], k[:length])
        doors = np.concatenate([[True], np.logical_and.accumulate(passed.strict < length)[:-1]])
        expected = tuple(bool(x) for x in (passed.own < length) & doors)
        prefix = audit.Seen(inside[:length], wrong[:length])
        assert audit.verdict(frozen(SMALL), prefix) == expected


def test_a_world_holds_the_wrong_labels_it_says():
    level, wrong = SMALL.draw(np.random.default_rng(0))
    found = [int(wrong[level <= j].sum()) for j in range(3)]
    assert found == list(SMALL.errors)
    assert [int((level <= j).sum()) for j in range(3)] == list(SMALL.sizes)


@pytest.mark.parametrize("seed", range(4))
def test_the_moments_that_matter_are_enough(seed):
    level, wrong = SMALL.draw(np.random.default_rng(seed))
    rule = Rule.of(SMALL)
    whole = sim_audit.followed(rule, *sim_audit.counts(SMALL, level, wrong))
    few = sim_audit.followed(rule, *sim_audit.key_counts(SMALL, level, wrong))
    for every, some in ((whole.own, few.own), (whole.strict, few.strict)):
        assert np.array_equal(every == sim_audit.NEVER, some == sim_audit.NEVER)
        for j in np.flatnonzero(every < sim_audit.NEVER):
            assert np.array_equal(whole.found[every[j]], few.found[some[j]])

"""Whole projects: T stays fair under every M(.), and promises hold where audits fail."""

import numpy as np
import pytest

from mcal_engine import selection
from mcal_engine.types import RunConfig
from tests.bench.sim_projects import ALPHA, WORLDS, Ended, N, project, row
from tests.engine.support import config, world

SCHEDULE = (60, 100, 150, 200)


def gap(settings: RunConfig, *, held_out: bool = False) -> float:
    """Return T's error rate less the remainder's, after batches of a fixed schedule.

    `held_out`: batches pass over the marks, as a test set is usually kept.
    """
    labels, learner = world(settings)
    marked, train = np.zeros((2, settings.n), dtype=np.bool_)
    marked[selection.draw_test(settings)] = True
    train[selection.draw_seed(settings, np.arange(settings.n))] = True
    features = settings.acquisition == "k_center"
    for step, delta in enumerate((*SCHEDULE, 0)):
        items = np.flatnonzero(train)
        scores = learner.train_and_score(
            items, labels[items], seed=step, arch="net", features=features
        ).scores
        if delta:
            left = np.flatnonzero(~train & ~marked if held_out else ~train)
            train[selection.acquire(settings, left, scores, delta, step, train)] = True
    wrong = scores.pred != labels
    return float(wrong[marked & ~train].mean() - wrong[~marked & ~train].mean())


@pytest.mark.parametrize("acquisition", ["margin", "k_center", "random"])
def test_marks_err_as_the_remainder_does(acquisition):
    """Within 3 standard errors of the mean over 40 pools."""
    assert abs(standard_errors(acquisition)) <= 3


def test_a_test_set_that_is_held_out_errs_more():
    """The pool loses its hard images, that test set keeps them: this check can fail."""
    assert standard_errors("margin", held_out=True) > 3


def standard_errors(acquisition: str, *, held_out: bool = False) -> float:
    """Return the mean gap over 40 pools in its standard errors."""
    settings = [
        config(1500, seed=seed, acquisition=acquisition, test_share=0.1) for seed in range(40)
    ]
    gaps = [gap(one, held_out=held_out) for one in settings]
    return float(np.mean(gaps) / (np.std(gaps, ddof=1) / np.sqrt(len(gaps))))


@pytest.fixture(scope="module")
def ended() -> list[Ended]:
    return [project(world, 11) for world in WORLDS[2::3]]


def test_promises_hold_where_audits_fail(ended):
    """Several attempts are made; each promise holds (a broken one has chance below alpha)."""
    assert ALPHA == 0.05
    assert max(e.attempts for e in ended) > 1
    assert not any(e.broken for e in ended)
    assert all(e.answered == N for e in ended)


def test_a_broken_promise_would_be_counted():
    fine = Ended(wrong=20, promised=20, allowed=150, machine=900, attempts=1, bought=2100)
    broken = Ended(wrong=21, promised=20, allowed=150, machine=900, attempts=2, bought=2100)
    assert [fine.broken, broken.broken] == [False, True]
    assert row(WORLDS[0], [fine, broken]).endswith("| 2 | 30% | 1 |")

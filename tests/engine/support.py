"""Small worlds for the engine's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcal_engine import mcal, simulate
from mcal_engine.learner import SyntheticLearner
from mcal_engine.types import (
    THETAS,
    Finished,
    IterationRecord,
    McalState,
    Measured,
    Pool,
    Prices,
    Request,
    RunConfig,
    Scores,
    Target,
    Trained,
)


def config(n=2000, classes=4, *, epsilon=0.05, alpha=0.05, label=0.04, compute=3.6, **more):
    target = Target(epsilon=epsilon, alpha=alpha)
    return RunConfig(n=n, classes=classes, prices=Prices(label, compute), target=target, **more)


def world(settings, **learner):
    labels = np.random.default_rng(settings.seed).integers(0, settings.classes, settings.n)
    return labels, SyntheticLearner(labels, settings.classes, world=settings.seed, **learner)


def drive(settings, *, until=Finished, **learner):
    """Run until a request of this type comes; return (driver, [(state, request)], answers)."""
    labels, model = world(settings, **learner)
    driver = simulate.Driver(settings, simulate.Oracle(labels), model)
    steps: list[tuple[McalState, Request]] = [mcal.start(settings)]
    answers = []
    while not isinstance(steps[-1][1], until):
        state, request = steps[-1]
        answers.append(driver.answer(request))
        steps.append(mcal.advance(state, answers[-1]))
    return driver, steps, answers


def simulated(settings, **learner):
    labels, model = world(settings, **learner)
    return simulate.run(settings, simulate.Oracle(labels), model)


def scores(uncertainty, pred=None):
    uncertainty = np.asarray(uncertainty, dtype=np.float32)
    guesses = np.zeros(len(uncertainty)) if pred is None else pred
    return Scores(np.asarray(guesses, dtype=np.uint16), uncertainty, "model")


def pool(n, *, train=(), marked=(), labels=None, excluded=()):
    def at(items):
        flags = np.zeros(n, dtype=np.bool_)
        flags[list(items)] = True
        return flags

    known = np.full(n, -1, dtype=np.int64) if labels is None else np.asarray(labels)
    return Pool(at(train), at(marked), known, at(excluded))


def record(train_size, errors, *, test_size=500, n=10_000, seconds=8.0, **more):
    """Return an iteration whose T shows the error share `errors(theta)` in each theta."""
    tests = tuple(round(theta * test_size) for theta in THETAS)
    made = IterationRecord(
        number=1,
        train_size=train_size,
        delta=0,
        test_size=test_size,
        remainder=n - train_size - test_size,
        thresholds=THETAS,
        test_counts=tests,
        test_errors=tuple(round(errors(t) * c) for t, c in zip(THETAS, tests, strict=True)),
        train_seconds=seconds,
        score_seconds=1.0,
        samples_shown=40_000,
        committed=0.0,
    )
    return replace(made, **more)


def trained(request_id, seen, view, *, arch="cnn_small", seconds=1.0):
    """Return the answer to a training of one architecture."""
    return Trained(request_id, seen, (Measured(arch, view, seconds, 1.0, 1000),))

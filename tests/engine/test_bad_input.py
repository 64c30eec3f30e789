"""Bad input: each time the right decision or a clear EngineError, and never a lost label."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mcal_engine import __main__ as command
from mcal_engine import mcal, simulate, state_io
from mcal_engine.errors import (
    EngineError,
    InvalidAnswerError,
    InvalidConfigError,
    StateVersionError,
    TrainingError,
)
from mcal_engine.types import (
    CertificateKind,
    Finished,
    MachineLabelRequest,
    Purpose,
    Target,
    TrainRequest,
)
from tests.engine.support import config, drive, trained, world

KINDS = list(CertificateKind)


def settings_of(kind, *, epsilon=0.05, n=1200, **more):
    made = config(n, **more)
    return replace(made, target=Target(epsilon, certificate=kind))


def finished(settings, labels, learner):
    """Run to the end; every image has exactly one label and each was paid once."""
    driver = simulate.Driver(settings, simulate.Oracle(labels), learner)
    result = simulate.drive(settings, driver)
    assert sum(result["counts"].values()) == settings.n
    assert ((driver.labels >= 0) ^ driver.machine).all()
    assert driver.oracle.paid() == settings.n - driver.machine.sum()
    json.dumps(result, allow_nan=False)
    return result


@dataclass
class Bent:
    """A learner whose reports are changed by `bend(model, size of B)` before they are told."""

    inner: object
    bend: object

    def train_and_score(self, items, labels, **more):
        return self.bend(self.inner.train_and_score(items, labels, **more), len(items))


def scored(model, **changes):
    return replace(model, scores=replace(model.scores, **changes))


# --- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [4, 99, -2])
def test_a_label_outside_the_classes_is_refused_before_anything_is_trained(label):
    driver, (start, *_), _ = drive(config(), until=TrainRequest)
    state, request = start
    fresh = simulate.Driver(state.config, driver.oracle, driver.learner)
    pool = fresh.pool()
    pool.labels[request.buy] = label
    with pytest.raises(InvalidAnswerError, match="class"):
        mcal.advance(state, simulate.Labelled(request.id, pool))


def test_a_data_set_with_a_missing_label_says_which():
    labels, learner = world(config())
    missing = int(mcal.start(config())[1].buy[5])
    labels[missing] = -1
    with pytest.raises(EngineError, match=f"image {missing} has no label"):
        simulate.run(config(), simulate.Oracle(labels), learner)


def test_a_label_that_is_missing_at_the_end_is_asked_for_again():
    """Taken back in the middle of the run, as an undo does."""
    settings = config(1200)
    labels, learner = world(settings, level=0.1)
    driver = simulate.Driver(settings, simulate.Oracle(labels), learner)
    state, request = mcal.start(settings)
    while not isinstance(request, MachineLabelRequest):
        state, request = mcal.advance(state, driver.answer(request))
    gone = int(np.flatnonzero(driver.marked)[0])
    driver.labels[gone] = -1
    state, request = mcal.advance(state, driver.answer(request))
    assert request.purpose is Purpose.RESIDUAL
    assert gone in request.buy


@pytest.mark.parametrize("field", ["train", "marked", "excluded"])
def test_a_pool_of_another_length_is_refused(field):
    driver, steps, answers = drive(config(), until=TrainRequest)
    pool = replace(driver.pool(), **{field: np.zeros(7, dtype=np.bool_)})
    with pytest.raises(InvalidAnswerError, match="2000 images"):
        mcal.advance(steps[-2][0], replace(answers[-1], pool=pool))


def test_images_that_nobody_could_label_are_left_out_and_the_rest_is_delivered():
    settings = config(1200)
    labels, learner = world(settings, level=0.1)
    broken = np.zeros(1200, dtype=np.bool_)
    broken[::40] = True
    driver = simulate.Driver(settings, simulate.Oracle(labels), learner)
    state, request = mcal.start(settings)
    while not isinstance(request, Finished):
        answer = driver.answer(request)
        driver.labels[broken] = -1
        driver.train &= ~broken
        known = replace(driver.pool(), excluded=broken)
        state, request = mcal.advance(state, replace(answer, pool=known))
    assert ((driver.labels >= 0) | driver.machine)[~broken].all()
    assert driver.machine.any()
    assert not driver.machine[broken].any()


# --- scores -----------------------------------------------------------------------------------


BAD_SCORES = {
    "NaN": {"uncertainty": np.full(2000, np.nan, dtype=np.float32)},
    "infinite": {"uncertainty": np.full(2000, np.inf, dtype=np.float32)},
    "too few": {"uncertainty": np.zeros(1999, dtype=np.float32)},
    "predictions of too few": {"pred": np.zeros(1999, dtype=np.uint16)},
    "an unknown class": {"pred": np.full(2000, 4, dtype=np.uint16)},
    "another measure of too few": {"least": np.zeros(3, dtype=np.float32)},
    "another measure missing": {"least": None},
}


@pytest.mark.parametrize("bad", BAD_SCORES.values(), ids=BAD_SCORES)
def test_scores_that_make_no_sense_are_refused_and_the_state_still_waits(bad):
    settings = config(confidence="least_confidence")
    driver, steps, _ = drive(settings, until=TrainRequest)
    state, request = steps[-1]
    answer = driver.answer(request)
    model = answer.models[0]
    broken = replace(model, scores=replace(model.scores, **bad))
    with pytest.raises(InvalidAnswerError):
        mcal.advance(state, replace(answer, models=(broken,)))
    assert mcal.advance(state, answer)[0].iteration == 1  # the good answer is still taken


@pytest.mark.parametrize("seconds", [np.nan, np.inf, -1.0])
def test_times_that_make_no_sense_are_refused(seconds):
    driver, steps, _ = drive(config(), until=TrainRequest)
    state, request = steps[-1]
    view = driver.answer(request).models[0].scores
    with pytest.raises(InvalidAnswerError, match="seconds"):
        mcal.advance(state, trained(request.id, driver.pool(), view, seconds=seconds))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_probabilities_end_without_a_broken_promise(kind, level):
    """All images look alike: the machine may label all that is left or nothing."""
    settings = settings_of(kind)
    labels, learner = world(settings)
    flat = np.full(1200, level, dtype=np.float32)
    same = {"uncertainty": flat, "least": flat, "entropy": flat}
    result = finished(settings, labels, Bent(learner, lambda m, _: scored(m, **same)))
    assert result["realised_error"] <= 0.05


# --- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_that_neither_t_nor_b_holds_does_no_harm(kind):
    settings = settings_of(kind, classes=5)
    labels, _ = world(replace(settings, classes=4))
    _, learner = world(settings, level=0.1)
    learner = replace(learner, labels=labels)
    first = mcal.start(settings)[1].mark
    labels[np.setdiff1d(np.arange(1200), first)[:2]] = 4
    result = finished(settings, labels, learner)
    assert result["realised_error"] <= 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_errors_labels_nearly_everything(kind):
    settings = settings_of(kind, n=2000)
    labels, learner = world(settings, level=0.0)
    result = finished(settings, labels, learner)
    assert result["realised_error"] == 0
    assert result["machine_fraction"] > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_errors_that_rise_with_the_training_set_end_the_run(kind):
    settings = settings_of(kind)
    labels, learner = world(settings, level=0.1, gamma=-0.5)
    result = finished(settings, labels, learner)
    assert result["realised_error"] <= 0.05


# --- settings ---------------------------------------------------------------------------------


def test_a_pool_smaller_than_t_and_b0_is_refused_with_the_numbers():
    with pytest.raises(InvalidConfigError, match="30 images are too few: 63 are needed"):
        mcal.start(config(30, classes=10))


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_cost_nothing_are_all_given_by_people(kind):
    settings = settings_of(kind, label=0)
    result = finished(settings, *world(settings))
    assert result["outcome"] == "human_only"
    assert len(result["iterations"]) == 1
    assert "cost nothing" in result["stop_reason"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [1e-3, 1e-9])
def test_an_epsilon_that_only_people_can_keep_is_kept_by_people(kind, epsilon):
    settings = settings_of(kind, epsilon=epsilon)
    result = finished(settings, *world(settings))
    assert result["counts"]["machine"] == 0
    assert result["realised_error"] == 0
    assert "small" in result["stop_reason"] or "too few" in result["stop_reason"]


@pytest.mark.parametrize("budget", [0.0, 1.0, 8.92])
def test_a_budget_below_t_and_b0_is_refused_with_the_sum(budget):
    settings = config(2000, classes=4)  # T 200 and B_0 24 at $0.04
    with pytest.raises(InvalidConfigError, match=r"\$8\.96"):
        mcal.start(replace(settings, target=Target(0.05, budget=budget)))


def test_a_budget_of_exactly_t_and_b0_is_taken():
    mcal.start(replace(config(2000, classes=4), target=Target(0.05, budget=8.96)))


def test_a_budget_may_fall_below_what_is_spent_already():
    state, _ = mcal.start(config(2000, classes=4))
    changed = mcal.change(state, state.config.prices, Target(0.05, budget=1.0))
    assert changed.config.target.budget == 1.0


# --- the learner ------------------------------------------------------------------------------


class Crashing:
    """Trains `good` times, then fails for ever."""

    def __init__(self, inner, good):
        self.inner, self.good = inner, good

    def train_and_score(self, items, labels, **more):
        self.good -= 1
        if self.good < 0:
            raise TrainingError("the loss became NaN")
        return self.inner.train_and_score(items, labels, **more)


@pytest.mark.parametrize("good", [0, 3])
def test_a_learner_that_always_crashes_loses_no_label_and_can_be_tried_again(good):
    settings = config(1200)
    labels, learner = world(settings)
    driver = simulate.Driver(settings, simulate.Oracle(labels), Crashing(learner, good))
    state, request = mcal.start(settings)
    while driver.learner.good > 0 or not isinstance(request, TrainRequest):
        state, request = mcal.advance(state, driver.answer(request))
    with pytest.raises(TrainingError):
        driver.answer(request)
    bought = (driver.labels >= 0).sum()
    assert driver.oracle.paid() == bought > 0
    driver.learner = learner  # repaired: the saved state goes on where it stood
    state = state_io.load(state_io.dump(state))
    while not isinstance(request, Finished):
        state, request = mcal.advance(state, driver.answer(request))
    assert ((driver.labels >= 0) ^ driver.machine).all()


def test_a_crashing_learner_is_one_line_on_the_command_line(tmp_path, monkeypatch, capsys):
    path = tmp_path / "pool.npz"
    labels = np.random.default_rng(0).integers(0, 4, 1200)
    np.savez(path, images=np.zeros((1200, 8, 8), dtype=np.uint8), labels=labels)
    monkeypatch.setattr(command, "_learner", lambda data, options: Crashing(None, 0))
    assert command.main(["simulate", "--data", str(path)]) == 2
    assert capsys.readouterr().err == "mcal_engine: the loss became NaN [training_failed]\n"


# --- the state --------------------------------------------------------------------------------


def test_a_state_of_a_newer_version_is_refused():
    state, _ = mcal.start(config())
    newer = json.loads(state_io.dump(state)) | {"schema_version": state_io.SCHEMA_VERSION + 1}
    with pytest.raises(StateVersionError, match="this program knows"):
        state_io.load(json.dumps(newer))
    assert issubclass(StateVersionError, EngineError)

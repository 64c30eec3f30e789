"""What a run can be told beside its target: rivals, budget, prices that change, more test marks."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import mcal, measuring, simulate
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.types import (
    CertificateKind,
    CurveModel,
    Finished,
    LabelRequest,
    MachineLabelRequest,
    Prices,
    Purpose,
    Target,
    Trained,
    TrainRequest,
)
from tests.engine.support import config, drive, pool, simulated

SETTINGS = config(4000, classes=10, seed=1)
AUDIT = Target(0.05, certificate=CertificateKind.AUDIT)


# --- several architectures --------------------------------------------------------------------

STRENGTHS = {"weak": (2.5, 1.0), "strong": (0.5, 1.0), "slow": (0.5, 40.0)}


@pytest.fixture(scope="module")
def race():
    settings = replace(SETTINGS, arch="weak", rivals=("strong",))
    return drive(settings, strengths=STRENGTHS)


def test_rivals_are_trained_on_the_same_images(race):
    _, steps, _ = race
    first = next(r for _, r in steps if isinstance(r, TrainRequest))
    assert first.archs == ("weak", "strong")
    records = steps[-1][0].records
    sizes = {a: [r.train_size for r in records if r.arch == a] for a in ("weak", "strong")}
    assert sizes["weak"] == sizes["strong"][: len(sizes["weak"])]


def test_the_weaker_one_is_dropped_when_it_is_hardly_ever_best(race):
    _, steps, _ = race
    last = steps[-1][0]
    assert last.live[0] == "strong"
    dropped = [r for r in last.records if r.arch == "weak"]
    assert len(dropped) < len([r for r in last.records if r.arch == "strong"])
    assert dropped[-1].probability_best < 0.05
    requests = [r for _, r in steps if isinstance(r, TrainRequest)]
    assert requests[-1].archs == ("strong",)


def test_all_training_is_charged(race):
    _, steps, answers = race
    seconds = sum(
        m.train_seconds + m.score_seconds
        for a in answers
        if isinstance(a, Trained)
        for m in a.models
    )
    assert steps[-1][0].spent_compute == pytest.approx(seconds * 3.6 / 3600)


def test_the_winner_labels_by_machine(race):
    _, steps, _ = race
    stored = next(r for _, r in steps if isinstance(r, MachineLabelRequest))
    assert stored.model.startswith("synthetic:strong:")


def test_a_network_that_is_too_dear_loses_to_one_that_is_as_good():
    settings = replace(SETTINGS, arch="slow", rivals=("strong",), prices=Prices(0.04, 100.0))
    _, steps, _ = drive(settings, strengths=STRENGTHS)
    assert steps[-1][0].live[0] == "strong"


def test_a_training_must_report_every_candidate(race):
    _, steps, answers = race
    at = next(i for i, a in enumerate(answers) if isinstance(a, Trained))
    with pytest.raises(InvalidAnswerError, match="weak, strong"):
        mcal.advance(steps[at][0], replace(answers[at], models=answers[at].models[:1]))


def test_an_architecture_cannot_race_with_itself():
    with pytest.raises(InvalidConfigError, match="itself"):
        mcal.start(replace(SETTINGS, rivals=("cnn_small",)))


# --- budget -----------------------------------------------------------------------------------


@pytest.mark.parametrize("certificate", list(CertificateKind))
@pytest.mark.parametrize("budget", [60.0, 90.0])
def test_a_small_budget_is_kept_and_the_error_is_said(certificate, budget):
    target = Target(0.05, certificate=certificate, budget=budget)
    result = simulated(replace(SETTINGS, target=target))
    assert result["cost"]["total"] <= budget * 1.001
    assert result["counts"]["machine"] > 0
    assert result["bound"] > 0
    assert result["realised_error"] <= result["bound"]


def test_a_budget_that_is_no_limit_changes_nothing():
    free = simulated(replace(SETTINGS, target=AUDIT))
    rich = simulated(replace(SETTINGS, target=replace(AUDIT, budget=1000.0)))
    assert rich["cost"] == free["cost"]


def test_more_money_leaves_fewer_errors():
    errors = [
        simulated(replace(SETTINGS, target=replace(AUDIT, budget=b)))["realised_error"]
        for b in (40.0, 70.0, 100.0)
    ]
    assert errors == sorted(errors, reverse=True)


# --- prices and targets that change -----------------------------------------------------------


def test_money_that_is_spent_is_not_valued_anew():
    driver, steps, _ = drive(SETTINGS, until=TrainRequest)
    state, request = steps[-1]
    bought = driver.oracle.paid()
    state = mcal.change(state, Prices(0.08, 7.2), SETTINGS.target)
    while not isinstance(request, Finished):
        state, request = mcal.advance(state, driver.answer(request))
    result = simulate.report(state, request, driver)
    later = driver.oracle.paid() - bought
    assert result["cost"]["labels"] == pytest.approx(bought * 0.04 + later * 0.08)


def test_a_relaxed_target_lets_the_machine_label_more():
    strict = simulated(SETTINGS)
    driver, steps, _ = drive(SETTINGS, until=TrainRequest)
    state, request = steps[-1]
    state = mcal.change(state, SETTINGS.prices, replace(SETTINGS.target, epsilon=0.10))
    while not isinstance(request, Finished):
        state, request = mcal.advance(state, driver.answer(request))
    relaxed = simulate.report(state, request, driver)
    assert relaxed["counts"]["machine"] > strict["counts"]["machine"]
    assert relaxed["cost"]["total"] < strict["cost"]["total"]


# --- test marks -------------------------------------------------------------------------------


def forecast(state, steps):
    return replace(state, plan=replace(state.plan, steps=steps))


def test_few_marks_are_topped_up_when_two_rounds_are_to_come():
    settings = config(8000, classes=4)
    driver, steps, _ = drive(settings, until=MachineLabelRequest)
    state = steps[-1][0]
    left = np.flatnonzero(driver.marked)[:150]
    seen = pool(8000, train=np.flatnonzero(driver.train), marked=left, labels=driver.labels)
    few = int(seen.test.sum())
    assert measuring.missing_marks(forecast(state, 2), seen) == 300 - few
    assert measuring.missing_marks(forecast(state, 1), seen) == 0
    assert measuring.missing_marks(forecast(state, 3), driver.pool()) == 0


def test_the_top_up_is_bought_before_the_next_training():
    settings = config(8000, classes=4)
    _, steps, answers = drive(settings, until=MachineLabelRequest)
    at = max(i for i, (s, _) in enumerate(steps[:-1]) if s.phase == "label" and s.plan)
    state, told = forecast(steps[at][0], 2), answers[at]
    marks = np.flatnonzero(told.pool.marked & ~told.pool.train)[150:]
    fewer = told.pool.marked.copy()
    fewer[marks] = False
    state, request = mcal.advance(state, replace(told, pool=replace(told.pool, marked=fewer)))
    assert isinstance(request, LabelRequest)
    assert (request.purpose, state.phase) == (Purpose.TEST, "topup")
    assert len(request.mark) == 300 - 150
    assert not told.pool.train[request.mark].any()
    assert len(np.unique(request.mark)) == len(request.mark)
    told = replace(told, request_id=request.id)
    assert isinstance(mcal.advance(state, told)[1], TrainRequest)


# --- other options run to the end -------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"acquisition": "entropy", "confidence": "least_confidence"},
        {"acquisition": "least_confidence", "confidence": "entropy"},
        {"acquisition": "k_center"},
        {"acquisition": "random"},
        {"curves": CurveModel.PER_THETA},
        {"curves": CurveModel.LAST_VALUE},
        {"fixed_delta": 200},
    ],
)
def test_every_option_runs_to_the_end_within_the_target(changes):
    result = simulated(replace(SETTINGS, target=AUDIT, **changes))
    assert result["realised_error"] <= 0.05
    assert sum(result["counts"].values()) == 4000


def test_a_fixed_batch_stays_as_it_is():
    result = simulated(replace(SETTINGS, fixed_delta=200))
    assert {r["delta"] for r in result["iterations"][1:]} == {200}

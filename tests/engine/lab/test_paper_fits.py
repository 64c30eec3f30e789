"""The laws of Figs. 2-4 and 22-27: known curves are found again, predictions are what they say."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import curves
from mcal_engine.lab.commands import main
from mcal_engine.lab.paper_fits import LAWS, Profile, fitted, goodness, misfit, predictions
from mcal_engine.lab.recorder import record
from mcal_engine.types import THETAS
from tests.engine.lab.support import job

SIZES = np.array([500.0, 1000, 2000, 4000, 8000, 16_000])
N = 60_000
FINE = 1e7  # so many test images that counts are rates


def law(sizes, alpha, gamma, per_k=0.0):
    rate = alpha * np.asarray(sizes) ** -gamma * np.exp(-np.asarray(sizes) * per_k)
    return np.repeat(rate[:, None], len(THETAS), axis=1)


def points(rates, tests=FINE, sizes=SIZES):
    counted = np.full(rates.shape, tests)
    return curves.Points(N, sizes, counted, rates * tests, np.ones(rates.shape))


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("gamma", [0.2, 0.5, 0.9])
def test_a_power_law_is_found_by_both(name, gamma):
    true = law(SIZES, 3.0, gamma)
    assert fitted(points(true), name, SIZES) == pytest.approx(true, rel=0.01)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 0.8), st.floats(2.0, 12.0))
def test_a_truncated_law_is_found_by_the_truncated_fit_alone(gamma, falls):
    true = law(SIZES, 0.8, gamma, falls / N)
    found = {name: misfit(fitted(points(true), name, SIZES), true, 0.0).max() for name in LAWS}
    assert found["truncated"] < 0.02
    assert found["power law"] > 2 * found["truncated"]


def test_the_truncated_law_falls_faster_beyond_the_data():
    known = points(law(SIZES, 2.0, 0.4, 6 / N))
    beyond = np.array([40_000.0])
    assert (fitted(known, "truncated", beyond) < fitted(known, "power law", beyond)).all()


def test_no_fitted_rate_is_above_one_or_rises():
    known = points(law(SIZES, 0.5, 0.3), tests=40.0)
    grid = np.geomspace(1, N, 50)
    for name in LAWS:
        rates = fitted(known, name, grid)
        assert rates.max() <= 1
        assert (np.diff(rates, axis=0) <= 1e-12).all()


def test_misfit_is_a_distance_of_logs():
    rates, truth = np.array([0.2, 0.1, 0.3]), np.array([0.1, 0.2, 0.3])
    assert misfit(rates, truth, 0.0) == pytest.approx(np.log([2, 2, 1]))
    assert misfit(np.zeros(1), np.zeros(1), 0.01) == 0


def test_exact_laws_are_predicted_from_their_first_points():
    true = law(SIZES, 3.0, 0.5)
    rows = predictions(Profile("exact", points(true), true), 0.5)
    assert [row["points"] for row in rows] == [3, 4, 5]
    assert [row["from"] for row in rows] == [2000, 4000, 8000]
    for row in rows:
        assert row["to"] == 16_000
        assert row["power law"] == pytest.approx(true[-1, 0], rel=0.02)
        assert row["last value"] == pytest.approx(true[row["points"] - 1, 0])
        assert row["log_errors"]["power law"] < 0.03


def test_goodness_is_nothing_for_an_exact_law():
    true = law(SIZES, 3.0, 0.5)
    found = goodness(Profile("exact", points(true), true))
    assert set(found) == set(LAWS)
    assert max(max(values) for values in found.values()) < 0.01


# --- commands ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    shapes = {"uneven": (60, 100, 150, 220, 320), "even": (60, 125, 190, 255, 320)}
    for name, sizes in shapes.items():
        made, learner = job(n=2000, sizes=sizes, keep_truth=True)
        record(made, learner, folder / f"{name}.npz")
    made, learner = job(n=2000, sizes=(60, 100), keep_truth=True)
    record(made, learner, folder / "short.npz")
    return folder


def run(name, out, *recordings, figures=False):
    drawn = "--figures" if figures else "--no-figures"
    given = ["--recording", *map(str, recordings)]
    assert main([name, *given, "--out", str(out), drawn]) == 0
    return json.loads((out / f"{name}.json").read_text())


def test_fig2_4_compares_recordings_at_a_common_size(toys, tmp_path, capsys):
    found = run("fig2-4", tmp_path, toys / "uneven.npz", toys / "even.npz", figures=True)
    [effect] = found["delta_effects"]
    assert {row["run"]: row["delta"] for row in effect["rows"]} == {"uneven": None, "even": 3.2}
    assert {row["train_size"] for row in effect["rows"]} == {320}
    one, other = (np.array(row["rates"]) for row in effect["rows"])
    assert effect["spread"] == pytest.approx(np.abs(one - other))
    assert len(found["fits"]) == 2
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "fig2-4-1.png",
        "fig2-4-2.png",
        "fig4-1.png",
    }
    assert "--delta 6" in capsys.readouterr().out


def test_one_recording_shows_no_effect_of_delta(toys, tmp_path):
    found = run("fig2-4", tmp_path, toys / "even.npz")
    assert found["delta_effects"] == []
    assert len(found["predictions"]) == 1


def test_too_short_recordings_are_left_out(toys, tmp_path):
    found = run("fig22-27", tmp_path, toys / "short.npz", toys / "even.npz")
    assert len(found["predictions"]) == 1
    assert len(found["missing"]) == 2

"""The forecast pages' figures: closed forms on hand-made rows."""

from __future__ import annotations

from collections import Counter
from math import isclose, sqrt

import numpy as np
import pytest

from labelapp.models import Project, ProjectCounter
from labelapp.selectors import (
    forecast_classes,
    forecast_confidence,
    forecast_counts,
    forecast_history,
    forecast_ledger,
    predictions,
)
from labelapp.selectors.forecast_counts import Counts
from labelapp.selectors.forecast_facts import Facts

NAMES = {0: "circle", 1: "square", 2: "star"}


@pytest.fixture(autouse=True)
def _fresh():
    for module in (forecast_history, forecast_ledger, forecast_counts, predictions):
        module.forget()


# --- confidence ----------------------------------------------------------------------------------


def profile(rows):
    """Rows of (people's class, machine's class, confidence)."""
    return {
        "seq": list(range(len(rows))),
        "label": [row[0] for row in rows],
        "pred": [row[1] for row in rows],
        "margin": [row[2] for row in rows],
        "confidence": [row[2] for row in rows],
    }


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    # 4 images at 0.75, 3 right: no gap; 6 at 0.95, 3 right: 6 x |0.5 - 0.95| / 10
    sure = [0.75] * 4 + [0.95] * 6
    right = [True] * 3 + [False] + [True] * 3 + [False] * 3
    assert isclose(forecast_confidence.calibration_error(sure, right), 0.27)
    assert forecast_confidence.calibration_error([], []) == 0.0
    assert forecast_confidence.calibration_error([1.0], [True]) == 0.0


def test_the_reliability_diagram_counts_each_image_once_with_its_wilson_interval():
    rows = [(0, 0, 0.95)] * 8 + [(0, 1, 0.95)] * 2 + [(1, 1, 0.55)] * 5 + [(2, 2, 1.0)]
    found = forecast_confidence.reliability(profile(rows), threshold=0.9)
    assert sum(one["count"] for one in found["bins"]) == found["n"] == 16
    last = found["bins"][9]
    assert (last["count"], last["right"]) == (11, 9)
    n, p, z = 11, 9 / 11, 1.959963984540054
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert last["low"] == pytest.approx(middle - half, abs=1e-5)
    assert last["high"] == pytest.approx(middle + half, abs=1e-5)
    assert (found["above"]["count"], found["above"]["right"]) == (11, 9)
    assert found["calibration"]["low"] <= found["calibration"]["error"]
    assert found["bins"][0]["share"] is None


def test_a_perfectly_calibrated_machine_is_within_chance_and_a_boaster_is_not():
    sure = [0.5 + k / 1000 for k in range(500)]
    honest = [(k * 37 % 500) / 500 < value for k, value in enumerate(sure)]
    found = forecast_confidence.calibration(sure, honest)
    assert found.error <= found.chance_high
    boast = forecast_confidence.calibration([0.99] * 400, [k % 2 == 0 for k in range(400)])
    assert boast.error == pytest.approx(0.49)
    assert boast.low > boast.chance_high


def test_a_training_without_confidences_draws_nothing():
    old = {"label": [0], "pred": [0], "confidence": []}
    assert forecast_confidence.reliability(old, 0.5)["bins"] == []
    assert forecast_confidence.reliability({}, None)["bins"] == []


# --- classes -------------------------------------------------------------------------------------


def made_up(rows, **more) -> Facts:
    project = Project(public_id="abc", certificate="test_set")
    return Facts(project, ProjectCounter(), None, profile=profile(rows), **more)


def test_confusions_errors_recall_and_precision_by_hand():
    rows = [(0, 0, 0.9)] * 6 + [(0, 1, 0.9)] * 3 + [(0, 2, 0.9)] + [(1, 1, 0.9)] * 5
    facts = made_up(rows)
    table = {(0, "human"): 12, (0, "machine"): 8, (2, "machine"): 4}
    found = forecast_classes.class_rows(facts, NAMES, Counts(table, 24, 24, None))
    first, *rest = found
    assert (first["name"], first["images"], first["people"], first["machine"]) == (
        *("circle", 20, 12, 8),
    )
    assert (first["tests"], first["wrong"], first["recall"], first["precision"]) == (10, 4, 0.6, 1)
    assert [(one["pred_name"], one["count"]) for one in first["mistakes"]] == [
        ("square", 3),
        ("star", 1),
    ]
    square = next(row for row in rest if row["name"] == "square")
    assert (square["recall"], square["precision"]) == (1.0, 5 / 8)
    star = next(row for row in rest if row["name"] == "star")
    assert (star["error"], star["precision"], star["images"]) == (None, 0.0, 4)
    pairs = forecast_classes.pairs_of(facts.profile)
    assert pairs == Counter({(0, 0): 6, (0, 1): 3, (0, 2): 1, (1, 1): 5})
    assert forecast_classes.confusions(pairs) == [((0, 1), 3), ((0, 2), 1)]
    drawn = forecast_classes.matrix(facts, NAMES)
    counts = [[cell["count"] for cell in row["cells"]] for row in drawn["rows"]]
    assert counts == [[6, 3, 1], [0, 5, 0], [0, 0, 0]]
    assert "label=0" in drawn["rows"][0]["cells"][1]["url"]
    assert "guess=1" in drawn["rows"][0]["cells"][1]["url"]


def test_no_count_tells_what_the_machine_says_of_single_test_images():
    # one image of class 2: alone it would be told; and the sum over all classes is known
    rows = [(0, 0, 0.9)] * 8 + [(0, 1, 0.9)] + [(1, 1, 0.9)] * 6 + [(1, 2, 0.9)] + [(2, 0, 0.9)]
    facts = made_up(rows)
    assert forecast_classes.too_few(forecast_classes.pairs_of(facts.profile)) == {1, 2}
    found = {
        row["index"]: row
        for row in forecast_classes.class_rows(facts, NAMES, Counts({}, 0, 0, None))
    }
    for index, tests in ((1, 7), (2, 1)):
        row = found[index]
        assert (row["few"], row["tests"], row["wrong"], row["mistakes"]) == (True, tests, None, [])
        assert not any(row[name] for name in ("error", "recall", "precision", "error_text"))
    assert (found[0]["tests"], found[0]["right"], found[0]["precision"]) == (9, 8, 1.0)
    drawn = forecast_classes.matrix(facts, NAMES)
    assert {cell["count"] for row in drawn["rows"][1:] for cell in row["cells"]} <= {0}
    assert [row["label"] for row in forecast_classes.top_confusions(facts, NAMES)] == [0]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_left_out_is_never_fewer_than_five_images_or_all(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 12, size=rng.integers(2, 9))
    rows = [(k, int(rng.integers(9)), 0.9) for k, size in enumerate(sizes) for _ in range(size)]
    pairs = forecast_classes.pairs_of(profile(rows))
    few = forecast_classes.too_few(pairs)
    left_out = sum(int(sizes[k]) for k in few)
    assert all(
        sizes[k] >= forecast_classes.LEAST for k in range(len(sizes)) if sizes[k] and k not in few
    )
    assert left_out == 0 or left_out >= forecast_classes.LEAST or left_out == len(rows)
    shown = forecast_classes.counted_pairs(profile(rows))
    assert sum(shown.values()) == len(rows) - left_out


def test_beyond_thirty_classes_there_is_a_list():
    facts = made_up([(k, (k + 1) % 40, 0.9) for k in range(40)] * forecast_classes.LEAST)
    assert forecast_classes.matrix(facts, {k: str(k) for k in range(40)}) is None
    assert len(forecast_classes.top_confusions(facts, {})) == 40


# --- history -------------------------------------------------------------------------------------


def test_a_curve_is_read_straight_on_logarithmic_axes():
    assert forecast_history.at_size([100, 400], [0.4, 0.1], 200) == pytest.approx(0.2)
    assert forecast_history.at_size([100, 400], [0.4, 0.1], 100) == pytest.approx(0.4)
    assert forecast_history.at_size([100, 400], [0.4, 0.1], 400) == pytest.approx(0.1)


def test_the_band_of_a_forecast_is_widened_by_the_luck_of_the_test_set():
    record = {
        "number": 4,
        "train_size": 200,
        "test_counts": [0] * 19 + [100],
        "test_errors": [0] * 19 + [26],
    }
    lines = [[0.2, 0.2], [0.17, 0.17], [0.24, 0.24]]
    row = forecast_history._foreseen([100, 400], lines, record, 19)
    luck = 1.2815515655446004**2 * 0.2 * 0.8 / 100
    assert row["low"] == pytest.approx(0.2 - sqrt(0.03**2 + luck), abs=1e-5)
    assert row["high"] == pytest.approx(0.2 + sqrt(0.04**2 + luck), abs=1e-5)
    assert row["held"]
    assert not forecast_history._foreseen(
        [100, 400], lines, record | {"test_errors": [0] * 19 + [27]}, 19
    )["held"]
    assert forecast_history._foreseen([300, 400], lines, record, 19) is None

"""Forecasts of whole simulations against what they cost: read, planned again, counted, drawn."""

from __future__ import annotations

import json

import pytest

from mcal_engine.errors import DataError
from mcal_engine.lab import calibration, commands
from mcal_engine.types import CertificateKind, Target
from tests.engine.support import config, simulated


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two small runs, as `simulate --json` writes them."""
    folder = tmp_path_factory.mktemp("results")
    for seed in (1, 2):
        settings = config(2000, seed=seed)
        target = Target(0.05, certificate=CertificateKind.AUDIT)
        result = simulated(type(settings)(**{**vars(settings), "target": target}))
        (folder / f"small_{seed}.json").write_text(json.dumps(result))
    return folder


def test_a_plan_made_again_is_the_one_that_was_written(results):
    path = results / "small_1.json"
    result = json.loads(path.read_text())
    total = result["cost"]["total"]
    written = {row["number"]: row for row in result["iterations"]}
    forecasts = calibration.forecasts_of(path)
    assert [one.iteration for one in forecasts] == [k for k in written if k >= 4]
    at80 = calibration.LEVELS.index(0.8)
    for one in forecasts:
        row = written[one.iteration]
        assert one.value * total == pytest.approx(row["c_star"], rel=1e-6)
        assert one.low[at80] * total == pytest.approx(row["c_low"], rel=0.02)
        assert one.high[at80] * total == pytest.approx(row["c_high"], rel=0.02)
        assert list(one.low) == sorted(one.low, reverse=True)


def made(run, iteration, value, half):
    ends = [half * level for level in calibration.LEVELS]
    low, high = (tuple(value + sign * end for end in ends) for sign in (-1, 1))
    return calibration.Forecast(run, "set", iteration, value, low, high, (0.9, 1.2))


def test_coverage_widths_and_errors_are_counted():
    some = [made("a", 4, 1.1, 0.05), made("a", 5, 1.02, 0.1), made("b", 4, 0.9, 1.0)]
    found = calibration.summary(some)
    assert (found["runs"], found["forecasts"]) == (2, 3)
    assert found["covered80"] == pytest.approx(2 / 3)
    assert found["runs80"] == pytest.approx(3 / 4)  # half of run a, all of run b
    assert found["recorded80"] == 1
    assert found["width80"] == pytest.approx(0.16)
    assert found["error"] == pytest.approx(0.02)
    assert [one["covered80"] for one in found["by_iteration"]] == [0.5, 1.0]


def test_the_command_prints_a_table_and_keeps_the_figures(results, tmp_path, capsys):
    arguments = ["calibration", "--results", str(results), "--out", str(tmp_path), "--no-figures"]
    assert commands.main(arguments) == 0
    assert "training 4" in capsys.readouterr().out
    kept = json.loads((tmp_path / "calibration.json").read_text())
    assert kept["runs"] == 2
    assert 0 <= kept["covered80"] <= kept["covered95"] <= 1


def test_files_that_are_no_results_are_named(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DataError, match=r"other\.json"):
        calibration.forecasts_of(tmp_path / "other.json")
    with pytest.raises(DataError, match="--results"):
        calibration.found_in([tmp_path / "none"][:0])

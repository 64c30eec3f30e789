"""Coverage counts whole replays, from the first counted iteration on."""

import pytest

from mcal_engine.lab.coverage import coverage
from mcal_engine.lab.tables import dollars, per_cent, table


def result(total, bands, *, ended=False):
    iterations = [
        {"number": k, "c_low": low, "c_high": high, "c_star": low and (low + high) / 2}
        for k, (low, high) in enumerate(bands, start=1)
    ]
    return {"cost": {"total": total}, "iterations": iterations, "recording_ended": ended}


BANDS = [(None, None), (0, 1), (0, 1), (9, 11), (10.5, 12)]


def test_forecasts_count_from_the_fourth_iteration():
    found = coverage([result(10, BANDS)])
    assert (found["forecasts"], found["covered"]) == (2, 0.5)
    assert [row["iteration"] for row in found["by_iteration"]] == [4, 5]
    assert found["by_iteration"][0]["median_ratio"] == pytest.approx(1.0)


def test_an_earlier_start_can_be_asked_for():
    assert coverage([result(10, BANDS)], first=2)["forecasts"] == 4


def test_replays_without_an_end_are_left_out():
    found = coverage([result(10, BANDS), result(10, BANDS, ended=True)])
    assert (found["runs"], found["left_out"], found["forecasts"]) == (1, 1, 2)


def test_no_forecast_is_no_share():
    found = coverage([result(10, BANDS[:2])])
    assert found["covered"] is None
    assert found["by_run"] == [None]


def test_a_table_lines_up():
    text = table(("name", "cost"), [("a", "$1"), ("longer", "$1,000")])
    assert text == "name      cost\na           $1\nlonger  $1,000"


def test_figures_are_written_for_people():
    assert (dollars(1234.5), per_cent(0.1234)) == ("$1,234.50", "12.3 %")

"""The numbers behind the pictures."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string

from labelapp.selectors import dashboard_charts, forecast_words
from labelapp.selectors.dashboard_charts import THETAS, wilson
from labelapp.selectors.dashboard_charts import charts as drawn
from labelapp.selectors.dashboard_status import first_purchase
from labelapp.selectors.forecast_facts import gather
from mcal_engine import selection, types
from tests.app import dashboard_data as data


@pytest.fixture
def charts(project) -> dict:
    data.beat()
    data.running(project)
    return drawn(gather(project))


def test_the_thetas_are_the_engines():
    assert THETAS == types.THETAS


@pytest.mark.parametrize("n", [100, 640, 5_000, 10_000, 40_000, 1_300_000])
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_the_first_purchase_is_the_engines(n, classes):
    target, prices = types.Target(0.05), types.Prices(0.04, 3.6)
    config = types.RunConfig(n=n, classes=classes, prices=prices, target=target)
    expected = selection.test_size(config) + selection.seed_size(config)
    assert first_purchase(n, classes) == expected


def test_the_recorded_run_has_the_engines_fields():
    recorded = data.RECORDED["iterations"][5]
    later = {"sizes", "marked", "ahead"}  # of rows written since
    assert set(recorded["record"]) | later == set(types.IterationRecord.__dataclass_fields__)
    assert set(recorded["plan"]) == set(types.Plan.__dataclass_fields__)


def test_each_point_holds_its_counts_inside_its_interval(charts):
    for size, errors, count, share, low, high in charts["curves"]["points"][13]:
        assert size > 0
        assert share == pytest.approx(errors / count, rel=1e-4)
        assert low <= share <= high


def test_there_is_one_row_of_points_and_of_forecast_per_theta(charts):
    curves = charts["curves"]
    assert len(curves["points"]) == len(curves["median"]) == len(curves["low"]) == len(THETAS)
    assert all(len(row) == len(curves["grid"]) for row in curves["high"])


def test_three_thetas_are_shown_at_first_with_the_plans_among_them(charts):
    assert charts["curves"]["shown"] == [0.5, 0.7, 1.0]


def test_three_thetas_are_shown_before_a_plan(project):
    data.running(project, iterations=1)
    assert drawn(gather(project))["curves"]["shown"] == [0.25, 0.5, 1.0]


def test_the_limit_grows_as_fewer_images_share_the_allowed_errors(charts):
    limit = charts["curves"]["limit"]
    assert limit["theta"] == 0.7
    assert limit["y"] == sorted(limit["y"])
    assert max(limit["y"]) <= 4 * 0.05


def test_the_parts_of_the_cost_add_up(charts):
    cost = charts["cost"]
    parts = zip(cost["labels"], cost["compute"], cost["total"], strict=True)
    assert all(
        labels + compute == pytest.approx(total, rel=1e-3) for labels, compute, total in parts
    )
    assert cost["human_only"] == 400.0


def test_the_histogram_counts_every_test_image_once(charts):
    margins = charts["margins"]
    record = data.RECORDED["iterations"][5]["record"]
    assert sum(margins["right"]) + sum(margins["wrong"]) == record["test_size"]
    assert sum(margins["wrong"]) == record["test_errors"][-1]


def test_the_threshold_is_the_margin_at_theta_star(charts):
    uncertainty = data.RECORDED["iterations"][5]["record"]["thresholds"][13]
    assert charts["margins"]["threshold"] == pytest.approx(1 - uncertainty, abs=1e-4)


def test_the_history_has_one_entry_per_training(charts):
    history = charts["history"]
    assert history["number"] == [1, 2, 3, 4, 5, 6]
    assert history["c_star"][:2] == [None, None]
    assert all(
        low <= star for low, star in zip(history["low"][2:], history["c_star"][2:], strict=True)
    )


def test_a_certificate_fixes_theta_and_threshold(project):
    data.finished(project)
    margins, certificate = drawn(gather(project))["margins"], data.RECORDED["certificate"]
    assert margins["theta"] == certificate["theta"]
    assert margins["threshold"] == pytest.approx(1 - certificate["threshold"], abs=1e-4)


@pytest.mark.parametrize(("errors", "count"), [(0, 150), (3, 150), (150, 150)])
def test_the_interval_of_a_share_lies_around_it(errors, count):
    low, high = wilson(errors, count)
    assert 0 <= low <= errors / count <= high <= 1


def test_no_error_seen_still_has_an_upper_end():
    assert wilson(0, 100) == (0.0, pytest.approx(0.0162, abs=2e-4))


def test_nothing_measured_is_anything():
    assert wilson(0, 0) == (0.0, 1.0)


def test_where_the_budget_chose_no_size_is_called_the_cheapest(project, monkeypatch):
    data.beat()
    data.running(project)
    facts = gather(project)
    assert forecast_words.cost(facts, drawn(facts)["cost"]).startswith("Training on about")
    plan = {"answer": {"forced": True}}
    monkeypatch.setattr(
        dashboard_charts, "forced", lambda _plan, was=dashboard_charts.forced: was(plan)
    )
    cost = drawn(facts)["cost"]
    assert cost["b_opt"] is None
    assert forecast_words.cost(facts, cost).startswith("The budget decides")


def test_where_the_budget_chose_the_planned_size_says_so():
    data = {"b_opt": [600, 800], "low": [500, 800], "high": [700, 800], "train_size": [300, 400]}
    assert forecast_words.sizes(data | {"forced": [True, False]}).startswith(
        "By the newest plan training is cheapest up to 800 images"
    )
    said = forecast_words.sizes(data | {"forced": [False, True]})
    assert said.startswith("By the newest plan the budget decides: training on 800 images")
    assert "cheapest" not in said


def test_the_table_of_trainings_calls_no_planned_size_the_cheapest():
    page = render_to_string("dashboard/_rounds.html", {"overview": {"rounds": [{"b_opt": "800"}]}})
    assert "Planned size" in page
    assert "heapest" not in page

"""What the engine's tests share."""

from __future__ import annotations

import pytest

from mcal_engine import charts

UNDRAWN = {
    "test_ahead",
    "test_audit_simulated",
    "test_budget",
    "test_budget_reopened",
    "test_ensembles",
    "test_options",
    "test_reopened_promise",
    "test_simulate",
    "test_steering",
    "lab.test_calibration",
    "lab.test_paper",
    "lab.test_people_runs",
    "lab.test_replay",
}
"""Modules that play many whole runs and look at no picture: a fifth of a run is its curves.

`test_planner` and `test_state_io` look at the curves, `test_mcal` and the rest run with them.
"""


@pytest.fixture(scope="module", autouse=True)
def _no_pictures(request):
    """Leave the series for the page out of plans, in modules that never look at them."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.removeprefix("tests.engine.") in UNDRAWN:
            patch.setattr(charts, "with_curves", lambda plan, _now, _drawn: plan)
        yield

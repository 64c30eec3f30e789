"""Fit and extrapolate the error curves, one per theta (paper, Sec. 3.1, Eq. 3).

Three models with one result, `Curves`: all thetas jointly (`curves_joint`), the paper's law per
theta and "the last value stays" (`curves_theta`). The law itself stands in `curves_law`.
"""

from __future__ import annotations

from mcal_engine import curves_joint, curves_theta
from mcal_engine.config import CurveModel
from mcal_engine.curves_anchor import anchored
from mcal_engine.curves_law import DRAWS, Curves, Points, points_of

__all__ = ["DRAWS", "MIN_POINTS", "STABLE_POINTS", "Curves", "Points", "fit", "points_of"]

MIN_POINTS = 3  # before any plan
STABLE_POINTS = 4  # before a plan can be called stable

_MODELS = {
    CurveModel.JOINT: curves_joint.fit,
    CurveModel.PER_THETA: curves_theta.fit,
    CurveModel.LAST_VALUE: curves_theta.last_value,
}


def fit(points: Points, seed: int, model: CurveModel = CurveModel.JOINT) -> Curves:
    """Fit the model to what was counted and draw from it. Needs at least `MIN_POINTS` rows.

    Equal seeds use equal random numbers, so that plans of successive iterations differ by what
    was learned and not by chance.
    """
    drawn = _MODELS[model](points, seed)
    return drawn if model is CurveModel.LAST_VALUE else anchored(drawn, points, seed)

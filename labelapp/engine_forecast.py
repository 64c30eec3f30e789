"""The bridge's part for the forecast pages: |S| of the present model under other error targets.

Computed when the picture is asked for, in a request of its own, and kept per version of the run.
NumPy and the engine are imported then, never for another page.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict
from typing import Any

from labelapp import engine_what_if
from labelapp.models import Run

EPSILONS = (
    *(0.005, 0.006, 0.0075, 0.009, 0.011, 0.013, 0.016, 0.02, 0.024, 0.028, 0.033, 0.04),
    *(0.047, 0.055, 0.065, 0.075, 0.09, 0.105, 0.12, 0.14, 0.165, 0.19, 0.22, 0.25),
)
_KEPT = 32
_KNOWN: OrderedDict[tuple[str, int, float], list[dict[str, Any]]] = OrderedDict()


def by_epsilon(run: Run, project: str, epsilon: float) -> list[dict[str, Any]]:
    """Return the curve's points, that of the present `epsilon` among them; [] before a training."""
    key = (project, run.version, epsilon)
    if key not in _KNOWN:
        _KNOWN[key] = _points(run, project, epsilon)
        while len(_KNOWN) > _KEPT:
            _KNOWN.popitem(last=False)
    return _KNOWN[key]


def _points(run: Run, project: str, epsilon: float) -> list[dict[str, Any]]:
    basis = engine_what_if.basis(run, project)
    if basis is None:
        return []
    from mcal_engine import epsilon_curve  # noqa: PLC0415

    targets = sorted({*EPSILONS, epsilon})
    return [asdict(point) for point in epsilon_curve.curve(basis, targets)]

"""What relaxing epsilon buys: at the run's own limit it is what stopping now delivers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from mcal_engine import epsilon_curve, whatif
from mcal_engine.types import CertificateKind
from tests.engine.support import config, drive

EPSILONS = (0.005, 0.02, 0.05, 0.1, 0.2)


@cache
def known(kind):
    settings = config(2000, seed=3)
    settings = replace(settings, target=replace(settings.target, certificate=kind))
    _, steps, _ = drive(settings)
    state = [state for state, _ in steps if state.records and state.phase != "train"][-3]
    return whatif.basis(state)


@pytest.mark.parametrize("kind", list(CertificateKind))
def test_at_the_present_limit_it_is_what_stopping_now_delivers(kind):
    basis = known(kind)
    (point,) = epsilon_curve.curve(basis, [basis.asked.target.epsilon])
    own = whatif.answer(basis)
    assert (point.size, point.cost, point.error) == (
        own.stop_machine,
        own.stop_cost,
        own.stop_error,
    )
    assert point.low <= point.size <= point.high


@pytest.mark.parametrize("kind", list(CertificateKind))
def test_a_looser_limit_never_takes_images_from_the_machine(kind):
    points = epsilon_curve.curve(known(kind), EPSILONS)
    sizes = [point.size for point in points]
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]
    for point in points:
        assert 0 <= point.size <= known(kind).views[0].now.remainder

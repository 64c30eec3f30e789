"""A run that began under looser rules takes other terms: only what is new is looked at."""

from dataclasses import replace

import pytest

from mcal_engine import mcal, steering
from mcal_engine.errors import InvalidConfigError
from tests.engine.support import config


def test_rounds_longer_than_the_pool_stay_until_somebody_changes_them():
    """Once they were taken, and meant all that is left: prices and methods must change as ever."""
    state, _ = mcal.start(config())
    old = replace(state, config=replace(state.config, fixed_delta=state.config.n + 1))
    target = replace(old.config.target, epsilon=0.04)
    assert steering.change(old, old.config.prices, target).config.target.epsilon == 0.04
    assert (
        steering.reconfigure(old, classes=old.config.classes + 1).config.fixed_delta > old.config.n
    )
    with pytest.raises(InvalidConfigError, match="fixed_delta must be a whole number from 1 to"):
        steering.reconfigure(old, fixed_delta=old.config.n + 2)

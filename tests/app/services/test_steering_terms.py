"""What a budget is told to be at least, is enough."""

from __future__ import annotations

import pytest

from labelapp.services.steering_terms import too_little


@pytest.mark.parametrize(
    ("least", "text"),
    [(7.4, "$7.40"), (7.4 + 2e-15, "$7.40"), (7.4000004, "$7.41"), (7.4031, "$7.41")],
)
def test_the_least_sum_is_told_to_the_cent_above(least, text):
    assert f"to {text} at least" in too_little(least, "USD")

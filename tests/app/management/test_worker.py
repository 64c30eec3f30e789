"""The worker's own process: its duties go on whatever happens to one of them."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from labelapp.management.commands.worker import _Duty


@pytest.mark.parametrize("error", [OperationalError("locked"), LookupError("gone meanwhile")])
def test_a_duty_that_fails_is_tried_again(error):
    calls = []

    def fail() -> None:
        calls.append(1)
        raise error

    duty = _Duty(0.0, fail)
    duty.do_if_due()
    duty.do_if_due()
    assert len(calls) == 2

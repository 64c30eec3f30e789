"""The ledger and people's work of closed days (UTC), summed once."""

from __future__ import annotations


def close_days() -> int:
    """Sum every day that is over and not summed yet, of all projects; return how many days."""
    return 0

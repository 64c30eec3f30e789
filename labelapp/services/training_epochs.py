"""The figures of a training's epochs on their way to pages: what each progress event carries.

The training program keeps the last 400 epochs in its files; an event holds those that ended since
the event before, so that pages need nothing but the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

MOST = 24
"""Epochs of one event: short ones, of a small B, are thinned."""

KEPT = 120
"""Epochs kept with a trained model: enough for a picture."""

Row = list[Any]
"""[run from 1, epoch from 1, mean loss, accuracy]"""


class News:
    """Remembers which epoch was told last."""

    def __init__(self) -> None:
        self._told = (0, 0)

    def of(self, told: dict[str, Any]) -> dict[str, Any]:
        """Return the progress with the epochs that are new in place of all epochs."""
        rows = [row for row in told.get("epochs", []) if (row[0], row[1]) > self._told]
        rest = {name: value for name, value in told.items() if name != "epochs"}
        if not rows:
            return rest
        self._told = (rows[-1][0], rows[-1][1])
        return rest | {"epochs": thinned(rows, MOST)}


def thinned(rows: list[Row], most: int) -> list[Row]:
    """Return at most `most` rows, evenly chosen, the last one among them."""
    step = -(-len(rows) // most)
    return rows[::-1][::step][::-1] if step > 1 else rows


def kept(result: dict[str, Any]) -> dict[str, Any]:
    """Return a training's result with as many epochs as are kept."""
    return result | {"epochs": thinned(result.get("epochs", []), KEPT)}


def words(told: dict[str, Any]) -> str:
    """Return loss and accuracy of the last epoch for a line of the log, empty before the first."""
    if not told.get("epochs"):
        return ""
    _run, _epoch, loss, accuracy = told["epochs"][-1]
    return f", loss {loss:.3f}, accuracy {accuracy:.1%}"


def every(
    seconds: float, action: Callable[[dict[str, Any]], None]
) -> Callable[[dict[str, Any]], None]:
    """Return `action`, done at most this often: there are more steps than anybody reads."""
    last = float("-inf")

    def inner(payload: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            action(payload)

    return inner

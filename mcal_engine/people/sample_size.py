"""How many labels a reviewer must look at for a stated interval."""

from __future__ import annotations

from math import ceil

from mcal_engine.errors import DataError
from mcal_engine.people.human_error import Source, from_review


def half_width(population: int, n: int, expected: float, confidence: float = 0.95) -> float:
    """Return half the width of the exact interval when the expected share of n is found wrong."""
    made = from_review(
        Source.REVIEW,
        population=population,
        n=n,
        wrong=round(expected * n),
        confidence=confidence,
    )
    return (made.high - made.low) / 2.0


def review_size(
    population: int, *, expected: float = 0.05, wanted: float = 0.02, confidence: float = 0.95
) -> int:
    """Return the least n whose exact interval is at most `wanted` to either side of its middle.

    `expected` is the share of wrong labels that is believed beforehand; with more wrong ones the
    interval comes out wider. Never more than `population`. Raises `DataError` for shares outside
    0 to 1 and an empty population.
    """
    if population < 1 or not 0.0 <= expected <= 1.0 or not 0.0 < wanted < 1.0:
        raise DataError("a sample needs a population, and shares between 0 and 1")
    if not 0.0 < confidence < 1.0:
        raise DataError("the confidence lies between 0 and 1")
    low, high = 0, population  # the width falls with n but for steps of one wrong label
    while high - low > 1:
        middle = (low + high) // 2
        if half_width(population, middle, expected, confidence) <= wanted:
            high = middle
        else:
            low = middle
    return _settled(population, high, expected, wanted, confidence)


def _settled(population: int, n: int, expected: float, wanted: float, confidence: float) -> int:
    """Go past the last step of the width: where one more wrong label is expected, it jumps."""
    steps = min(ceil(3.0 / max(expected, 0.01)), population - n)
    last = n
    for size in range(n, n + steps + 1):
        if half_width(population, size, expected, confidence) > wanted:
            last = size + 1
    return min(last, population)

"""Reproducible chance: orders and draws by SHA-256, equal on every machine and NumPy version."""

from __future__ import annotations

import hashlib
from itertools import count as count_up

import numpy as np
from numpy.typing import NDArray

from mcal_engine.types import IntArray

CHUNK = 65_536
"""Digests held at a time, about 7 MiB."""


def hash_order(key: str, items: IntArray) -> IntArray:
    """Return the items sorted by SHA-256(key || item): a reproducible random order.

    Takes about half a microsecond per item. Where few of many are wanted, use `hash_draw`.
    """
    return items[np.lexsort((items, _digests(key, items)))]


def hash_draw(key: str, items: IntArray, count: int) -> IntArray:
    """Draw `count` of the distinct items uniformly without replacement (all if they are fewer).

    Draw i is at the place floor(m * u_i) of the m sorted items, u_i = SHA-256(key || i) / 2^256;
    repeats are passed over. Hashes about `count` times, however many items there are.
    """
    pool, wanted = np.sort(items), min(count, len(items))
    if 2 * wanted > len(pool):
        return hash_order(key, pool)[:wanted]
    places: dict[int, None] = {}
    for start in count_up(0, max(wanted, 1)):
        if len(places) >= wanted:
            break
        numbers = np.arange(start, start + wanted, dtype=np.int64)
        drawn = (len(pool) * share >> 64 for share in _digests(key, numbers).tolist())
        places |= dict.fromkeys(drawn)
    return pool[np.fromiter(places, dtype=np.int64)[:wanted]]


def hash_share(key: str) -> float:
    """Return a number in [0, 1) that the key decides."""
    return int(_digests(key, np.zeros(1, dtype=np.int64))[0]) / 2**64


def _digests(key: str, items: IntArray) -> NDArray[np.uint64]:
    """Return the first 64 bits of SHA-256(key | item), the item as 8 bytes, big-endian."""
    copy = hashlib.sha256(key.encode() + b"|").copy
    found = np.empty(len(items), dtype=np.uint64)
    for first in range(0, len(items), CHUNK):
        raw, digests = items[first : first + CHUNK].astype(">u8").tobytes(), []
        for start in range(0, len(raw), 8):
            one = copy()
            one.update(raw[start : start + 8])
            digests.append(one.digest())
        found[first : first + CHUNK] = np.frombuffer(b"".join(digests), dtype=">u8")[::4]
    return found

"""Chance by SHA-256: the definition, uniform, the same everywhere, and no more hashes than wanted."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import orders
from mcal_engine.orders import hash_draw, hash_order


def test_hash_order_is_the_same_on_every_machine():
    assert hash_order("7:test", np.arange(8)).tolist() == [6, 3, 1, 4, 7, 2, 5, 0]


@given(st.text(max_size=80), st.sets(st.integers(0, 2**40), max_size=20))
def test_hash_order_sorts_by_sha256_of_key_and_item(key, chosen):
    def digest(item):
        return hashlib.sha256(key.encode() + b"|" + item.to_bytes(8, "big")).digest()

    found = hash_order(key, np.array(sorted(chosen), dtype=np.int64))
    assert found.tolist() == sorted(chosen, key=digest)


def test_hash_order_depends_on_the_key_and_not_on_the_order_given():
    items = np.arange(100)
    one = hash_order("a", items)
    assert np.array_equal(one, hash_order("a", items[::-1]))
    assert not np.array_equal(one, hash_order("b", items))
    assert np.array_equal(np.sort(one), items)


def test_chunks_change_nothing(monkeypatch):
    whole = hash_order("a", np.arange(100))
    monkeypatch.setattr(orders, "CHUNK", 7)
    assert np.array_equal(hash_order("a", np.arange(100)), whole)


def test_equal_digests_go_by_item_number(monkeypatch):
    monkeypatch.setattr(orders, "_digests", lambda key, items: np.zeros(len(items), np.uint64))
    assert hash_order("a", np.array([5, 2, 9])).tolist() == [2, 5, 9]


@pytest.mark.parametrize("count", [3, 10])
def test_every_item_is_first_equally_often(count):
    first = [hash_draw(f"{seed}", np.arange(10), count)[0] for seed in range(2000)]
    counts = np.bincount(first, minlength=10)
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi-square, 9 degrees, p = 0.001


def test_every_pair_is_drawn_equally_often():
    pairs = [tuple(sorted(hash_draw(f"{seed}", np.arange(6), 2))) for seed in range(3000)]
    counts = np.unique(pairs, axis=0, return_counts=True)[1]
    assert len(counts) == 15
    assert ((counts - 200) ** 2 / 200).sum() < 36.1  # chi-square, 14 degrees, p = 0.001


@given(st.integers(0, 60), st.integers(0, 70))
def test_a_draw_is_distinct_and_has_the_wanted_size(size, count):
    items = np.arange(size) * 7 + 3
    drawn = hash_draw("key", items, count)
    assert len(np.unique(drawn)) == len(drawn) == min(size, count)
    assert set(drawn) <= set(items)


def test_a_draw_does_not_depend_on_the_order_given():
    items = np.arange(1000)
    one = hash_draw("a", items, 50)
    assert np.array_equal(one, hash_draw("a", items[::-1], 50))
    assert not np.array_equal(one, hash_draw("b", items, 50))


def test_a_larger_draw_begins_with_the_smaller_one():
    items = np.arange(1000)
    assert np.array_equal(hash_draw("a", items, 200)[:50], hash_draw("a", items, 50))


def test_the_draw_is_the_same_on_every_machine():
    assert hash_draw("7:topup:1", np.arange(100, 200), 4).tolist() == [179, 186, 109, 119]


def test_a_small_draw_of_many_hashes_little(monkeypatch):
    asked = []
    digests = orders._digests

    def counted(key, items):
        asked.append(len(items))
        return digests(key, items)

    monkeypatch.setattr(orders, "_digests", counted)
    hash_draw("a", np.arange(1_000_000), 500)
    assert sum(asked) <= 1500

"""Greedy k-center against the plain algorithm, and what it promises: spread."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import kcenter


def plain(points, centers, count):
    """The algorithm as it is written, in float64."""
    points, centers = points.astype(np.float64), centers.astype(np.float64)
    far = np.full(len(points), np.inf)
    taken = []
    for center in centers:
        far = np.minimum(far, ((points - center) ** 2).sum(axis=1))
    for _ in range(min(count, len(points))):
        taken.append(int(far.argmax()))
        far = np.minimum(far, ((points - points[taken[-1]]) ** 2).sum(axis=1))
        far[taken[-1]] = -1
    return taken


def cloud(seed, size, width=8):
    return np.random.default_rng(seed).normal(size=(size, width)).astype(np.float16)


@pytest.mark.parametrize("centers", [0, 1, 40])
@pytest.mark.parametrize(("front", "waiting"), [(1024, 128), (16, 128), (64, 5), (1, 1)])
def test_it_takes_what_the_plain_algorithm_takes(centers, front, waiting, monkeypatch):
    monkeypatch.setattr(kcenter, "FRONT", front)
    monkeypatch.setattr(kcenter, "WAITING", waiting)
    points, known = cloud(1, 500), cloud(2, centers)
    assert kcenter.greedy(points, known, 90).tolist() == plain(points, known, 90)


def test_blocks_change_nothing(monkeypatch):
    points, known = cloud(1, 300), cloud(2, 50)
    whole = kcenter.greedy(points, known, 60)
    monkeypatch.setattr(kcenter, "ROWS", 7)
    monkeypatch.setattr(kcenter, "CENTERS", 3)
    assert np.array_equal(kcenter.greedy(points, known, 60), whole)


grids = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=40)


@settings(max_examples=60)
@given(grids, grids, st.integers(0, 45), st.sampled_from([2, 5, 1024]))
def test_each_one_is_a_farthest_point_whatever_ties(points, known, count, front):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kcenter, "FRONT", front)
        points, known = np.array(points, dtype=np.float32), np.array(known, dtype=np.float32)
        taken = kcenter.greedy(points, known, count).tolist()
    assert len(set(taken)) == len(taken) == min(count, len(points))
    for number, one in enumerate(taken):
        around = np.concatenate([known, points[taken[:number]]])
        far = ((points[:, None] - around[None]) ** 2).sum(axis=2).min(axis=1)
        assert far[one] == pytest.approx(far.max(), abs=1e-4)


def test_it_is_at_most_twice_as_wide_as_the_best_cover():
    corners = np.array([[0, 0], [0, 9], [9, 0], [9, 9]], dtype=np.float32)
    rng = np.random.default_rng(0)
    points = np.repeat(corners, 25, axis=0) + rng.uniform(-0.5, 0.5, (100, 2)).astype(np.float32)
    taken = kcenter.greedy(points, points[:1], 3)
    assert {place // 25 for place in taken} == {1, 2, 3}


def test_copies_come_last_and_in_order():
    points = np.array([[1, 1], [1, 1], [5, 5], [1, 1]], dtype=np.float16)
    assert kcenter.greedy(points, points[:1], 4).tolist() == [2, 0, 1, 3]


def test_a_distant_cloud_keeps_its_distances():
    """Distances are of the spread, not of the norms, which would drown them in float32."""
    points, known = cloud(3, 200).astype(np.float64), cloud(4, 5).astype(np.float64)
    near = kcenter.greedy(points, known, 30)
    assert np.array_equal(kcenter.greedy(points + 4096, known + 4096, 30), near)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_no_points_give_none(count):
    assert len(kcenter.greedy(np.empty((0, 4)), cloud(1, 3, 4), count)) == 0


def test_the_input_is_left_alone():
    points, known = cloud(1, 50), cloud(2, 5)
    before = points.copy(), known.copy()
    kcenter.greedy(points, known, 9)
    assert np.array_equal(points, before[0])
    assert np.array_equal(known, before[1])

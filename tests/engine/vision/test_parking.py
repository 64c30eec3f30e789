"""Memory of a device is given back while a search waits, and comes back as it was."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from mcal_engine import search_job
from mcal_engine.search_job import Pause
from mcal_engine.vision.parking import park
from mcal_engine.vision.search_learner import SearchLearner
from tests.engine.vision.conftest import CLASSES, TinyPool

CPU = torch.device("cpu")
QUICK = {"min_steps": 12, "epochs": 1, "batch": 16}


def test_tensors_and_their_views_are_emptied_and_filled_again():
    net = torch.nn.Linear(3, 2)
    net(torch.ones(4, 3)).sum().backward()
    pixels = torch.arange(12, dtype=torch.uint8).reshape(3, 4).clone()
    view, weight, gradient = pixels[1], net.weight.detach().clone(), net.weight.grad.clone()
    theirs = torch.from_numpy(np.ones(3))
    fill = park(CPU)
    held = (pixels, view, net.weight, net.weight.grad, weight)
    assert [one.untyped_storage().nbytes() for one in held] == [0] * 5
    assert theirs.sum() == 3  # NumPy owns it
    fill()
    assert view.tolist() == [4, 5, 6, 7]
    view[0] = 99
    assert pixels[1, 0] == 99  # they still share
    assert torch.equal(net.weight, weight)
    assert torch.equal(net.weight.grad, gradient)


@pytest.fixture
def learner(pool: TinyPool, tmp_path: Path) -> SearchLearner:
    made = SearchLearner(pool.images, CLASSES, settings=QUICK, flip=False, device="cpu", threads=1)
    made.members_in = tmp_path
    return made


def test_a_training_that_was_parked_now_and_then_ends_alike(learner: SearchLearner, pool: TinyPool):
    """In both runs and while it scores: network, optimiser, mean and data come back."""
    items, labels = pool.first(60)
    asked = {"seed": 5, "arch": "cnn_small+seeds=2"}
    alone = learner.train_and_score(items, labels, **asked).scores
    asks = []

    def parking() -> bool:
        asks.append(len(asks) % 5 == 0)
        if asks[-1]:
            park(CPU)()
        return False

    learner.cancelled = parking
    again = learner.train_and_score(items, labels, **asked).scores
    assert sum(asks) > 4
    assert again.model == alone.model  # the hash of all weights
    np.testing.assert_array_equal(again.uncertainty, alone.uncertainty)


def test_a_pause_parks_once_and_fills_unless_it_was_cancelled(tmp_path: Path, monkeypatch):
    told, stop = [], [False]
    pause = Pause(tmp_path / "pause", lambda: stop[0])
    pause.park = lambda: told.append("parked") or (lambda: told.append("filled"))
    assert not pause()
    assert told == []
    naps = iter((lambda: None, pause.path.unlink, lambda: stop.__setitem__(0, True)))
    monkeypatch.setattr(search_job.time, "sleep", lambda _seconds: next(naps)())
    pause.path.touch()
    assert not pause()
    assert told == ["parked", "filled"]
    pause.path.touch()
    assert pause()
    assert told == ["parked", "filled", "parked"]


def test_the_network_of_the_training_before_is_gone_when_the_next_begins(
    learner: SearchLearner, pool: TinyPool
):
    items, labels = pool.first(60)
    learner.train_and_score(items, labels, seed=5, arch="cnn_small")
    before, seen = weakref.ref(learner.model.net), []

    def look(_progress: object) -> None:
        gc.collect()
        seen.append(before())

    learner.report_training = look
    learner.train_and_score(items, labels, seed=6, arch="cnn_small")
    assert set(seen) == {None}

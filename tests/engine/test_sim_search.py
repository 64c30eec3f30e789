"""The bench of searches: its images, its pairs, and that it goes on only with its own settings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mcal_engine.search_stages import Search
from tests.bench import sim_search
from tests.bench.sim_search import PART, TUNED_PART, WHOLE, halved, table
from tests.engine.search_worlds import GroupLearner, World


def row(way: str, seed: int, accuracy: float) -> dict:
    shown = {"samples_shown": 100, "samples_shown_search": 0 if way in {WHOLE, PART} else 50}
    return {"way": way, "seed": seed, "accuracy": accuracy, **shown}


def test_images_are_halved_by_the_mean_of_four_pixels():
    images = np.array([[[0, 4, 8, 8], [0, 4, 8, 9]]], dtype=np.uint8)
    assert halved(images).tolist() == [[[[2], [8]]]]
    assert halved(np.zeros((3, 4, 6, 3), np.uint8)).shape == (3, 2, 3, 3)


def test_differences_are_those_of_the_same_seed_and_of_the_schemes_own_random_part():
    rows = [row(PART, 0, 0.5), row(PART, 1, 0.7), row(WHOLE, 0, 0.9), row(TUNED_PART, 0, 0.6)]
    rows += [row("build_up:entropy", 1, 0.75), row("pretrain:entropy", 0, 0.65)]
    lines = table(rows).splitlines()
    found = {line.split(" | ")[0][2:]: line.split(" | ")[2:5] for line in lines[2:]}
    assert found[PART] == ["60.00 (50.00 to 70.00)", "", "-40.00"]
    assert found["build_up:entropy"] == ["75.00", "+5.00", ""]
    assert found["pretrain:entropy"] == ["65.00", "+5.00", "-25.00"]


def test_a_grid_goes_on_and_refuses_other_settings(tmp_path, monkeypatch, capsys):
    world, asked = World(), []
    learner = GroupLearner(world)
    monkeypatch.setattr(sim_search, "SearchLearner", lambda *_images, **_more: learner)
    monkeypatch.setattr(sim_search, "drawn", lambda *_more: world.pool.held_out)
    data = tmp_path / "pool.npz"
    np.savez(data, images=np.zeros((2000, 8, 8), np.uint8), labels=world.labels)
    out = tmp_path / "found.json"
    given = ["--data", str(data), "--limit", "2000", "--model", "toy", "--acquirer", "toy+seeds=5"]
    given += ["--share", "0.4", "--seeds", "0", "--out", str(out), "--ways"]
    assert sim_search.main([*given, "compress:mutual_information"]) == 0
    ways = [one["way"] for one in json.loads(out.read_text())["rows"]]
    assert ways[:3] == [PART, WHOLE, TUNED_PART]
    assert ways[3:] == ["compress:mutual_information", "pretrain:mutual_information"]
    monkeypatch.setattr(Search, "judge", lambda *_more: asked.append(1))
    assert sim_search.main([*given, "compress:mutual_information"]) == 0
    assert not asked
    with pytest.raises(SystemExit, match="other settings"):
        sim_search.main(["--half", *given, "compress:mutual_information"])
    with pytest.raises(SystemExit):
        sim_search.main([*given, "luck:mutual_information"])
    assert "SCHEME:ACQUISITION" in capsys.readouterr().err

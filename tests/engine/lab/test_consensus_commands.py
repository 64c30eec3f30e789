"""`experiment consensus`, whole, with an ensemble in closed form."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mcal_engine import __main__ as command
from mcal_engine.lab import consensus_commands
from tests.engine.search_worlds import GroupLearner, World

WORLD = World(enough=4)
SMALL = ["--acquirers", "toy,tiny", "--targets", "big", "--runs", "3", "--checkpoints", "2,4"]
KINDS = ["single", "seeds (3)", "checkpoints (2)", "checkpoints (4)", "combined (12)"]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "pool.npz"
    np.savez(path, images=np.zeros((2000, 8, 8), np.uint8), labels=WORLD.labels)
    return path


@pytest.fixture(autouse=True)
def synthetic(monkeypatch):
    made = []

    def make(_data, _options):
        made.append(GroupLearner(WORLD))
        return made[-1]

    monkeypatch.setattr(consensus_commands, "make_learner", make)
    return made


def run(data, out, *more):
    given = ["experiment", "consensus", "--data", str(data), "--out", str(out), *SMALL, *more]
    code = command.main(given)
    kept = out / "consensus.json"
    return code, json.loads(kept.read_text()) if kept.exists() else None


def test_all_tables_and_the_figure(data, tmp_path, capsys):
    code, kept = run(data, tmp_path, "--seeds", "0,1", "--share", "0.3")
    printed = capsys.readouterr().out
    assert code == 0
    for acquirer in ("toy", "tiny"):
        table = kept["table2"][acquirer]
        assert list(table) == KINDS
        for kind in KINDS[1:]:  # members who guess apart are right together more often
            assert table[kind]["unselected"]["mean"] >= table["single"]["unselected"]["mean"] - 0.02
            assert set(table[kind]) == {"selected", "unselected", "held_out"}
        assert len(table["single"]["held_out"]["values"]) == 2
    assert list(kept["table3"]) == [*KINDS[1:], "random"]
    assert list(kept["table4"]["big"]) == [
        "random",
        "toy combined (12)",
        "tiny combined (12)",
        "full",
    ]
    assert "combined (12)" in printed
    assert (tmp_path / "consensus.png").exists()
    assert "last n together" in (tmp_path / "consensus.svg").read_text()


def test_agreement_is_kept_per_run_and_falls(data, tmp_path):
    _, kept = run(data, tmp_path, "--no-figures")
    curves = kept["runs"][0]["acquirers"]["toy"]["agreement"]
    assert len(curves) == 3
    for curve in curves:
        assert curve["n"] == [2, 3, 4]
        assert curve["all"] == sorted(curve["all"], reverse=True)
    assert not (tmp_path / "consensus.png").exists()


def test_what_is_acquired_doubles_the_first_part(data, tmp_path, synthetic):
    run(data, tmp_path, "--no-figures", "--share", "0.3")
    sizes = [images for how, arch, _, images in synthetic[-1].log if arch == "toy"]
    assert sizes == [960] * 5  # four kinds and the random draw, one network each
    members = [entry for entry in synthetic[-1].log if "checkpoints" in entry[1]]
    assert [entry[3] for entry in members] == [480, 480]


def test_an_analysis_goes_on_in_its_work_folder(data, tmp_path, synthetic):
    for out in ("a", "b"):
        (tmp_path / out).mkdir()
        run(data, tmp_path / out, "--work", str(tmp_path / "work"), "--no-figures")
    assert synthetic[1].log == []
    first, second = (json.loads((tmp_path / o / "consensus.json").read_text()) for o in "ab")
    assert first["runs"] == second["runs"]
    (tmp_path / "work" / "0-big-on_full.json").unlink()
    run(data, tmp_path / "b", "--work", str(tmp_path / "work"), "--no-figures")
    assert [entry[1] for entry in synthetic[2].log] == ["big"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--share", "0.5"], "must be below 50 %"),
        (["--runs", "1"], "two runs or more"),
        (["--acquirers", "toy+seeds=2"], "name a network"),
        (["--acquirers", ""], "needs an acquirer"),
        (["--acquisition", "luck"], "'luck' is not one of"),
        (["--seeds", "0,0"], "one seed or more"),
        (["--limit", "50"], "too few"),
        (["--checkpoints", "400"], "at most 1,000 members"),
    ],
)
def test_wrong_input_is_one_line(data, tmp_path, capsys, more, words):
    code, kept = run(data, tmp_path, *more)
    error = capsys.readouterr().err
    assert (code, kept) == (2, None)
    assert words in error
    assert error.count("\n") == 1


def test_every_option_is_documented():
    root = Path(__file__).resolve().parents[3]
    source = (root / "mcal_engine" / "lab" / "consensus_commands.py").read_text()
    text = (root / "docs" / "search.md").read_text()
    options = set(re.findall(r'add\("(--[a-z-]+)"', source))
    assert len(options) > 8
    assert {option for option in options if f"`{option}" not in text} == set()

"""The grid of methods names what the engine knows, goes on where it was, and adds up its table."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcal_engine.options import add_run_options, run_config
from mcal_engine.validation import validate
from tests.bench import sim_methods
from tests.bench.sim_methods import METHODS, SETS, Cell, spread, table

FOLDER = Path("/data")


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("data", sorted(SETS))
def test_every_cell_is_a_run_that_the_engine_accepts(method, data):
    parser = argparse.ArgumentParser()
    for name in ("--data", "--limit", "--device", "--weights"):
        parser.add_argument(name)
    add_run_options(parser)
    given = Cell(data, 5000, method, 3).options(FOLDER, "cpu", FOLDER)
    options = parser.parse_args([part for part in given if part != "--no-flip"])
    settings = run_config(options, 5000, 10)
    validate(settings)
    assert (settings.seed, settings.target.epsilon) == (3, SETS[data].epsilon)
    assert settings.arch.startswith(SETS[data].net)
    assert ("--weights" in given) == any("+tuned" in part or "+frozen" in part for part in given)


def cell(method: str, seed: int, total: float, machine: float) -> dict:
    return {
        "cell": {"data": "fashion_mnist", "limit": 5000, "method": method, "seed": seed},
        "result": {
            "cost": {"total": total, "compute": 1.0},
            "human_fraction": 1 - machine,
            "machine_fraction": machine,
            "realised_error": 0.02,
            "rounds": [{}, {}],
        },
    }


def test_the_table_has_a_row_for_each_method_in_the_order_of_the_grid():
    cells = [cell("mutual_5", 0, 90, 0.5), cell("margin", 0, 100, 0.4), cell("margin", 1, 120, 0.2)]
    lines = table(cells).splitlines()
    assert lines[0] == "fashion_mnist, 5,000 images, epsilon 5%"
    assert [line.split(" | ")[0] for line in lines[4:6]] == ["| margin", "| mutual_5"]
    assert (
        "| 2 | 110.00 (100.00 to 120.00) |  | 1.00 (1.00 to 1.00) | 70.0 (60.0 to 80.0)" in lines[4]
    )
    assert "| 1 | 90.00 | -10.00 | 1.00 | 50.0 | 50.0 | 2.00 | 2.0 |" in lines[5]
    assert {line.count("|") for line in lines[2:6]} == {10}
    assert lines[-1] == "| mutual_5 | 1 | -10.0 | 1 |"


def test_differences_are_those_of_the_same_seeds_with_students_interval():
    cells = [cell("margin", seed, total, 0.4) for seed, total in enumerate([100, 120, 500])]
    cells += [cell("entropy", seed, total, 0.4) for seed, total in ((0, 99), (1, 117), (7, 1))]
    half = 12.706204736 * 1 / 1  # t of 1 degree of freedom times the standard error, here 1
    line = table(cells).splitlines()[5]
    assert f"| -2.00 ({-2 - half:+.2f} to {-2 + half:+.2f}) |" in line
    assert "|  |" in table([cell("entropy", 0, 99, 0.4)]).splitlines()[4]  # nothing to compare


def test_pairs_of_all_sets_stand_together_as_shares_of_the_margins_cost():
    cells = [cell("margin", 0, 100, 0.4), cell("semi", 0, 90, 0.4)]
    cells += [cell("margin", 1, 200, 0.4), cell("semi", 1, 160, 0.4)]
    for one in cells[2:]:
        one["cell"]["data"] = "cifar10_jpeg"
    half = 12.706204736 * 5  # shares of -10 and -20 %: a standard error of 5
    row = f"| semi | 2 | -15.0 ({-15 - half:+.1f} to {-15 + half:+.1f}) | 2 |"
    assert table(cells).splitlines()[-1] == row


def test_a_mean_of_several_seeds_shows_their_range():
    assert spread([1.0, 3.0], 1) == "2.0 (1.0 to 3.0)"
    assert spread([1234.5], 2) == "1,234.50"


def test_a_grid_runs_what_is_missing_and_tells_of_what_failed(tmp_path, monkeypatch, capsys):
    asked = []

    def run(command, **more):
        asked.append(command)
        if "entropy" in command:
            return SimpleNamespace(returncode=2, stderr="no such thing")
        found = cell("margin", 0, 100, 0.4)["result"] | {"iterations": [], "promise": {}}
        Path(command[command.index("--json") + 1]).write_text(json.dumps(found))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    given = ["run", "--data", "fashion_mnist", "--methods", "margin", "entropy", "--seeds", "0"]
    given += ["--out", str(tmp_path)]
    assert sim_methods.main(given) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["fashion_mnist_5000_margin_s0.json"]
    assert "FAILED\nno such thing" in capsys.readouterr().out
    assert sim_methods.main(given) == 1
    assert len(asked) == 3
    given[given.index("entropy")] = "tuned"
    assert sim_methods.main(given) == 0
    assert "tuned_s0.json: passed over, it needs --weights" in capsys.readouterr().out
    (tmp_path / "cnn_small.pt").write_bytes(b"weights")
    assert sim_methods.main([*given, "--weights", str(tmp_path)]) == 0
    kept = json.loads((tmp_path / "fashion_mnist_5000_tuned_s0.json").read_text())
    assert list(kept["weights_sha256"]) == ["cnn_small.pt"]
    assert asked[-1][asked[-1].index("--weights") + 1] == str(tmp_path)
    assert sim_methods.main(["table", "--out", str(tmp_path)]) == 0
    assert "| margin | 1 | 100.00 |  |" in capsys.readouterr().out

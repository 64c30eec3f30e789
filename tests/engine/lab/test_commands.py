"""`experiment NAME`: every experiment runs on toy recordings, prints, keeps JSON, draws."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mcal_engine.lab import labels, recording
from mcal_engine.lab.commands import main, parser
from mcal_engine.lab.experiments import EXPERIMENTS, Run
from mcal_engine.lab.recorder import record
from tests.engine.lab.support import job

FAST = ["--certificate", "test_set"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "toy-a.npz"
    made, learner = job(n=3000, classes=10, keep_truth=True)
    record(made, learner, path)
    return path


def run(name, toy, out, *more):
    code = main([name, "--recording", str(toy), "--out", str(out), *FAST, *more])
    kept = out / f"{name}.json"
    return code, json.loads(kept.read_text()) if kept.exists() else None


def test_baselines(toy, tmp_path, capsys):
    code, kept = run("baselines", toy, tmp_path, "--deltas", "2,5", "--compute-price", "1")
    found = kept["toy-a"]
    assert code == 0
    assert found["human_only"] == pytest.approx(120)
    assert [row["delta"] for row in found["naive"]] == [2, 5]
    best = min(row["total"] for row in found["naive"])
    assert found["over_naive"] == pytest.approx(found["mcal"]["cost"]["total"] / best)
    ends = found["hindsight"]["ends"]
    assert [end["train_size"] for end in ends] == list(recording.load(toy).sizes)
    cheapest = min(found["human_only"], *(end["total"] for end in ends))
    assert found["hindsight"]["best"]["total"] == pytest.approx(cheapest)
    assert found["regret"] >= -1e-9  # the run's own end is among those looked back on
    assert {path.name for path in tmp_path.glob("baselines-*")} == {
        "baselines-toy-a.png",
        "baselines-toy-a.svg",
    }
    printed = capsys.readouterr().out
    assert "MCAL" in printed
    assert "hindsight" in printed


def test_prices(toy, tmp_path, capsys):
    _, kept = run("prices", toy, tmp_path, "--label-prices", "0.003,0.04", "--epsilons", "0.05,0.1")
    rows = kept["rows"]
    assert [(row["label_price"], row["epsilon"]) for row in rows] == [
        (0.003, 0.05),
        (0.003, 0.1),
        (0.04, 0.05),
        (0.04, 0.1),
    ]
    assert all(row["kept"] == (row["realised_error"] <= row["epsilon"]) for row in rows)
    assert "4 of 4 within epsilon" in capsys.readouterr().out or not all(r["kept"] for r in rows)


def test_coverage(toy, tmp_path, capsys):
    _, kept = run("coverage", toy, tmp_path, "--seeds", "0,1", "--compute-price", "0.5")
    assert kept["runs"] + kept["left_out"] == 2
    assert kept["forecasts"] == sum(row["forecasts"] for row in kept["by_iteration"])
    assert "80 % interval" in capsys.readouterr().out


def test_backtest(toy, tmp_path):
    _, kept = run("backtest", toy, tmp_path, "--no-figures")
    assert set(kept["pooled"]["models"]) == {"joint", "per_theta", "last_value"}


@pytest.mark.parametrize(
    ("options", "archs"),
    [
        ([], ("one", "two")),
        (["--arch", "two"], ("two",)),
        (["--arch", "two", "--rivals", "one"], ("two", "one")),
    ],
)
def test_recorded_architectures_race_unless_one_is_named(tmp_path, options, archs):
    made, learner = job(archs=("one", "two"), sizes=(60,), seed=5)
    run = Run("race", record(made, learner, tmp_path / "race.npz"), made.truth)
    given = parser().parse_args(["prices", "--recording", "r", "--out", "o", *options])
    assert run.config(given).archs == archs
    assert run.config(given).seed == 5


def test_every_experiment_is_tested_here():
    assert set(EXPERIMENTS) >= {"baselines", "prices", "coverage", "backtest"}


def test_equal_runs_keep_equal_files(toy, tmp_path):
    kept = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        kept.append(run("prices", toy, tmp_path / name)[1]["rows"])
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--out": "nowhere"}, "no folder nowhere"),
        ({"--recording": "missing.npz"}, "missing.npz is not a recording"),
    ],
)
def test_wrong_input_is_one_line(toy, tmp_path, capsys, change, message):
    given = {"--recording": str(toy), "--out": str(tmp_path)} | change
    assert main(["prices", *(part for pair in given.items() for part in pair)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


# --- labels ----------------------------------------------------------------------------------


def kept(path, **more):
    made, learner = job(sizes=(60, 100), **more)
    return record(made, learner, path), made


def test_labels_are_found_by_the_recorded_name(tmp_path):
    found, made = kept(tmp_path / "run.npz")
    np.savez(tmp_path / "toy.npz", labels=made.truth)
    truth, given = labels.of(found, tmp_path)
    assert np.array_equal(truth, made.truth)
    assert given is None


def test_peoples_answers_are_found_and_filled_up_by_the_truth(tmp_path):
    here, _ = job()
    answers = (here.truth[:2000] + 1) % here.classes
    given = np.concatenate([answers, here.truth[2000:]])
    np.savez(tmp_path / "toy.npz", labels=here.truth)
    np.savez(tmp_path / "people.npz", first=answers.astype(np.uint8))
    found, _ = kept(tmp_path / "run.npz", given=given, given_name="people.npz:first")
    assert np.array_equal(labels.of(found, tmp_path)[1], given)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("people.npz:second", "no array 'second'"),
        ("people.npz:long", "do not go with"),
        ("people.npz:wrong", "outside the 4 classes"),
        ("other.npz:first", "there is no file"),
        ("people.npz", "FILE.npz:ARRAY"),
    ],
)
def test_answers_that_do_not_fit_are_refused(tmp_path, source, message):
    np.savez(tmp_path / "people.npz", long=np.zeros(9, int), wrong=np.array([4]))
    with pytest.raises(labels.DataError, match=message):
        labels.given_by(str(tmp_path / source), np.zeros(5, dtype=np.int64), 4)


def test_missing_labels_are_said(tmp_path):
    found, _ = kept(tmp_path / "run.npz")
    with pytest.raises(labels.DataError, match="nothing at"):
        labels.of(found, tmp_path)


# --- documents -------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["record", "commands"])
def test_every_option_is_documented(module):
    root = Path(__file__).resolve().parents[3]
    source = (root / "mcal_engine" / "lab" / f"{module}.py").read_text()
    text = (root / "docs" / "benchmarks.md").read_text()
    options = set(re.findall(r'add\("(--[a-z-]+)"', source))
    assert options
    assert {option for option in options if option.removeprefix("--") not in text} == set()


def test_every_experiment_is_documented():
    text = (Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md").read_text()
    assert {name for name in EXPERIMENTS if f"`{name}`" not in text} == set()

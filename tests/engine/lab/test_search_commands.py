"""`search` and `transfer` on the command line, with a learner in closed form."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mcal_engine import __main__ as command
from mcal_engine import datasets
from mcal_engine.lab import search_commands
from tests.engine.search_worlds import GroupLearner, World

WORLD = World()
REAL = search_commands.make_learner
PARTS = (search_commands.KEPT, search_commands.LEFT_OUT, search_commands.HELD)
FAST = ["--share", "0.4", "--acquirer", "toy+seeds=5", "--model", "toy+seeds=5"]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "pool.npz"
    np.savez(path, images=np.zeros((2000, 8, 8), np.uint8), labels=WORLD.labels)
    return path


@pytest.fixture(autouse=True)
def synthetic(monkeypatch):
    """Stand a synthetic learner in for the network; everything else is the real command."""
    made = []

    def make(_data, _options):
        made.append(GroupLearner(WORLD))
        return made[-1]

    monkeypatch.setattr(search_commands, "make_learner", make)
    return made


def search(data, tmp_path, *more):
    out, rows = tmp_path / "result.json", tmp_path / "subset.csv"
    files = ["--json", str(out), "--subset-csv", str(rows)]
    code = command.main(["search", "--data", str(data), *FAST, *files, *more])
    return code, out, rows


def test_search_prints_and_writes_its_result(data, tmp_path, capsys):
    code, out, rows = search(data, tmp_path, "--seeds", "0,1")
    printed, result = capsys.readouterr().out, json.loads(out.read_text())
    assert code == 0
    assert "stage 2: 320 images" in printed
    assert "search - random" in printed
    assert result["accuracy"]["search"]["mean"] > result["accuracy"]["random"]["mean"]
    assert result["arguments"][0] == "search"
    with rows.open() as file:
        table = list(csv.DictReader(file))
    assert [row["image_id"] for row in table] == [str(k) for k in range(1, 2001)]
    parts = {name: sum(row["part"] == name for row in table) for name in PARTS}
    assert parts == {"kept": 640, "left_out": 960, "held_out": 400}
    assert {row["stage"] for row in table if row["part"] == "kept"} == {"1", "2"}


def test_transfer_reads_what_search_wrote(data, tmp_path, capsys, synthetic):
    _, _, rows = search(data, tmp_path)
    out = tmp_path / "transfer.json"
    code = command.main(
        [
            "transfer",
            "--data",
            str(data),
            "--subset",
            str(rows),
            "--arch",
            "big",
            "--json",
            str(out),
        ]
    )
    result = json.loads(out.read_text())
    assert code == 0
    assert result["settings"]["model"] == "big"
    with rows.open() as file:
        kept = [k for k, row in enumerate(csv.DictReader(file)) if row["part"] == "kept"]
    np.testing.assert_array_equal(synthetic[-1].learnt[1], kept)
    assert result["held_out"] == 400


def test_transfer_takes_the_folder_of_a_search_job(data, tmp_path, capsys, synthetic):
    job, part = tmp_path / "job", np.zeros(2000, np.int16)
    job.mkdir()
    part[:400], part[400:500], part[500:700] = -1, 2, 1
    request = {"schema": 1, "images": "pool.npy", "labels": "labels.npy", "classes": 4}
    request |= {"settings": {"share": 0.2}, "held_out": 0.2, "flip": False}
    (job / "request.json").write_text(json.dumps(request))
    np.save(job / "pool.npy", np.zeros((2000, 8, 8), np.uint8))
    np.save(job / "labels.npy", WORLD.labels)
    np.save(job / "part.npy", part)
    given = ["transfer", "--job", str(job), "--arch", "big", "--json", str(tmp_path / "out.json")]
    assert command.main(given) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["held_out"] == 400
    assert result["images"]["search"] == 300
    np.testing.assert_array_equal(np.sort(synthetic[-1].learnt[1]), np.arange(400, 700))
    assert command.main([*given, "--data", str(data)]) == 2
    assert "either --data with --subset, or --job" in capsys.readouterr().err
    np.save(job / "part.npy", part[:5])
    assert command.main(given) == 2


def test_a_search_goes_on_in_its_work_folder(data, tmp_path, synthetic):
    work = ["--work", str(tmp_path / "work")]
    _, out, _ = search(data, tmp_path, *work)
    first = out.read_text()
    search(data, tmp_path, *work)
    assert out.read_text() == first
    assert synthetic[-1].log == []
    search(data, tmp_path, *work, "--training", "epochs=3")
    assert len(synthetic[-1].log) == 4


def test_the_last_images_can_be_held_out(data, tmp_path):
    _, out, rows = search(data, tmp_path, "--held-out-last", "500")
    assert json.loads(out.read_text())["labelled"] == 1500
    with rows.open() as file:
        held = [row["part"] == "held_out" for row in csv.DictReader(file)]
    assert held == [False] * 1500 + [True] * 500


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--share", "1"], "100 % is the whole set"),
        (["--share", "0"], "between 0 and 1"),
        (["--acquirer", "toy"], "one member of toy is zero"),
        (["--held-out", "0"], "leaves nothing to judge by"),
        (["--held-out-last", "2000"], "cannot be held out"),
        (["--limit", "60"], "too few"),
        (["--seeds", "1,1"], "one seed or more"),
        (["--training", "speed=9"], "no training setting 'speed'"),
        (["--training", "epochs=many"], "NAME=NUMBER"),
        (["--data", "nowhere.npz"], "nothing at nowhere.npz"),
    ],
)
def test_wrong_input_is_one_line(data, tmp_path, capsys, more, words):
    code, out, rows = search(data, tmp_path, "--work", str(tmp_path / "w"), *more)
    error = capsys.readouterr().err
    assert code == 2
    assert words in error
    assert error.count("\n") == 1
    assert not out.exists()
    assert not rows.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("image_id", "name"), "not a subset"),
        (lambda text: text.replace("\n5,", "\nfive,"), "not a subset"),
        (lambda text: "\n".join(text.split("\n")[:-5]), "other images"),
        (lambda text: text.replace("\n2,", "\n3,"), "other images"),
        (lambda text: text.replace("kept", "left_out"), "one image or more"),
    ],
)
def test_a_subset_of_other_images_is_refused(data, tmp_path, capsys, change, words):
    _, _, rows = search(data, tmp_path, "--no-compare")
    before = rows.read_text()
    rows.write_text(change(before))
    assert rows.read_text() != before
    given = ["transfer", "--data", str(data), "--subset", str(rows), "--arch", "big"]
    assert command.main(given) == 2
    assert words in capsys.readouterr().err


def test_a_subset_of_other_labels_is_refused(data, tmp_path, capsys):
    _, _, rows = search(data, tmp_path, "--no-compare")
    other = tmp_path / "other.npz"
    np.savez(other, images=np.zeros((2000, 8, 8), np.uint8), labels=(WORLD.labels + 1) % 4)
    given = ["transfer", "--data", str(other), "--subset", str(rows), "--arch", "big"]
    assert command.main(given) == 2
    assert "other images" in capsys.readouterr().err


def test_the_real_learner_is_told_all_that_the_options_say(data, tmp_path):
    given = ["--data", str(data), "--threads", "1", "--device", "cpu", "--no-flip",
             "--weights", str(tmp_path), "--training", "epochs=3"]  # fmt: skip
    options = search_commands.search_parser().parse_args(given)
    learner = REAL(datasets.load(data), options)
    assert learner.recipe("cnn_small").epochs == 3
    assert not learner.recipe("cnn_small").flip
    assert learner.prior.source.folder == tmp_path
    assert not learner.prior.source.download


def test_a_missing_subset_is_said(data, tmp_path, capsys):
    given = ["transfer", "--data", str(data), "--subset", str(tmp_path / "x.csv"), "--arch", "big"]
    assert command.main(given) == 2
    assert "x.csv is not a subset" in capsys.readouterr().err


def test_every_option_is_documented():
    root = Path(__file__).resolve().parents[3]
    source = (root / "mcal_engine" / "lab" / "search_commands.py").read_text()
    text = (root / "docs" / "search.md").read_text()
    options = set(re.findall(r'add(?:_argument)?\("(--[a-z-]+)"', source))
    assert len(options) > 15
    assert {option for option in options if f"`{option}" not in text} == set()

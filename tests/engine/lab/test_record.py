"""`python -m mcal_engine.lab.record`: options, and a real network recorded at toy size."""

import numpy as np
import pytest

from mcal_engine.errors import DataError
from mcal_engine.lab import record, recording
from mcal_engine.lab.record import recipe_changes, sizes_of

QUICK = ["--recipe", "epochs=1", "--recipe", "min_steps=2", "--threads", "1", "--device", "cpu"]


def options(*given):
    return record.parser().parse_args(["--data", "d", "--out", "o", *given])


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        (["--sizes", "1,1.5,2"], (700, 1050, 1400)),
        (["--sizes", "2,1"], (700, 1400)),
        (["--delta", "3.3", "--until", "8"], (700, 3010, 5320)),
        (["--delta", "10", "--until", "40", "--start", "10"], (7000, 14000, 21000, 28000)),
    ],
)
def test_sizes_are_per_cents_of_x(given, sizes):
    assert sizes_of(options(*given), 70_000) == sizes


@pytest.mark.parametrize(
    "given",
    [[], ["--sizes", "1,2", "--delta", "1"], ["--sizes", "1,many"], ["--delta", "0"]],
)
def test_sizes_that_make_no_sense_are_refused(given):
    with pytest.raises(DataError, match=r"--sizes|--delta"):
        sizes_of(options(*given), 1000)


def test_recipes_are_read_as_json_or_words():
    pairs = ["epochs=20", "learning_rate=0.5", "flip=false", "kind=sgd"]
    assert recipe_changes(pairs) == {
        "epochs": 20,
        "learning_rate": 0.5,
        "flip": False,
        "kind": "sgd",
    }
    with pytest.raises(DataError, match="KEY=VALUE"):
        recipe_changes(["epochs"])


@pytest.fixture
def pictures(tmp_path):
    """Save 200 pictures of 12 x 12 whose brightness is their class; return the file."""
    labels = np.arange(200) % 2
    noise = np.random.default_rng(0).integers(0, 90, (200, 12, 12, 1))
    images = (noise + 120 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "pictures.npz", images=images, labels=labels)
    return tmp_path / "pictures.npz"


def test_a_network_is_recorded(pictures, tmp_path, capsys):
    out = tmp_path / "run.npz"
    given = ["--data", str(pictures), "--out", str(out), "--sizes", "10,20", *QUICK]
    assert record.main(given) == 0
    made = recording.load(out)
    assert made.sizes == (20, 40)
    assert made.about.data == "pictures"
    assert made.about.recipe["epochs"] == 1
    assert {"device", "cpu", "cores", "torch"} <= set(made.about.hardware)
    assert set(made.rounds[0].take().measures) == {"margin", "least_confidence", "entropy"}
    assert made.rounds[1].take().samples_shown > 0
    assert "round   2  B      40  cnn_small" in capsys.readouterr().out
    assert record.main([*given[:-8], "--resume", "--sizes", "10,20,30", *QUICK]) == 0
    assert recording.load(out).sizes == (20, 40, 60)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--recipe", "unheard_of=1"], "no such recipe"),
        (["--limit", "100", "--given", "people.npz:first"], "not with --limit"),
        (["--given", "people.npz:first"], "there is no file"),
        (["--out", "nowhere/run.npz"], "no folder nowhere"),
    ],
)
def test_wrong_input_is_one_line(pictures, tmp_path, capsys, more, message):
    out = str(tmp_path / "run.npz")
    given = ["--data", str(pictures), "--out", out, "--sizes", "10", *QUICK]
    assert record.main([*given, *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

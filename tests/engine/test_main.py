"""The command line: a readable run, the JSON, and one clear line for wrong input."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mcal_engine import __main__ as command
from mcal_engine.learner import SyntheticLearner


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "pool.npz"
    labels = rng.integers(0, 4, 1200)
    np.savez(path, images=rng.integers(0, 256, (1200, 8, 8), dtype=np.uint8), labels=labels)
    return path


@pytest.fixture
def synthetic(monkeypatch):
    """Stand a synthetic learner in for the network; everything else is the real command."""
    monkeypatch.setattr(
        command, "_learner", lambda data, options: SyntheticLearner(data.labels, 4, level=0.1)
    )


def test_a_run_prints_its_rounds_and_writes_its_json(data, tmp_path, synthetic, capsys):
    out = tmp_path / "result.json"
    code = command.main(["simulate", "--data", str(data), "--seed", "3", "--json", str(out)])
    printed = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert code == 0
    assert result["seed"] == 3
    assert sum(result["counts"].values()) == 1200
    for record in result["iterations"]:
        assert record["decision"] in printed
    assert "against $48.00 by hand" in printed


def test_a_run_writes_what_verify_reads(data, tmp_path, synthetic, capsys):
    files = [str(tmp_path / name) for name in ("certificate.json", "labels.csv")]
    keep = ["--certificate-json", files[0], "--labels-csv", files[1]]
    assert command.main(["simulate", "--data", str(data), *keep]) == 0
    assert command.main(["verify", *files]) == 0
    assert "The certificate holds. certified" in capsys.readouterr().out


def test_a_run_without_machine_labels_says_that_there_is_no_certificate(
    data, tmp_path, synthetic, capsys
):
    out = tmp_path / "certificate.json"
    free = ["--label-price", "0", "--certificate-json", str(out)]
    assert command.main(["simulate", "--data", str(data), *free]) == 0
    assert "no certificate" in capsys.readouterr().out
    assert not out.exists()


def test_a_limit_takes_fewer_images(data, tmp_path, synthetic):
    out = tmp_path / "result.json"
    command.main(["simulate", "--data", str(data), "--limit", "800", "--json", str(out)])
    assert json.loads(out.read_text())["n"] == 800


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epsilon", "1.5"], "epsilon"),
        (["--limit", "20"], "too few"),
        (["--label-price", "-1"], "price per label"),
    ],
)
def test_wrong_settings_are_one_line_and_code_2(data, synthetic, capsys, arguments, words):
    code = command.main(["simulate", "--data", str(data), *arguments])
    told = capsys.readouterr().err
    assert code == 2
    assert words in told
    assert told.count("\n") == 1
    assert "Traceback" not in told


def test_a_path_that_is_not_there_is_one_line_and_code_2(tmp_path, capsys):
    assert command.main(["simulate", "--data", str(tmp_path / "none.npz")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_json_that_cannot_be_written_is_said(data, tmp_path, synthetic, capsys):
    target = tmp_path / "no" / "folder.json"
    assert command.main(["simulate", "--data", str(data), "--json", str(target)]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_an_unknown_criterion_names_the_known_ones(data, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["simulate", "--data", str(data), "--criterion", "best"])
    assert stopped.value.code == 2
    assert "overall" in capsys.readouterr().err


def test_importing_the_command_does_not_import_torch_or_the_web():
    program = (
        "import sys, mcal_engine.__main__, mcal_engine.state_io;"
        "sys.exit(bool({'torch', 'torchvision', 'django'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

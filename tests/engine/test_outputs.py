"""The files that a simulated run leaves: the stand-alone verifier accepts them, and only them."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import outputs, simulate, verify
from mcal_engine.errors import EngineError
from mcal_engine.types import CertificateKind, Criterion, Target
from tests.engine.support import config, world

NAMES = ("coat", "bag, small", 'a "shirt"', "boot")


def finished(target, **learner):
    settings = replace(config(1500), target=target)
    labels, model = world(settings, **learner)
    driver = simulate.Driver(settings, simulate.Oracle(labels), model)
    simulate.drive(settings, driver)
    return driver


def written(driver, folder):
    """Write both files; return their paths."""
    certificate, labels = folder / "certificate.json", folder / "labels.csv"
    assert outputs.write_certificate(certificate, driver)
    outputs.write_labels(labels, driver, NAMES)
    return certificate, labels


@pytest.fixture(scope="module")
def audited():
    driver = finished(Target(0.05, certificate=CertificateKind.AUDIT), level=0.1)
    assert driver.machine.sum() > 300
    return driver


@pytest.fixture
def files(audited, tmp_path):
    return written(audited, tmp_path)


def verdict(files):
    return verify.main([str(path) for path in files])


def test_an_audited_run_is_accepted(files, capsys):
    assert verdict(files) == 0
    assert "was stored before the first label" in capsys.readouterr().out


@pytest.mark.parametrize(
    "target",
    [
        Target(0.05),
        Target(0.05, criterion=Criterion.PLUG_IN),
        Target(0.05, criterion=Criterion.PER_S),
        Target(0.05, certificate=CertificateKind.AUDIT, budget=30.0),
    ],
)
def test_the_other_promises_are_accepted(target, tmp_path):
    assert verdict(written(finished(target, level=0.1), tmp_path)) == 0


def test_every_image_has_one_row_with_its_label_and_source(audited, files):
    with files[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["image_id"]) for row in rows] == list(range(1, 1501))
    assert all(row["label"] == NAMES[int(row["label_id"])] for row in rows)
    machine = np.array([row["source"] == "machine" for row in rows])
    assert (machine == audited.machine).all()
    given = np.array([int(row["label_id"]) for row in rows])
    assert (given[~machine] == audited.oracle.truth[~machine]).all()


def test_a_changed_figure_is_refused(files):
    held = json.loads(files[0].read_text())
    held["content"]["wrong_at_most"] -= 1
    files[0].write_text(json.dumps(held))
    assert verdict(files) == 1


def test_a_changed_machine_label_is_refused(audited, files):
    item = int(np.flatnonzero(audited.machine)[0])
    lines = files[1].read_text().split("\n")
    other = (audited.machine_labels[item] + 1) % 4
    lines[item + 1] = f"{item + 1},x,{other},machine"
    files[1].write_text("\n".join(lines))
    assert verdict(files) == 1


def test_a_machine_label_passed_off_as_human_is_refused(files):
    text = files[1].read_text()
    files[1].write_text(text.replace(",machine\n", ",human\n", 1))
    assert verdict(files) == 1


def test_a_commitment_to_something_else_is_refused(files):
    held = json.loads(files[0].read_text())
    held["commitments"] = []
    files[0].write_text(json.dumps(held))
    assert verdict(files) == 1


def test_without_machine_labels_there_is_no_certificate_and_no_old_one_either(tmp_path):
    driver = finished(Target(0.05), learnable=False)
    path = tmp_path / "certificate.json"
    path.write_text("of an earlier run")
    assert not outputs.write_certificate(path, driver)
    assert not path.exists()


def test_an_image_without_label_has_empty_cells(audited, tmp_path):
    none = simulate.Driver(config(3), simulate.Oracle(np.zeros(3, dtype=np.int64)), None)
    outputs.write_labels(tmp_path / "labels.csv", none, NAMES)
    assert (tmp_path / "labels.csv").read_text().split("\n")[1:] == ["1,,,", "2,,,", "3,,,", ""]


@pytest.mark.parametrize("path", ["no/such.json", "."])
def test_a_place_that_cannot_be_written_is_said_before_the_run(tmp_path, path):
    with pytest.raises(EngineError, match="cannot write"):
        outputs.check_places((None, tmp_path / path))
    with pytest.raises(EngineError, match="cannot write"):
        outputs.write_json(tmp_path / path, {})

"""The verifier on certificate B: what was counted on the test set."""

import json

import numpy as np
import pytest

from mcal_engine import audit, guarantees, verify
from mcal_engine.types import CertificateKind, Criterion, Target
from tests.engine.deliveries import changed, write_labels


def counted_on_t(criterion=Criterion.OVERALL, *, rate=0.03, sizes=None, tests=400, live=1):
    target = Target(0.05, 0.05, criterion, CertificateKind.TEST_SET)
    sizes = tuple(range(300, 6001, 300)) if sizes is None else sizes
    counts = tuple(round(tests * size / max(sizes)) for size in sizes)
    errors = tuple(
        round(count * rate * size / max(sizes)) for count, size in zip(counts, sizes, strict=True)
    )
    cuts = tuple(float(share) for share in np.linspace(0.05, 1, len(sizes)))
    counted = guarantees.Candidates(8000, cuts, sizes, counts, errors, cuts)
    walk = (
        guarantees.forced_walk(counted, target, live)
        if len(sizes) == 1
        else guarantees.walk(counted, target, live)
    )
    return guarantees.certificate(counted, walk, target, "model", 0, live)


def check_tested(tmp_path, document, machine=None):
    count = document["machine_labels"] if machine is None else machine
    (tmp_path / "certificate.json").write_text(json.dumps(audit.sealed(document)))
    write_labels(tmp_path / "labels.csv", np.zeros(8000, dtype=int), range(count))
    return verify.main([str(tmp_path / "certificate.json"), str(tmp_path / "labels.csv")])


@pytest.mark.parametrize("criterion", list(Criterion))
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.06, 0.4])
@pytest.mark.parametrize("tests", [20, 400])
def test_a_test_set_certificate_holds(tmp_path, criterion, rate, tests):
    assert check_tested(tmp_path, counted_on_t(criterion, rate=rate, tests=tests)) == 0


def test_several_architectures_on_one_test_set_and_a_budgets_set_hold(tmp_path):
    assert check_tested(tmp_path, counted_on_t(live=3)) == 0
    assert check_tested(tmp_path, counted_on_t(sizes=(5000,), rate=0.2)) == 0


@pytest.mark.parametrize(
    "field",
    [
        *("level", "configurations", "alpha", "sizes", "test_counts", "test_errors", "bounds"),
        *("allowances", "start", "accepted", "theta", "threshold", "machine_labels"),
        *("wrong_at_most", "bound", "kind"),
    ],
)
def test_a_changed_test_set_certificate_is_noticed(tmp_path, field):
    document = counted_on_t()
    assert check_tested(tmp_path, document | {field: changed(document[field])}) in {1, 2}


def test_the_papers_modes_hold_whatever_certificate_was_asked_for(tmp_path):
    document = counted_on_t(Criterion.PER_S) | {"kind": "audit"}
    assert check_tested(tmp_path, document) == 0


def test_machine_labels_beyond_the_certificate_are_noticed(tmp_path):
    document = counted_on_t()
    assert check_tested(tmp_path, document, document["machine_labels"] + 1) == 1

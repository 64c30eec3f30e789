"""Images that nobody can label, in every part of a run: counted wrong, never machine-labelled."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import audit, guarantees, mcal, measuring, simulate
from mcal_engine.types import (
    CertificateKind,
    Finished,
    LabelRequest,
    Purpose,
    Target,
    TrainRequest,
)
from mcal_engine.verify import WHAT_IS_FROZEN, sha256
from tests.engine.support import config, pool, scores, world
from tests.engine.test_audit import World as AuditWorld

N = 3000
SHARE = 0.02


def broken_run(seed, certificate):
    target = Target(0.05, certificate=certificate)
    settings = replace(config(N, classes=10, seed=seed), target=target)
    labels, model = world(settings)
    unusable = np.random.default_rng([seed, 9]).random(N) < SHARE
    driver = simulate.Driver(
        settings, simulate.Oracle(labels), model, label_ahead=30, unusable=unusable
    )
    steps, answers = [mcal.start(settings)], []
    while not isinstance(steps[-1][1], Finished):
        answers.append(driver.answer(steps[-1][1]))
        steps.append(mcal.advance(steps[-1][0], answers[-1]))
    return driver, steps, answers


@pytest.fixture(scope="module")
def runs():
    kinds = [CertificateKind.TEST_SET, CertificateKind.AUDIT]
    return [broken_run(seed, kinds[seed % 2]) for seed in range(8)]


def test_every_image_is_counted_once(runs):
    for driver, _, _ in runs:
        counts = simulate.count_images(driver)
        assert sum(counts.values()) == N
        assert counts["excluded"] == driver.excluded.sum() > 0


def test_each_part_of_a_run_meets_some(runs):
    """Test marks, B, images labelled ahead, audits and the residual."""
    met = set()
    for driver, steps, _ in runs:
        for _, request in steps:
            if isinstance(request, LabelRequest) and driver.unusable[request.buy].any():
                met.add(request.purpose)
    assert met == {Purpose.TEST, Purpose.SEED, Purpose.TRAIN, Purpose.AUDIT, Purpose.RESIDUAL}


def test_no_such_image_is_paid_or_taught(runs):
    for driver, _, _ in runs:
        sold = np.concatenate([items for _, items in driver.oracle.sales])
        assert not driver.unusable[sold].any()
        assert (driver.labels[driver.excluded] == -1).all()


def test_found_ones_are_never_asked_for_again(runs):
    for _, steps, answers in runs:
        for answer, (_, request) in zip(answers, steps[1:], strict=True):
            if isinstance(request, LabelRequest):
                assert not answer.pool.excluded[request.buy].any()


def test_the_promise_holds_with_each_machine_labelled_one_counted_wrong(runs):
    for driver, steps, _ in runs:
        certificate = steps[-1][0].certificate
        wrong = driver.oracle.wrong(driver.machine_labels, driver.machine)
        if certificate:
            assert wrong <= certificate["wrong_at_most"]


def test_the_sizes_of_a_record_are_those_of_what_was_taught(runs):
    for _, steps, answers in runs:
        for (_, request), answer in zip(steps, answers, strict=False):
            if isinstance(request, TrainRequest):
                after = answer.pool
                assert after.taught.sum() + after.excluded[after.train].sum() == after.train.sum()
        records = steps[-1][0].records
        assert all(r.train_size + r.test_size + r.remainder <= N for r in records)


def test_parts_of_the_planners_view_add_up(runs):
    """B, T, ahead and the remainder are all images that can be labelled."""
    for _, steps, answers in runs:
        trained = [i for i, (_, r) in enumerate(steps) if isinstance(r, TrainRequest)]
        state, answer = steps[trained[-1]][0], answers[trained[-1]]
        now = measuring.look(state, answer.pool, answer.models[0]).now
        assert now.n == N - answer.pool.excluded.sum()
        assert now.remainder == answer.pool.remainder.sum()


def test_a_test_image_that_nobody_can_label_is_an_error():
    """Even where it had a label before, and the machine agrees with it."""
    settings = config(8, classes=2, test_share=0.5)
    labels = [0, 0, -1, -1, -1, -1, -1, -1]
    seen = pool(8, marked=[0, 1], labels=labels, excluded=[1])
    counted = guarantees.count_candidates(seen, scores(np.full(8, 0.5)), settings)
    assert counted.tests[-1] == 2
    assert counted.errors[-1] == 1
    assert counted.n == 7


def test_an_image_excluded_at_the_freeze_and_labelled_later_changes_no_hash():
    """The audit keeps the N that it was frozen with."""
    frozen = AuditWorld()
    order, labels, pred, unsure, broken = frozen.answers([])
    assert frozen.audit.n == len(labels) - 2
    labels[np.flatnonzero(broken)] = 0  # somebody could, after all
    answers = (order, labels, pred, unsure, np.zeros_like(broken))
    made = audit.document(frozen.audit, *answers, config=frozen.config)
    assert sha256({name: made[name] for name in WHAT_IS_FROZEN}) == made["frozen"]


def test_an_audit_of_before_n_was_kept_counts_as_it_did():
    frozen = AuditWorld()
    old = replace(frozen.audit, n=0)
    made = audit.document(old, *frozen.answers([]), config=frozen.config)
    assert made["n"] == frozen.audit.n

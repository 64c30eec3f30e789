"""The committed order, the prefix, the verdict, the certificate."""

import json
from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import audit, audit_looks
from mcal_engine.types import CertificateKind, Prices, RunConfig, Scores, Target
from tests.engine import support

# --- a world to audit -------------------------------------------------------------------------

N = 1200
CONFIG = RunConfig(
    n=N,
    classes=4,
    prices=Prices(0.04, 3.6),
    target=Target(epsilon=0.1, alpha=0.05, certificate=CertificateKind.AUDIT),
    seed=3,
)


class World:
    """A pool with a model whose machine labels are wrong more often where it is unsure."""

    def __init__(self, seed=0, hardness=0.25):
        rng = np.random.default_rng(seed)
        self.config = CONFIG
        self.truth = rng.integers(0, 4, N)
        self.unsure = rng.random(N).astype(np.float32)
        wrong = rng.random(N) < hardness * self.unsure**2
        self.pred = np.where(wrong, (self.truth + 1) % 4, self.truth).astype(np.uint16)
        known = np.where(np.arange(N) < 200, self.truth, -1)
        self.pool = support.pool(
            N, train=range(100), marked=range(100, 200), labels=known, excluded=[1100, 1101]
        )
        self.scores = Scores(self.pred, self.unsure, "model")
        cuts = np.quantile(self.unsure[self.pool.remainder], [0.5, 0.8, 0.96])
        self.audit = self.freeze(cuts)
        self.order = audit.order(self.audit, self.pool, self.unsure)

    def freeze(self, cuts, **changed):
        arguments = {
            "attempt": 1,
            "arch": "cnn_small",
            "cuts": cuts,
            "forecasts": [0.02, 0.05, 0.08],
            "planned": 120.4,
        } | changed
        return audit.freeze(self.pool, self.scores, self.config, **arguments)

    def answers(self, items, excluded=()):
        """Return the arrays that `look` takes once these items are answered."""
        labels = self.pool.labels.copy()
        labels[items] = self.truth[items]
        labels[list(excluded)] = -1
        broken = self.pool.excluded.copy()
        broken[list(excluded)] = True
        return self.order, labels, self.pred, self.unsure, broken

    def look(self, items, excluded=()):
        return audit.look(self.audit, *self.answers(items, excluded))

    def document(self, items, excluded=()):
        answers = self.answers(items, excluded)
        looked = audit.look(self.audit, *answers)
        return audit.document(looked, *answers, config=self.config)


@pytest.fixture(scope="module")
def world():
    return World()


def test_what_is_frozen_counts_the_open_images(world):
    left = world.unsure[world.pool.remainder]
    for cut, size in zip(world.audit.cuts, world.audit.sizes, strict=True):
        assert size == (left <= np.float32(cut)).sum()
    assert world.audit.allowances == (119, 119, 119)
    assert world.audit.excluded == (1100, 1101)
    assert world.audit.planned == 120
    assert world.audit.passed == (False, False, False)


def test_the_order_is_a_permutation_of_the_largest_set(world):
    inside = world.pool.remainder & (world.unsure <= np.float32(world.audit.cuts[-1]))
    assert sorted(world.order) == list(np.flatnonzero(inside))


def test_the_order_is_the_same_after_labels_and_later_exclusions(world):
    later = replace(
        world.pool,
        labels=np.where(np.isin(np.arange(N), world.order[:50]), world.truth, world.pool.labels),
        excluded=world.pool.excluded | (np.arange(N) == world.order[3]),
    )
    assert np.array_equal(audit.order(world.audit, later, world.unsure), world.order)


def test_images_labelled_before_the_freeze_are_no_part_of_it():
    world = World()
    early = np.arange(300, 340)
    labels = world.pool.labels.copy()
    labels[early] = world.truth[early]
    world.pool = replace(world.pool, labels=labels)
    frozen = world.freeze(world.audit.cuts)
    assert not np.isin(early, audit.population(frozen, world.pool, world.unsure)).any()
    assert frozen.sizes[-1] == len(audit.population(frozen, world.pool, world.unsure))


def test_another_attempt_has_another_order_and_less_alpha(world):
    second = world.freeze(world.audit.cuts, attempt=2)
    assert second.alpha == pytest.approx(0.008)
    assert not np.array_equal(audit.order(second, world.pool, world.unsure), world.order)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.unsure.__setitem__(500, np.nextafter(w.unsure[500], np.float32(1))),
        lambda w: w.pred.__setitem__(500, (w.pred[500] + 1) % 4),
        lambda w: setattr(w, "scores", replace(w.scores, model="another")),
        lambda w: setattr(w, "config", replace(CONFIG, target=replace(CONFIG.target, alpha=0.04))),
        lambda w: setattr(
            w, "config", replace(CONFIG, target=replace(CONFIG.target, epsilon=0.10001))
        ),
        lambda w: setattr(w, "config", replace(CONFIG, seed=4)),
        lambda w: setattr(
            w, "pool", replace(w.pool, excluded=w.pool.excluded ^ (w.order[0] == np.arange(N)))
        ),
    ],
    ids=[
        "one uncertainty by one bit",
        "one machine label",
        "model",
        "alpha",
        "epsilon",
        "seed",
        "excluded",
    ],
)
def test_the_hash_covers_all_that_is_frozen(change):
    world = World()
    before = world.audit
    change(world)
    assert world.freeze(before.cuts).frozen != before.frozen


def test_the_key_holds_the_seed_the_attempt_and_the_hash(world):
    assert world.audit.key == f"3:audit:1:{world.audit.frozen[:16]}"


def test_cuts_are_short_decimals_of_the_same_float(world):
    for cut in world.audit.cuts:
        assert float(str(np.float32(cut))) == cut


# --- looking ----------------------------------------------------------------------------------


def test_nothing_has_passed_before_the_first_label(world):
    looked = world.look([])
    assert looked.looked == 0
    assert audit.certified(looked) is None


def test_enough_right_labels_certify_the_largest_set(world):
    looked = world.look(world.order)
    assert looked.passed == (True, True, True)
    assert audit.certified(looked) == 2


def test_an_open_item_blocks_what_lies_behind_it(world):
    looked = world.look(np.delete(world.order[:400], 30))
    assert looked.looked == 30
    assert looked.passed == world.look(world.order[:30]).passed


def test_an_image_that_nobody_can_label_counts_as_wrong(world):
    item = int(world.order[30])
    answers = world.answers(world.order[:100], excluded=[item])
    prefix = audit.seen(world.audit, *answers)
    assert len(prefix.wrong) == 100
    assert prefix.wrong[30]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(160)), st.lists(st.integers(1, 160), max_size=4))
def test_neither_the_arrival_of_answers_nor_the_looks_change_the_verdict(arrival, looks):
    world = World()
    state = world.audit
    for stop in [*sorted(looks), 160]:
        state = audit.look(state, *world.answers(world.order[list(arrival[:stop])]))
    assert state == world.look(world.order[:160])


def test_the_verdict_is_the_same_as_looking_after_every_label(world):
    """`look` evaluates e only around wrong labels: nothing is missed."""
    answers = world.answers(world.order)
    whole = audit.seen(world.audit, *answers)
    needed = log(1 / world.audit.alpha)
    for length in (1, 40, 90, 150, 300):
        prefix = audit.Seen(whole.inside[:length], whole.wrong[:length])
        for j in range(3):
            for corrected in (True, False):
                n = whole.inside[:length, j].cumsum()
                k = (whole.inside[:, j] & whole.wrong)[:length].cumsum()
                args = world.audit.sizes[j], world.audit.allowances[j], world.audit.forecasts[j]
                every = audit.log_e(n, k, *args, corrected=corrected)
                found = audit_looks.highest(world.audit, prefix, j, corrected=corrected)
                assert found == pytest.approx(max(0.0, every.max()))
    assert audit.verdict(world.audit, whole) == (True,) * 3
    assert needed > 0


def test_a_set_is_not_certified_over_a_smaller_one_that_has_not_passed():
    """The smallest set is all wrong, the others drown its errors."""
    world = World(hardness=0.0)
    inside = world.unsure <= np.float32(0.06)
    world.pred[inside] = (world.truth[inside] + 1) % 4
    world.audit = world.freeze([0.06, 0.8, 0.96], forecasts=[0.01, 0.02, 0.02])
    world.order = audit.order(world.audit, world.pool, world.unsure)
    looked = world.look(world.order[:300])
    assert looked.passed == (False, False, False)
    prefix = audit.seen(world.audit, *world.answers(world.order[:300]))
    assert audit_looks.highest(world.audit, prefix, 2, corrected=True) > log(1 / world.audit.alpha)


def test_what_is_still_needed_falls_to_nothing(world):
    needed = [
        audit.still_needed(world.audit, audit.seen(world.audit, *world.answers(items)))
        for items in (world.order[:0], world.order[:60], world.order)
    ]
    assert np.all(needed[0] > 0)
    assert np.all(needed[1] <= needed[0])
    assert np.all(needed[2] == 0)


def test_a_hopeless_set_needs_endless_labels():
    world = World(hardness=1.0)
    answers = world.answers(world.order[:300])
    assert audit.still_needed(world.audit, audit.seen(world.audit, *answers))[-1] == np.inf


# --- delivery and certificate -----------------------------------------------------------------


def test_the_delivered_set_leaves_out_what_people_labelled(world):
    answers = world.answers(world.order[:250], excluded=[int(world.order[300])])
    looked = audit.look(world.audit, *answers)
    order, labels, _, unsure, excluded = answers
    items = audit.delivered(looked, order, labels, unsure, excluded)
    best = audit.certified(looked)
    expected = set(order[unsure[order] <= np.float32(looked.cuts[best])]) - set(order[:250])
    assert set(items) == expected - {int(order[300])}


def test_nothing_certified_delivers_nothing(world):
    looked = world.look(world.order[:1])
    order, labels, _, unsure, excluded = world.answers(world.order[:1])
    assert len(audit.delivered(looked, order, labels, unsure, excluded)) == 0


def test_the_promise_holds_in_this_world(world):
    document = world.document(world.order[:250])
    answers = world.answers(world.order[:250])
    looked = audit.look(world.audit, *answers)
    order, labels, _, unsure, excluded = answers
    items = audit.delivered(looked, order, labels, unsure, excluded)
    wrong = (world.pred[items] != world.truth[items]).sum()
    assert wrong <= document["wrong_at_most"] <= world.audit.allowances[document["accepted"]]
    assert document["machine_labels"] == len(items)


def test_the_certificate_lists_every_answer_with_its_rank(world):
    broken = int(world.order[7])
    document = world.document(world.order[[*range(50), 60]], excluded=[broken])
    assert document["looked"] == 50
    assert [entry["order"] for entry in document["audited"]] == [*range(50), 60]
    assert document["audited"][7] == {
        "item": broken,
        "order": 7,
        "machine": int(world.pred[broken]),
        "uncertainty": float(str(world.unsure[broken])),
        "answer": None,
    }
    assert document["n"] == N - 2
    assert json.loads(json.dumps(document)) == document

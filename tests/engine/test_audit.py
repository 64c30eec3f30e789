"""E-values against exact enumeration; the committed order, the prefix, the verdict."""

import json
from dataclasses import replace
from fractions import Fraction
from math import comb, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import audit, audit_looks, evidence
from mcal_engine.types import CertificateKind, Prices, RunConfig, Scores, Target
from tests.engine import support

# --- evidence ---------------------------------------------------------------------------------


def test_attempts_spend_no_more_than_alpha():
    assert audit.level(0.05, 1) == pytest.approx(0.04)
    assert audit.level(0.05, 2) == pytest.approx(0.008)
    assert sum(audit.level(0.05, a) for a in range(1, 60)) == pytest.approx(0.05)


def paths(size, wrong, n):
    """Return [(k, probability)] of all counts after n draws from `size` with `wrong` wrong."""
    whole = comb(size, n)
    return [
        (k, Fraction(comb(wrong, k) * comb(size - wrong, n - k), whole))
        for k in range(max(0, n - size + wrong), min(n, wrong) + 1)
    ]


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize(("size", "allowance"), [(22, 3), (17, 8), (12, 0)])
def test_under_the_null_the_mean_of_e_is_at_most_one(size, allowance, corrected):
    """Ville's condition, by exact enumeration, for every number of wrong labels and of draws.

    A corrected null holds only while E - k > allowance: outside it e is not counted.
    """
    for wrong in range(allowance + 1, size + 1):
        for n in range(size + 1):
            mean = 0.0
            for k, probability in paths(size, wrong, n):
                e = np.exp(audit.log_e(n, k, size, allowance, 0.1, corrected=corrected)[0])
                mean += float(probability) * e if not corrected or wrong - k > allowance else 0.0
            assert mean <= 1 + 1e-9


@given(st.integers(20, 200), st.data())
def test_e_is_below_one_martingale_for_every_number_of_wrong_labels(size, data):
    """e <= mixture / f(E) for each E of the null: what the proof rests on."""
    allowance = data.draw(st.integers(0, size // 3))
    n = data.draw(st.integers(1, size))
    k = data.draw(st.integers(0, n))
    support_, weights = evidence._mixture(size, allowance, 0.05)
    mixture = evidence._log_sum(evidence._log_path(support_, n, k, size) + weights)
    null = np.arange(allowance + 1 + k, size - n + k + 1)
    if len(null):
        direct = float(mixture - evidence._log_path(null, n, k, size).max())
        assert audit.log_e(n, k, size, allowance, 0.05)[0] == pytest.approx(direct, abs=1e-7)
    else:
        assert audit.log_e(n, k, size, allowance, 0.05)[0] == np.inf


def test_the_weights_of_the_mixture_sum_to_one():
    for size, allowance, forecast in [(10, 0, 0.0), (10_000, 500, 0.03), (1_300_000, 65_000, 1.0)]:
        support_, weights = evidence._mixture(size, allowance, forecast)
        assert np.exp(weights).sum() == pytest.approx(1.0)
        assert len(support_) <= evidence.GRID
        assert support_[0] == 0
        assert support_[-1] == allowance


def test_no_label_is_no_evidence():
    assert audit.log_e(0, 0, 9000, 500, 0.03)[0] == 0.0


def test_a_set_without_room_for_more_wrong_labels_has_passed():
    assert audit.log_e(5501, 2, 6000, 500, 0.03)[0] == np.inf
    assert np.isfinite(audit.log_e(5499, 2, 6000, 500, 0.03)[0])


def test_without_corrections_the_found_ones_still_count():
    assert audit.log_e(5502, 2, 6000, 500, 0.03, corrected=False)[0] == np.inf
    assert np.isfinite(audit.log_e(5502, 3, 6000, 500, 0.03, corrected=False)[0])


def test_one_right_label_weighs_what_it_should():
    """Allowance 0: the mixture sits on E = 0, where the path is sure; the null's best is E = 1."""
    n, size = 40, 100
    expected = -log(comb(size - n, 1) / comb(size, 1))
    assert audit.log_e(n, 0, size, 0, 0.01)[0] == pytest.approx(expected)


@given(st.integers(50, 5000), st.floats(0, 0.1), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_a_right_label_never_weakens_the_evidence(size, forecast, share, rate, corrected):
    """So between two wrong labels the e-value only rises, and `look` may leap."""
    n = int(share * (size - 1))
    k = int(rate * min(n, size // 20))
    first, second = audit.log_e([n, n + 1], [k, k], size, size // 20, forecast, corrected=corrected)
    assert second >= first - 1e-9


@given(st.integers(50, 5000), st.floats(0, 1), st.floats(0, 1))
def test_the_corrections_only_help(size, share, rate):
    n = int(share * size)
    k = int(rate * min(n, size // 20))
    args = (n, k, size, size // 20, 0.03)
    assert audit.log_e(*args)[0] >= audit.log_e(*args, corrected=False)[0] - 1e-9


def test_the_smallest_allowance_is_where_the_martingale_falls_below_the_level():
    n, k, size, forecast, level = 120, 5, 800, 0.04, 0.05
    support_, weights = evidence._mixture(size, size, forecast)
    mixture = evidence._log_sum(evidence._log_path(support_, n, k, size) + weights)
    every = np.arange(k, size - n + k + 1)
    open_ = every[mixture - evidence._log_path(every, n, k, size) < log(1 / level)]
    assert audit.smallest_allowance(n, k, size, forecast, level) == open_.max() - k


def test_the_smallest_allowance_without_labels_is_everything_and_with_all_nothing():
    assert audit.smallest_allowance(0, 0, 500, 0.03, 0.05) == 500
    assert audit.smallest_allowance(500, 20, 500, 0.03, 0.05) == 0


@pytest.mark.parametrize("wrong", [0, 3, 20])
def test_the_smallest_allowance_holds_at_every_look_together(wrong):
    """Exact over all paths of 40 labels: the chance that it is ever too small."""
    size, level = 60, 0.2
    alive = {0: Fraction(1)}
    missed = Fraction(0)
    for n in range(1, 41):
        following: dict[int, Fraction] = {}
        for k, mass in alive.items():
            bad = Fraction(wrong - k, size - n + 1)
            for more, share in ((1, bad), (0, 1 - bad)):
                if share > 0:
                    following[k + more] = following.get(k + more, Fraction(0)) + mass * share
        alive = {}
        for k, mass in following.items():
            if audit.smallest_allowance(n, k, size, 0.05, level) < wrong - k:
                missed += mass
            else:
                alive[k] = mass
    assert missed <= Fraction(1, 5)


# --- how many labels, and which set -----------------------------------------------------------


def test_an_audit_close_to_its_limit_is_long():
    found = audit.expected_labels([0.0, 0.02, 0.03, 0.04, 0.05, 0.06], 10_000, 500, 0.05)
    assert np.all(np.diff(found[:4]) > 0)
    assert found[0] == pytest.approx(1.2 * log(20) / -log(0.95), rel=0.02)
    assert found[1] == pytest.approx(1.2 * log(20) / 0.012143, rel=0.1)
    assert np.all(np.isinf(found[4:]))


@given(st.floats(0, 1), st.integers(0, 10**6), st.integers(0, 10**5), st.floats(1e-6, 0.2))
def test_an_audit_asks_for_no_more_than_the_set(rate, size, allowance, level):
    found = float(audit.expected_labels(rate, size, allowance, level))
    assert found == np.inf or 0 < found <= size


def test_errors_that_nobody_corrects_make_an_endless_sets_audit_longer():
    whole = audit.expected_labels(0.03, 10**9, 5 * 10**7, 0.05)
    assert float(whole) == pytest.approx(1.2 * log(20) / 0.0048833, rel=0.01)
    assert audit.expected_labels(0.03, 10_000, 500, 0.05) < whole


def grid(error, *, n=10_000, remainder=8000, epsilon=0.05):
    sizes = np.linspace(40, remainder, 200).astype(int)
    allowed = [audit.guarantees.allowance(epsilon, n, int(size)) for size in sizes]
    return sizes, allowed, error(sizes / remainder)


def test_the_set_of_least_cost_stays_off_its_limit():
    sizes, allowed, rates = grid(lambda x: 0.12 * x**3)
    draws = np.tile(rates, (20, 1))
    choice = audit.choose(sizes, allowed, draws, 10_000, 0.04)
    wrong = rates * sizes
    limit = int(np.flatnonzero(wrong <= 500)[-1])
    assert 0.7 * sizes[limit] < sizes[choice.index] < sizes[limit]
    assert choice.people == pytest.approx(10_000 - sizes[choice.index] + choice.labels)
    costs = 10_000 - sizes + audit.expected_labels(rates, sizes, allowed, 0.04)
    assert choice.people == pytest.approx(costs.min())


def test_unsure_draws_cost_more():
    sizes, allowed, rates = grid(lambda x: 0.12 * x**3)
    spread = np.exp(np.random.default_rng(0).normal(0, 0.3, (200, 1)))
    sure = audit.choose(sizes, allowed, np.tile(rates, (200, 1)), 10_000, 0.04)
    unsure = audit.choose(sizes, allowed, rates * spread, 10_000, 0.04)
    assert unsure.people > sure.people
    assert unsure.size + unsure.people == pytest.approx(10_000)


def test_a_draw_that_does_not_fit_falls_back_and_pays_its_audit():
    sizes, allowed, good = grid(lambda x: 0.02 * x)
    bad = np.where(sizes <= 4500, 0.001, 0.3)
    both = audit.choose(sizes, allowed, np.stack([good, good, good, bad]), 10_000, 0.04)
    alone = audit.choose(sizes, allowed, good[None], 10_000, 0.04)
    assert sizes[both.index] > 6000
    assert 0.25 * 3000 < both.people - alone.people < 0.25 * 10_000


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_a_useless_model_gets_no_audit(rate):
    sizes, allowed, rates = grid(lambda x: np.full(len(x), rate))
    assert audit.choose(sizes, allowed, rates[None], 10_000, 0.04) is None


def test_fallbacks_ascend_and_end_at_the_chosen_set():
    sizes = np.arange(1, 201) * 40
    found = audit.fallbacks(sizes, 180)
    assert found == sorted(set(found))
    assert found[-1] == 180
    assert sizes[found[0]] <= 0.5 * sizes[180]


def test_fallbacks_of_the_smallest_candidate_are_itself():
    assert audit.fallbacks([10, 20, 30], 0) == [0]


def test_equal_candidates_are_no_trouble():
    assert audit.fallbacks([0, 0, 5, 5, 5], 3) == [3]


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

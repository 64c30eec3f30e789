"""Bounds against brute force, allowances without float slips, the walk and its certificate."""

from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from mcal_engine import guarantees
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.types import THETAS, CertificateKind, Criterion, Target
from tests.engine import support


def exact_cdf(k, population, wrong, sample):
    ways = sum(comb(wrong, i) * comb(population - wrong, sample - i) for i in range(k + 1))
    return Fraction(ways, comb(population, sample))


@st.composite
def samples(draw):
    population = draw(st.integers(1, 60))
    sample = draw(st.integers(1, population))
    return population, sample, draw(st.integers(0, sample))


@settings(deadline=None)
@given(samples(), st.integers(0, 60))
def test_the_hypergeometric_cdf_is_exact(drawn, wrong):
    population, sample, k = drawn
    wrong = min(wrong, population)
    found = guarantees.hypergeometric_cdf(k, population, wrong, sample)
    assert found == pytest.approx(float(exact_cdf(k, population, wrong, sample)), abs=1e-10)


@settings(deadline=None)
@given(samples(), st.sampled_from([0.01, 0.025, 0.1]))
def test_the_upper_bound_is_the_largest_number_still_plausible(drawn, level):
    population, sample, k = drawn
    possible = range(k, population - (sample - k) + 1)
    plausible = [e for e in possible if exact_cdf(k, population, e, sample) > Fraction(str(level))]
    assert guarantees.wrong_upper_bound(population, sample, k, level) == max(plausible)


def test_the_upper_bound_of_a_whole_count_is_the_count():
    assert guarantees.wrong_upper_bound(80, 80, 7, 0.05) == 7


def test_a_large_population_gives_the_clopper_pearson_bound():
    found = guarantees.wrong_upper_bound(1_300_000, 500, 12, 0.025) / 1_300_000
    assert found == pytest.approx(beta.ppf(0.975, 13, 488), rel=1e-3)


def test_the_bound_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    seen = rng.hypergeometric(60, 940, 100, size=3000)
    bounds = {k: guarantees.wrong_upper_bound(1000, 100, int(k), 0.05) for k in set(seen)}
    missed = np.mean([bounds[k] < 60 for k in seen])
    assert missed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)


def test_the_allowance_has_no_float_slip():
    assert guarantees.allowance(0.29, 100, 100) == 29


def test_a_small_set_may_not_use_up_the_whole_allowance():
    assert guarantees.allowance(0.05, 10_000, 100) == 20
    assert guarantees.allowance(0.3, 100, 10) == 5


@settings(deadline=None)
@given(st.decimals("0.001", "0.999", places=3), st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_allowance_is_exact(epsilon, n, size):
    exact = Fraction(epsilon)
    inside = min(4 * exact, Fraction(1, 2))
    expected = min(exact * n // 1, inside * size // 1)
    assert guarantees.allowance(float(epsilon), n, size) == expected


def candidates(rate, *, n=10_000, remainder=8000, tests=400):
    """Return nested sets whose T counts show exactly `rate(theta)`."""
    counts = tuple(round(theta * tests) for theta in THETAS)
    return guarantees.Candidates(
        n=n,
        thresholds=THETAS,
        sizes=tuple(round(theta * remainder) for theta in THETAS),
        tests=counts,
        errors=tuple(round(rate(t) * c) for t, c in zip(THETAS, counts, strict=True)),
    )


def test_a_useless_model_machine_labels_nothing():
    walk = guarantees.walk(candidates(lambda theta: 0.9), Target(0.05))
    assert (walk.accepted, walk.size, walk.wrong) == (None, 0, 0)


def test_a_perfect_model_machine_labels_everything():
    walk = guarantees.walk(candidates(lambda theta: 0.0), Target(0.05))
    assert walk.size == 8000


def test_the_accepted_set_fits_and_the_next_one_does_not():
    made = candidates(lambda theta: 0.1 * theta**2)
    walk = guarantees.walk(made, Target(0.05))
    assert walk.bounds[walk.accepted] <= walk.allowances[walk.accepted]
    assert walk.bounds[walk.accepted + 1] > walk.allowances[walk.accepted + 1]


def test_the_walk_does_not_jump_over_a_failure():
    bump = candidates(lambda theta: 0.5 if theta == 0.3 else 0.0)
    walk = guarantees.walk(bump, Target(0.05))
    assert THETAS[walk.accepted] == 0.25


def test_a_walk_without_enough_test_images_never_starts():
    walk = guarantees.walk(candidates(lambda theta: 0.0, tests=20), Target(0.01))
    assert (walk.start, walk.size) == (None, 0)


def test_sets_that_even_no_error_could_pass_are_not_judged():
    """At 1 % a faultless set needs 91 test images; the first three sets here have fewer."""
    made = candidates(lambda theta: 0.0, n=100_000, remainder=90_000, tests=500)
    walk = guarantees.walk(made, Target(0.01))
    fits = [bound <= allowed for bound, allowed in zip(walk.bounds, walk.allowances, strict=True)]
    assert fits.index(True) == 3 < walk.start
    assert walk.size == 90_000


def test_the_walk_starts_with_room_for_two_wrong_test_images():
    """One unlucky test image among the most certain does not end the walk."""
    made = candidates(lambda theta: 0.02, tests=500)
    walk = guarantees.walk(made, Target(0.05))
    assert made.tests[walk.start] == 50
    assert walk.accepted is not None


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=20, max_size=20), st.sampled_from([0.01, 0.05, 0.2]))
def test_where_the_walk_starts_never_looks_at_labels(wrong, epsilon):
    made = candidates(lambda theta: 0.0)
    unlucky = replace(made, errors=tuple(np.minimum(np.cumsum(wrong), made.tests).tolist()))
    target = Target(epsilon)
    assert guarantees.walk(made, target).start == guarantees.walk(unlucky, target).start


def just_too_wrong(rng, target, n=4000, slices=(200, 20)):
    """Draw T from a pool whose sets are all a little over their allowance.

    Return the counts and how many wrong labels each set really holds.
    """
    inside, bought = slices
    counts = rng.multivariate_hypergeometric([inside] * 20, 20 * bought)
    sizes = np.cumsum(inside - counts)
    limits = [1.03 * guarantees.allowance(target.epsilon, n, int(s)) + 2 for s in sizes]
    bad = np.diff(np.ceil(np.array(limits) * inside / (inside - bought)).astype(int), prepend=0)
    seen = np.cumsum(rng.hypergeometric(bad, inside - bad, counts))
    made = guarantees.Candidates(
        n, THETAS, tuple(sizes.tolist()), tuple(np.cumsum(counts).tolist()), tuple(seen.tolist())
    )
    return made, np.cumsum(bad) - seen


@pytest.mark.parametrize("epsilon", [0.02, 0.05])
def test_the_walk_breaks_the_target_as_rarely_as_promised(epsilon):
    target, rng, broken, over = Target(epsilon, alpha=0.2), np.random.default_rng(0), 0, 0
    for _ in range(400):
        made, wrong = just_too_wrong(rng, target)
        walk = guarantees.walk(made, target)
        over += wrong[-1] > walk.allowances[-1]
        broken += (
            walk.accepted is not None and wrong[walk.accepted] > walk.allowances[walk.accepted]
        )
    assert over > 300  # the pools really are too wrong
    assert broken <= 400 * (0.1 + 3 * np.sqrt(0.1 * 0.9 / 400))


def test_more_confidence_takes_a_smaller_set():
    made = candidates(lambda theta: 0.1 * theta**2)
    loose = guarantees.walk(made, Target(0.05, alpha=0.2))
    strict = guarantees.walk(made, Target(0.05, alpha=0.001))
    assert strict.size < loose.size


def test_plug_in_takes_the_estimate_for_the_truth():
    made = candidates(lambda theta: 0.1 * theta)
    target = Target(0.05, criterion=Criterion.PLUG_IN)
    walk = guarantees.walk(made, target)
    share = made.errors[walk.accepted] / made.tests[walk.accepted]
    assert share * walk.size <= 500
    assert walk.size > guarantees.walk(made, Target(0.05)).size


def test_per_s_keeps_the_error_inside_below_epsilon():
    made = candidates(lambda theta: 0.1 * theta)
    walk = guarantees.walk(made, Target(0.05, criterion=Criterion.PER_S))
    assert THETAS[walk.accepted] == 0.5


def test_a_set_is_named_by_the_smallest_share_that_takes_it():
    """In the paper modes a share of X above the remainder's own takes just the remainder."""
    made = candidates(lambda theta: 0.0)
    capped = replace(made, sizes=tuple(min(size, 6000) for size in made.sizes))
    walk = guarantees.walk(capped, Target(0.05, criterion=Criterion.PER_S))
    assert (walk.size, THETAS[walk.accepted]) == (6000, 0.75)


@settings(max_examples=30, deadline=None)
@given(st.integers(40, 400), st.integers(15, 25), st.sampled_from([0.02, 0.05, 0.1]))
def test_the_planners_largest_rate_is_what_the_walk_would_accept(tests, times, epsilon):
    target, size = Target(epsilon), tests * times
    rate = guarantees.largest_rate(10_000, np.array([size * 1.0]), np.array([tests * 1.0]), target)
    level, allowed = 0.025, guarantees.allowance(epsilon, 10_000, size)

    def accepted(k):
        return guarantees.wrong_upper_bound(size + tests, tests, k, level) - k <= allowed

    count = int(rate[0] * tests)
    if rate[0] < 0:
        assert not accepted(1)
    else:
        assert accepted(max(count - 1, 0))
        assert not accepted(count + 2)


def test_the_certificate_can_be_recomputed_from_itself():
    made, target = candidates(lambda theta: 0.1 * theta**2), Target(0.05)
    paper = guarantees.certificate(made, guarantees.walk(made, target), target, "hash", 7)
    again = guarantees.Candidates(
        n=paper["n"],
        thresholds=tuple(paper["thresholds"]),
        sizes=tuple(paper["sizes"]),
        tests=tuple(paper["test_counts"]),
        errors=tuple(paper["test_errors"]),
    )
    walk = guarantees.walk(again, Target(paper["epsilon"], paper["alpha"]))
    assert walk.size == paper["machine_labels"]
    assert walk.wrong == paper["wrong_at_most"]
    assert paper["promise"] == "estimated with a margin"


def test_architectures_compared_on_the_same_test_set_share_alpha():
    made, target = candidates(lambda theta: 0.1 * theta**2), Target(0.05)
    three = guarantees.walk(made, target, configurations=3)
    third = guarantees.walk(made, Target(0.05, alpha=0.05 / 3))
    assert three == third
    assert three.size < guarantees.walk(made, target).size
    paper = guarantees.certificate(made, three, target, "hash", 7, 3)
    assert (paper["configurations"], paper["level"]) == (3, pytest.approx(0.05 / 6))


# --- the sets of a pool -----------------------------------------------------------------------


def a_pool(n=2000, **target):
    """Return (pool, scores, settings): an error and an uncertainty that grow with the item."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    marked = rng.choice(n, 200, replace=False)
    wrong = rng.random(n) < 0.3 * (np.arange(n) / n) ** 2
    known = np.full(n, -1)
    known[marked] = labels[marked]
    view = support.scores(np.arange(n) / n, np.where(wrong, (labels + 1) % 4, labels))
    view = replace(view, entropy=(1 - view.uncertainty).astype(np.float32))
    settings = support.config(n, **target)
    return support.pool(n, marked=marked, labels=known), view, settings


def with_criterion(settings, criterion, **target):
    return replace(settings, target=replace(settings.target, criterion=criterion, **target))


def test_sets_are_counted_by_the_measure_of_the_settings():
    seen, view, settings = a_pool()
    by_margin = guarantees.count_candidates(seen, view, settings)
    reversed_order = replace(settings, confidence="entropy")
    by_entropy = guarantees.count_candidates(seen, view, reversed_order)
    assert by_margin.sizes == by_entropy.sizes
    assert by_margin.errors[4] < by_entropy.errors[4]
    assert by_margin.errors[-1] == by_entropy.errors[-1]


def test_a_measure_that_was_not_reported_is_refused():
    seen, view, settings = a_pool()
    with pytest.raises(InvalidAnswerError, match="least_confidence"):
        guarantees.count_candidates(seen, view, replace(settings, confidence="least_confidence"))


def test_plug_in_judges_the_remainder_in_steps_of_one_per_cent():
    seen, view, settings = a_pool()
    settings = with_criterion(settings, Criterion.PLUG_IN)
    coarse = guarantees.count_candidates(seen, view, settings)
    fine = guarantees.judged_candidates(seen, view, settings)
    assert fine.sizes == tuple(18 * k for k in range(1, 101))
    assert set(coarse.sizes) <= set(fine.sizes)
    most = guarantees.walk(fine, settings.target).size
    assert most >= guarantees.walk(coarse, settings.target).size


@pytest.mark.parametrize("criterion", [Criterion.OVERALL, Criterion.PER_S])
def test_the_other_criteria_judge_the_grid_of_theta(criterion):
    seen, view, settings = a_pool()
    settings = with_criterion(settings, criterion)
    counted = guarantees.count_candidates(seen, view, settings)
    assert guarantees.judged_candidates(seen, view, settings) == counted
    assert counted.sizes[9] == (900 if criterion is Criterion.OVERALL else 1000)


def test_a_budgets_set_is_taken_whatever_its_error():
    seen, view, settings = a_pool()
    found = guarantees.forced_candidates(seen, view, settings, 1700)
    walk = guarantees.forced_walk(found, settings.target)
    assert (found.sizes, walk.size) == ((1700,), 1700)
    wrong = sum(found.errors)
    assert (
        walk.wrong
        == guarantees.wrong_upper_bound(1700 + found.tests[0], found.tests[0], wrong, 0.025) - wrong
    )
    assert walk.wrong > walk.allowances[0]
    assert guarantees.certificate(found, walk, settings.target, "hash", 7, forced=True)["forced"]


def test_a_budget_that_leaves_nothing_to_the_machine_takes_nothing():
    seen, view, settings = a_pool()
    found = guarantees.forced_candidates(seen, view, settings, 0)
    assert guarantees.forced_walk(found, settings.target).accepted is None


def test_an_empty_remainder_has_empty_sets():
    _, view, settings = a_pool()
    full = support.pool(2000, train=range(2000), labels=np.zeros(2000))
    for criterion in Criterion:
        chosen = with_criterion(settings, criterion)
        assert sum(guarantees.judged_candidates(full, view, chosen).sizes) == 0
    assert guarantees.forced_candidates(full, view, settings, 5).sizes == (0,)


def test_the_audit_judges_eq_2_only():
    audit = Target(0.05, certificate=CertificateKind.AUDIT)
    assert guarantees.is_audited(audit)
    assert not guarantees.is_audited(replace(audit, criterion=Criterion.PLUG_IN))
    assert not guarantees.is_audited(Target(0.05))


def test_a_paper_mode_never_names_the_audit():
    made = candidates(lambda theta: 0.0)
    target = Target(0.05, criterion=Criterion.PLUG_IN, certificate=CertificateKind.AUDIT)
    paper = guarantees.certificate(made, guarantees.walk(made, target), target, "hash", 7)
    assert paper["kind"] == "test_set"


def test_a_plug_in_certificate_claims_no_margin():
    made, target = candidates(lambda theta: 0.0), Target(0.05, criterion=Criterion.PLUG_IN)
    paper = guarantees.certificate(made, guarantees.walk(made, target), target, "hash", 7)
    assert paper["promise"] == "estimate without a margin"

"""Replays decide as the run that was recorded, whatever they cost, and buy nothing twice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import simulate
from mcal_engine.errors import DataError
from mcal_engine.lab.clock import Clock
from mcal_engine.lab.replay import replay, settings, stopped_at
from mcal_engine.lab.tape import Tape
from mcal_engine.types import CertificateKind, Criterion, Prices, Target
from tests.engine.lab.support import SIZES, job, recorded
from tests.engine.support import config, world

BOTH = [CertificateKind.TEST_SET, CertificateKind.AUDIT]


def target(kind=CertificateKind.TEST_SET, epsilon=0.05, **more):
    return Target(epsilon=epsilon, certificate=kind, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("recordings"), n=4000, classes=10, seed=2)


@pytest.fixture(scope="module")
def truth():
    return job(n=4000, classes=10, seed=2)[0].truth


def plan(made, kind=CertificateKind.TEST_SET, *, label=0.04, compute=3.6, **more):
    return replace(settings(made, Prices(label, compute), target(kind)), **more)


def live(kind, seed, **learner):
    """Run the simulator and tape it: (result, recording, truth, config)."""
    wanted = replace(config(3000, classes=10, seed=seed), target=target(kind))
    labels, learner = world(wanted, **learner)
    tape = Tape(learner, wanted, labels, "toy")
    return simulate.run(wanted, simulate.Oracle(labels), tape), tape.recording, labels, wanted


def without(result, *names):
    return {key: value for key, value in result.items() if key not in names}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("seed", range(2))
def test_a_replay_of_a_run_decides_as_the_run_did(kind, seed):
    run, recording, labels, wanted = live(kind, seed)
    again = replay(recording, labels, wanted)
    assert {name: again[name] for name in run if name != "wall_seconds"} == without(
        run, "wall_seconds"
    )


def test_a_replay_repeats(made, truth):
    one, two = (replay(made, truth, plan(made)) for _ in range(2))
    assert without(one, "wall_seconds") == without(two, "wall_seconds")


@pytest.mark.parametrize("kind", BOTH)
def test_images_and_money_add_up(made, truth, kind):
    result = replay(made, truth, plan(made, kind))
    counts, cost = result["counts"], result["cost"]
    assert sum(counts.values()) == result["n"] == 4000
    assert sum(result["bought"].values()) == 4000 - counts["machine"]
    assert cost["labels"] == pytest.approx(0.04 * (4000 - counts["machine"]))
    assert cost["total"] == pytest.approx(cost["labels"] + cost["compute"])
    json.dumps(result, allow_nan=False)


def test_only_recorded_training_sets_are_visited(made, truth):
    result = replay(made, truth, plan(made))
    visited = result["visited"]
    assert visited == sorted(set(visited))
    assert [made.sizes[number - 1] for number in visited] == [
        record["train_size"] for record in result["iterations"]
    ]


def test_seconds_are_the_recorded_ones_times_the_scale(made, truth):
    result = replay(made, truth, plan(made), clock=Clock(3.0))
    for record, number in zip(result["iterations"], result["visited"], strict=True):
        taken = made.rounds[number - 1].take()
        assert record["train_seconds"] == pytest.approx(3 * taken.train_seconds)
    spent = sum(r["train_seconds"] + r["score_seconds"] for r in result["iterations"])
    assert result["cost"]["compute"] == pytest.approx(spent / 1000)


def test_a_training_may_be_priced_per_image(made, truth):
    result = replay(made, truth, plan(made), clock=Clock(0.0, per_image=2.5))
    trained = sum(record["train_size"] for record in result["iterations"])
    assert result["cost"]["compute"] == pytest.approx(trained * 0.0025)


def test_a_training_may_be_priced_per_image_shown(made, truth):
    result = replay(made, truth, plan(made), clock=Clock(0.0, per_sample=0.001))
    shown = sum(record["samples_shown"] for record in result["iterations"])
    assert result["cost"]["compute"] == pytest.approx(shown * 1e-6)


def test_another_seed_draws_another_test_set_from_the_same_trainings(made, truth):
    one, two = (replay(made, truth, plan(made, seed=seed)) for seed in (2, 9))
    assert one["iterations"][0]["train_size"] == two["iterations"][0]["train_size"]
    assert one["iterations"][0]["test_errors"] != two["iterations"][0]["test_errors"]


def test_dear_computing_trains_less(made, truth):
    cheap, dear = (replay(made, truth, plan(made, compute=c)) for c in (0.1, 3000.0))
    assert len(dear["visited"]) < len(cheap["visited"])


def test_a_strict_target_needs_more_people(made, truth):
    lax = replay(made, truth, replace(plan(made), target=target(epsilon=0.10)))
    strict = replay(made, truth, replace(plan(made), target=target(epsilon=0.02)))
    assert strict["human_fraction"] > lax["human_fraction"]


def test_paper_modes_replay(made, truth):
    for criterion in (Criterion.PLUG_IN, Criterion.PER_S):
        wanted = replace(plan(made), target=target(criterion=criterion))
        assert replay(made, truth, wanted)["criterion"] == criterion.value


def test_a_short_recording_is_said_to_end(made, truth):
    result = replay(made.up_to(2), truth, plan(made, compute=0.0))
    assert result["recording_ended"]
    assert result["stop_reason"].startswith("the recording ends at a training set of 100 images")
    assert result["visited"] == [1, 2]
    assert sum(result["counts"].values()) == 4000


def test_an_audit_that_fails_at_the_end_of_a_recording_still_finishes(made, truth):
    for seed in range(2):
        result = replay(made.up_to(4), truth, plan(made, CertificateKind.AUDIT, seed=seed))
        assert sum(result["counts"].values()) == 4000


def test_the_limit_of_rounds_is_not_the_end_of_the_recording(made, truth):
    result = replay(made, truth, plan(made, max_rounds=3))
    assert len(result["visited"]) == 3
    assert not result["recording_ended"]
    assert "limit of 3 rounds" in result["stop_reason"]


def test_fixed_batches_snap_to_recorded_sizes(made, truth):
    result = replay(made, truth, plan(made, fixed_delta=120, max_rounds=4))
    sizes = [record["train_size"] for record in result["iterations"]]
    assert sizes == [60, 150, 320, 450]  # wanted: 180, 270 (as near to 220 as to 320), 440


def test_people_who_err_are_judged_by_the_truth(tmp_path):
    here, _ = job(n=3000, classes=10)
    given = here.truth.copy()
    given[::10] = (given[::10] + 1) % 10
    recording = recorded(tmp_path, n=3000, classes=10, given=given, given_name="one in ten")
    result = replay(recording, here.truth, plan(recording), given=given)
    machine = result["counts"]["machine"]
    assert result["recorded"]["given"] == "one in ten"
    assert result["counts"]["train"] > 0
    assert result["realised_error"] * 3000 <= machine  # only machine labels are judged


@pytest.mark.parametrize("spoil", ["truth", "given", "n", "arch", "empty"])
def test_a_replay_under_the_wrong_labels_or_settings_is_refused(made, truth, spoil):
    wanted, given, recording = plan(made), None, made
    if spoil == "truth":
        truth = np.roll(truth, 1)
    if spoil == "given":
        given = np.roll(truth, 1)
    if spoil == "n":
        wanted = replace(wanted, n=3999)
    if spoil == "arch":
        wanted = replace(wanted, arch="unknown")
    if spoil == "empty":
        recording = made.up_to(0)
    with pytest.raises(DataError):
        replay(recording, truth, wanted, given=given)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("path", [(2,), (1, 3, 4)])
def test_stopping_at_a_round_visits_the_path_and_no_more(made, truth, kind, path):
    result = stopped_at(made, truth, plan(made, kind), path)
    assert result["visited"] == list(path)
    assert result["counts"]["train"] >= SIZES[path[-1] - 1]
    assert sum(result["counts"].values()) == 4000


@pytest.mark.parametrize("kind", BOTH)
def test_stopping_where_the_run_stopped_costs_the_same(made, truth, kind):
    run = replay(made, truth, plan(made, kind))
    again = stopped_at(made, truth, plan(made, kind), tuple(run["visited"]))
    assert again["counts"] == run["counts"]
    assert again["cost"] == pytest.approx(run["cost"])


def test_the_papers_accounting_leaves_out_the_test_set(made, truth):
    result = replay(made, truth, plan(made))
    counts, paper = result["counts"], result["paper"]
    assert paper["human_share"] == pytest.approx(1 - counts["machine"] / 4000)
    unpaid = (result["cost"]["total"] - paper["total"]) / 0.04
    assert unpaid == pytest.approx(counts["test"])


def test_several_architectures_replay_one_or_all(tmp_path):
    recording = recorded(tmp_path, n=3000, archs=("one", "two"))
    labels = job(n=3000)[0].truth
    wanted = plan(recording)
    assert wanted.archs == ("one", "two")
    alone = replay(recording, labels, replace(wanted, arch="two", rivals=()))
    race = replay(recording, labels, wanted)
    assert alone["arch"] == "two"
    assert race["cost"]["compute"] > alone["cost"]["compute"]


def test_a_replay_needs_no_features(tmp_path):
    recording = recorded(tmp_path)
    labels = job()[0].truth
    result = replay(recording, labels, plan(recording, acquisition="k_center"))
    assert result["visited"]

"""A saved state comes back equal at every step, stays small, and is versioned."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import charts, measuring, planner, state_io
from mcal_engine.errors import StateVersionError
from mcal_engine.types import McalState
from tests.engine.situations import audited
from tests.engine.support import config, drive, record

N = 1_300_000


@pytest.fixture(scope="module")
def states():
    _, steps, _ = drive(config(4000, seed=1))
    return [state for state, _ in steps]


def test_every_state_of_a_run_comes_back_equal(states):
    for state in states:
        assert state_io.load(state_io.dump(state)) == state


def test_the_types_come_back_too(states):
    again = state_io.load(state_io.dump(states[-1]))
    assert type(again.config.target.criterion) is type(states[-1].config.target.criterion)
    assert type(again.records[0]) is type(states[-1].records[0])
    assert isinstance(again.records[0].thresholds, tuple)


def long_race():
    """Return the state after 45 trainings of three architectures on 1,300,000 images."""
    rng, archs = np.random.default_rng(0), ("efficientnet_b0", "resnet18_wide", "cnn_small")
    settings = config(N, classes=1000, arch=archs[0], rivals=archs[1:], max_rounds=50)
    records = [long_record(rng, number, arch) for number in range(1, 46) for arch in archs]
    leader = tuple(record for record in records if record.arch == archs[0])
    now = replace(audited(), config=settings, records=leader, n=settings.n)
    now = replace(now, trained=leader[-1].train_size, marked=1000, spent=12_345.678901234)
    weighed = planner.weigh(now)
    assert len(weighed.plan.curve_median) == 20
    last = records[-3:]
    return McalState(
        config=settings,
        waiting_for="045-label-train",
        phase="label",
        iteration=45,
        records=(*map(measuring.past, records[:-3]), *last),
        plan=weighed.plan,
        previous_plan=charts.without_charts(weighed.plan),
        live=archs,
    )


def long_record(rng, number, arch):
    """Return a record whose every figure has all its digits."""
    size = 13_000 * number
    made = record(
        size, lambda t: 0.4 * number**-0.4 * t**2, n=N, test_size=1000, seconds=rng.random()
    )
    money = {name: 1e4 * (1 + rng.random()) for name in ("c_star", "c_low", "c_high", "stop_now")}
    cuts = np.sort(rng.random(20) ** 4)
    return replace(
        made,
        number=number,
        arch=arch,
        thresholds=tuple(float(f"{cut:.6g}") for cut in cuts),
        b_opt=140_000.0,
        theta_star=0.85,
        probability_best=rng.random(),
        committed=1e4 * rng.random(),
        next_delta=13_000,
        decision="adds 13,000 images to training because training on 140,000 is expected to let "
        "the machine label 15,592 more images than now and save $12,345.67",
        **money,
    )


def test_a_state_of_45_rounds_of_three_architectures_stays_under_100_kb():
    state = long_race()
    text = state_io.dump(state)
    assert len(text) < 100_000
    assert state_io.load(text) == state


def test_drivers_find_the_last_trainings_records_as_objects(states):
    for state in states:
        shown = json.loads(state_io.dump(state))["state"]["records"]
        last = [r for r in state.records if r.number == state.iteration]
        assert [r["number"] for r in shown if isinstance(r, dict)] == [r.number for r in last]


def test_a_state_of_version_1_is_read(states):
    """It wrote every record as an object and no columns."""
    state = states[-1]
    old = json.dumps({"schema_version": 1, "state": state_io.asdict(state)})
    assert len(state.records) > 2
    assert state_io.load(old) == state


def test_only_the_last_training_keeps_its_thresholds(states):
    *before, last = states[-1].records
    assert len(last.thresholds) == 20
    assert all(record.thresholds == () for record in before)


def test_a_newer_version_is_refused(states):
    document = json.loads(state_io.dump(states[0])) | {"schema_version": 99}
    with pytest.raises(StateVersionError, match="version 99"):
        state_io.load(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1}', "null", "{"])
def test_what_is_no_state_is_refused(text):
    with pytest.raises(StateVersionError, match="not a saved MCAL state"):
        state_io.load(text)


def test_a_damaged_state_is_refused(states):
    document = json.loads(state_io.dump(states[0]))
    del document["state"]["waiting_for"]
    with pytest.raises(StateVersionError, match="damaged"):
        state_io.load(json.dumps(document))


def test_an_older_version_is_upgraded_step_by_step(states, monkeypatch):
    def rename(data):
        return {("waiting_for" if k == "pending" else k): v for k, v in data.items()}

    now = state_io.SCHEMA_VERSION
    monkeypatch.setattr(state_io, "UPGRADES", (*state_io.UPGRADES, rename))
    monkeypatch.setattr(state_io, "SCHEMA_VERSION", now + 1)
    old = json.loads(state_io.dump(states[0]))
    old["schema_version"] = now
    old["state"]["pending"] = old["state"].pop("waiting_for")
    assert state_io.load(json.dumps(old)) == states[0]


def test_a_state_is_strict_json(states):
    assert "NaN" not in state_io.dump(states[-1])
    json.loads(state_io.dump(states[-1]), parse_constant=pytest.fail)

"""A saved state comes back equal at every step, stays small, and is versioned."""

import json

import pytest

from mcal_engine import state_io
from mcal_engine.errors import StateVersionError
from tests.engine.support import config, drive


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


def test_a_state_of_thirty_rounds_stays_under_100_kb(states):
    full = max(states, key=lambda state: len(state_io.dump(state)))
    padding = (30 - len(full.records)) * len(json.dumps(state_io.asdict(full.records[-1])))
    assert len(state_io.dump(full)) + padding < 100_000


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

    monkeypatch.setattr(state_io, "UPGRADES", (rename,))
    monkeypatch.setattr(state_io, "SCHEMA_VERSION", 2)
    old = json.loads(state_io.dump(states[0]))
    old["schema_version"] = 1
    old["state"]["pending"] = old["state"].pop("waiting_for")
    assert state_io.load(json.dumps(old)) == states[0]


def test_a_state_is_strict_json(states):
    assert "NaN" not in state_io.dump(states[-1])
    json.loads(state_io.dump(states[-1]), parse_constant=pytest.fail)

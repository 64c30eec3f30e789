"""What was labelled ahead in plans: sunk, in B first, never the machine's; old states are read."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import __main__ as command
from mcal_engine import rules, situation, state_io, stopping
from mcal_engine.learner import SyntheticLearner
from mcal_engine.mcal import change
from mcal_engine.types import Prices
from tests.engine.situations import accepted, audited
from tests.engine.situations import situation as seen
from tests.engine.support import drive
from tests.engine.test_auditing import SETTINGS


def test_the_parts_of_x_add_up():
    now = seen(more={"ahead": 300})
    assert now.trained + now.ahead + now.marked + now.remainder == now.n


def test_at_the_present_size_the_machine_never_gets_them():
    now = seen(more={"ahead": 300})
    marked, remainder = situation.pool_at(now, np.array([float(now.trained)]))
    assert remainder[0] == now.remainder
    assert marked[0] == now.marked


def test_a_small_batch_takes_nothing_else_along():
    """Up to B plus all that was labelled ahead the rest of X is the same."""
    now = seen(more={"ahead": 300})
    sizes = now.trained + np.array([0.0, 150.0, 300.0, 301.0])
    marked, remainder = situation.pool_at(now, sizes)
    assert len(set(remainder[:3])) == 1
    assert remainder[3] < remainder[2]
    assert (sizes[3] + marked[3] + remainder[3]) == pytest.approx(now.n)


def test_without_them_nothing_differs():
    plain, sizes = seen(), np.linspace(100, 5000, 20)
    old = plain.marked * (plain.n - sizes) / (plain.n - plain.trained)
    assert situation.pool_at(plain, sizes)[0] == pytest.approx(old)


def test_the_next_batch_is_at_least_as_large():
    now = seen(more={"ahead": 300})
    assert rules._with_ahead(now, 100) == 300
    assert rules._with_ahead(now, 500) == 500
    assert rules._with_ahead(now, 10**6) == now.n - now.trained


def test_where_nothing_else_is_outside_b_the_run_stops():
    now = seen()
    rest = now.n - now.trained
    assert rules._with_ahead(replace(now, ahead=rest), 100) == 0


def test_stopping_now_pays_for_them_once():
    """The same set costs the same, whoever labelled the images outside it, and when."""
    one = stopping.present(seen(walk=accepted(3000)))
    two = stopping.present(seen(walk=accepted(3000), more={"ahead": 200}))
    assert one.cost == two.cost


def test_the_audit_of_a_forced_set_counts_them_as_spent():
    now = audited(budget=120.0)
    fewer = stopping.forced(replace(now, ahead=900), stopping.situation.fitted(now), 120.0)
    plain = stopping.forced(now, stopping.situation.fitted(now), 120.0)
    left = [found.audit / found.audit_share for found in (plain, fewer)]  # labels still to buy
    assert left[0] - left[1] == pytest.approx(900)
    assert fewer.audit <= left[1]


# --- states and the command line --------------------------------------------------------------


def test_a_saved_audit_of_before_n_was_kept_is_read():
    _, steps, _ = drive(SETTINGS)
    state = next(state for state, _ in steps if state.phase == "audit")
    document = json.loads(state_io.dump(state))
    assert document["state"]["audit"].pop("n") == SETTINGS.n
    old = state_io.load(json.dumps(document))
    assert old == replace(state, audit=replace(state.audit, n=0))


def test_a_state_in_the_middle_of_labelling_ahead_takes_a_new_price():
    _, steps, _ = drive(SETTINGS)
    state = steps[-2][0]
    dearer = change(state, Prices(0.05, 3.6), state.config.target)
    assert dearer.spent_labels == state.spent_labels


def test_the_command_labels_ahead(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    path, out = tmp_path / "pool.npz", tmp_path / "result.json"
    labels = rng.integers(0, 4, 1200)
    np.savez(path, images=rng.integers(0, 256, (1200, 8, 8), dtype=np.uint8), labels=labels)
    learner = SyntheticLearner(labels, 4, level=0.1)
    monkeypatch.setattr(command, "_learner", lambda data, options: learner)
    arguments = ["simulate", "--data", str(path), "--label-ahead", "15", "--json", str(out)]
    assert command.main(arguments) == 0
    result = json.loads(out.read_text())
    assert result["ahead_labels"] == 15 * (len(result["iterations"]) - 1) > 0
    assert sum(result["counts"].values()) == 1200
    assert command.main([*arguments[:-3], "-1"]) == 2
    assert "-1 images cannot be labelled ahead" in capsys.readouterr().err

"""The verifier agrees with the engine, and notices every change to a certificate."""

import ast
import copy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mcal_engine import audit, verify, verify_numbers
from tests.engine.deliveries import Delivery, changed


@pytest.fixture
def delivery(tmp_path):
    return Delivery(tmp_path)


# --- it holds ---------------------------------------------------------------------------------


def test_a_true_certificate_holds(delivery, capsys):
    assert delivery.check() == 0
    said = capsys.readouterr().out
    assert "FAILED" not in said
    assert "The certificate holds. certified: at most" in said


@pytest.mark.parametrize("length", [0, 1, 60, 90, 130, 400, 950])
def test_it_holds_however_far_the_audit_came(tmp_path, length):
    assert Delivery(tmp_path, length).check() == 0


def test_some_of_these_audits_certify_different_sets(tmp_path):
    found = {Delivery(tmp_path, length).document["accepted"] for length in (1, 60, 250)}
    assert len(found) == 3


def test_it_holds_with_images_nobody_could_label_and_answers_behind_a_gap(tmp_path):
    delivery = Delivery(tmp_path, 300, broken=[4, 70], behind=[310, 311])
    assert delivery.document["looked"] == 300
    assert len(delivery.document["audited"]) == 302
    assert delivery.check() == 0


def test_a_file_without_checksum_is_checked_by_its_content(delivery):
    assert delivery.check(seal=False) == 0


def test_a_hopeless_model_is_rightly_left_out(tmp_path):
    delivery = Delivery(tmp_path, 200, hardness=8.0)
    assert delivery.document["accepted"] is None
    assert len(delivery.machine) == 0
    assert delivery.check() == 0


def test_it_imports_nothing_of_the_engine():
    for module in (verify, verify_numbers):
        tree = ast.parse(Path(module.__file__).read_text())
        names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        outside = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
        assert outside <= {"mcal_engine"}
        assert {n for n in names if n.startswith("mcal_engine")} <= {"mcal_engine.verify_numbers"}


def test_what_was_stored_before_the_audit_is_compared(delivery):
    content = {"frozen": delivery.document["frozen"], "key": delivery.document["key"]}
    row = {"content": content, "sha256": audit.sealed(content)["sha256"]}
    held = audit.sealed(delivery.document)
    assert delivery.run(held | {"commitments": [row]}) == 0
    assert delivery.run(held | {"commitments": []}) == 1
    assert delivery.run(held | {"commitments": [row | {"sha256": "0" * 64}]}) == 1
    other = {"content": {"frozen": "0" * 64}}
    assert delivery.run(held | {"commitments": [row | other]}) == 1


# --- it does not ------------------------------------------------------------------------------


FIELDS = sorted(set(verify.WHAT_IS_FROZEN) - {"criterion"})


@pytest.mark.parametrize(
    "field",
    [
        *FIELDS,
        *("criterion", "kind", "promise", "frozen", "key", "looked", "accepted", "threshold"),
        *("machine_labels", "labels_sha256", "wrong_at_most", "bound"),
    ],
)
def test_any_changed_field_is_noticed_even_with_a_new_checksum(delivery, field):
    document = copy.deepcopy(delivery.document)
    document[field] = changed(document[field])
    assert delivery.check(document) in {1, 2}
    assert delivery.check(document, seal=False) in {1, 2}


@pytest.mark.parametrize("field", ["item", "order", "answer"])
@pytest.mark.parametrize("entry", [0, 100, -1])
def test_a_changed_answer_is_noticed_even_with_a_new_checksum(delivery, field, entry):
    document = copy.deepcopy(delivery.document)
    document["audited"][entry][field] = changed(document["audited"][entry][field])
    assert delivery.check(document) == 1


@pytest.mark.parametrize("field", ["machine", "uncertainty"])
def test_the_checksum_notices_what_nothing_else_can(delivery, field):
    document = copy.deepcopy(delivery.document)
    held = audit.sealed(document)
    document["audited"][3][field] = changed(document["audited"][3][field])
    assert delivery.run(held) == 1


@pytest.mark.parametrize(
    "other",
    [{"attempt": 0}, {"attempt": -1}, {"attempt": 1.5}, {"alpha": 1.5}, {"alpha": 0.0}],
    ids=["attempt 0", "attempt -1", "attempt 1.5", "alpha 1.5", "alpha 0"],
)
def test_a_level_that_no_attempt_has_is_noticed_even_when_it_was_frozen(delivery, other):
    """Committed with every hash right: attempt 0 would spend four times alpha."""
    made = delivery.document | other
    made["level"] = 0.8 * made["alpha"] * 0.2 ** (made["attempt"] - 1)
    made["frozen"] = verify.sha256({name: made[name] for name in verify.WHAT_IS_FROZEN})
    made["key"] = f"{made['seed']}:audit:{made['attempt']}:{made['frozen'][:16]}"
    assert [text for ok, text in verify.committed(made) if not ok] == [
        "alpha lies between 0 and 1, and attempts count from 1"
    ]


def test_an_image_that_nobody_labelled_counts_as_wrong_whatever_is_written():
    """No answer and no machine label would be equal, and so right."""
    document = {"promise": verify_numbers.BUDGET, "sizes": [900], "forecasts": [0.02]}
    document["level"] = 0.04
    entry = {"uncertainty": 0.1, "machine": 1, "answer": 1}
    blank = entry | {"machine": None, "answer": None}
    _, fine = verify_numbers.verdict(document, [entry] * 300)
    _, bound = verify_numbers.verdict(document, [entry] * 280 + [blank] * 20)
    assert bound > fine


def test_an_attempt_that_was_begun_twice_is_noticed(delivery):
    """Each audit that was stored spends the level of its own attempt."""
    names = ("frozen", "key", "attempt")
    content = {name: delivery.document[name] for name in names}
    rows = [content, content | {"frozen": "1" * 64}, content | {"frozen": "2" * 64, "attempt": 2}]
    rows = [{"content": row, "sha256": audit.sealed(row)["sha256"]} for row in rows]
    held = audit.sealed(delivery.document)
    assert delivery.run(held | {"commitments": [rows[0], rows[0], rows[2]]}) == 0
    assert delivery.run(held | {"commitments": rows}) == 1


def test_a_field_that_is_missing_is_unreadable(delivery):
    for field in ("audited", "sizes", "key"):
        document = {name: value for name, value in delivery.document.items() if name != field}
        assert delivery.check(document) == 2


def test_an_audited_image_left_out_is_noticed(delivery):
    """An unwelcome answer dropped from the list: the order then has a gap."""
    document = copy.deepcopy(delivery.document)
    del document["audited"][40]
    assert delivery.check(document) == 1
    for entry in document["audited"][40:]:
        entry["order"] -= 1
    document["looked"] -= 1
    assert delivery.check(document) == 1


def test_a_skipped_image_given_to_the_machine_is_noticed(delivery):
    """Dropped from the list and from people's labels: it still precedes the audit's end."""
    document = copy.deepcopy(delivery.document)
    gone = document["audited"].pop(40)["item"]
    for entry in document["audited"][40:]:
        entry["order"] -= 1
    document["looked"] -= 1
    document["machine_labels"] += 1
    assert delivery.check(document, machine=[*delivery.machine, gone]) == 1


def test_labels_that_are_not_the_delivered_ones_are_noticed(delivery):
    audited = delivery.document["audited"][5]["item"]
    other = delivery.labels.copy()
    other[audited] = (other[audited] + 1) % 4
    assert delivery.check(labels=other) == 1
    assert delivery.check(machine=delivery.machine[1:]) == 1
    other = delivery.labels.copy()
    other[delivery.machine[3]] = (other[delivery.machine[3]] + 1) % 4
    assert delivery.check(labels=other) == 1
    assert delivery.check(machine=[*delivery.machine, audited]) == 1
    assert delivery.check(machine=[*delivery.machine[1:], 5]) == 1


def test_what_cannot_be_read_is_said(delivery, tmp_path, capsys):
    delivery.check()
    certificate, labels = str(tmp_path / "certificate.json"), str(tmp_path / "labels.csv")
    assert verify.main([certificate, "nowhere.csv"]) == 2
    assert verify.main([labels, labels]) == 2
    assert verify.main([certificate, certificate]) == 2
    assert verify.main([certificate]) == 2
    assert capsys.readouterr().err.count("cannot be checked") == 4


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "null", "{}", '{"content": 1}', '{"kind": "audit"}', "[" * 100_000],
    ids=["list", "number", "null", "empty", "no content", "no fields", "too deep"],
)
def test_odd_files_are_unreadable(delivery, tmp_path, text):
    delivery.check()
    (tmp_path / "odd.json").write_text(text)
    assert verify.main([str(tmp_path / "odd.json"), str(tmp_path / "labels.csv")]) == 2


def test_two_labels_of_one_image_are_unreadable(delivery, tmp_path):
    delivery.check()
    with (tmp_path / "labels.csv").open("a") as file:
        file.write("1,again.png,class 9,9,human,labelled\n")
    paths = [str(tmp_path / "certificate.json"), str(tmp_path / "labels.csv")]
    assert verify.main(paths) == 2


# --- a set that a budget chose ----------------------------------------------------------------


def test_the_bound_of_a_budget_is_recomputed(tmp_path):
    delivery = Delivery(tmp_path, 0)
    world = delivery.world
    frozen = world.freeze([0.7], forecasts=[0.04])
    order = audit.order(frozen, world.pool, world.unsure)
    labels = world.pool.labels.copy()
    labels[order[:80]] = world.truth[order[:80]]
    answers = (order, labels, world.pred, world.unsure, world.pool.excluded)
    document = audit.document(frozen, *answers, config=world.config, forced=True)
    assert document["promise"] == verify_numbers.BUDGET == audit.BOUNDED
    assert document["machine_labels"] == frozen.sizes[0] - 80
    delivery.labels[order[80:]] = world.pred[order[80:]]
    wrong = document["wrong_at_most"]
    assert delivery.check(document, machine=order[80:]) == 0
    assert delivery.check(document | {"wrong_at_most": wrong - 1}, machine=order[80:]) == 1


def test_a_later_change_of_the_target_does_not_touch_the_certificate(delivery):
    world = delivery.world
    target = replace(world.config.target, epsilon=0.2)
    answers = world.answers(world.order[:250])
    looked = audit.look(world.audit, *answers)
    config = replace(world.config, target=target)
    assert delivery.check(audit.document(looked, *answers, config=config)) == 1


def test_what_people_corrected_since_is_judged_as_it_was_delivered():
    labels = {0: ("human", 2), 1: ("machine", 1)}
    held = {"corrected": [{"item": 0, "was": 1, "now": 2}]}
    assert verify.as_delivered(dict(labels), held) == {0: ("machine", 1), 1: ("machine", 1)}
    assert verify.as_delivered(dict(labels), {}) == labels
    with pytest.raises(ValueError, match="not corrected"):
        verify.as_delivered(dict(labels), {"corrected": [{"item": 1, "was": 0, "now": 2}]})

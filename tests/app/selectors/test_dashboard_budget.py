"""The card of the budget: before the run, where the promise fits, where it does not, at the end."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from labelapp import engine_what_if
from labelapp.models import Certificate, Project, ProjectCounter, Run
from labelapp.selectors import what_if
from labelapp.selectors.dashboard import overview
from labelapp.selectors.money_words import money, upper_share
from mcal_engine import state_io
from tests.app import dashboard_data as data
from tests.app import what_if_data

pytestmark = pytest.mark.django_db
ENOUGH, TOO_LITTLE = 100.0, 30.0


def promise(project: Project, budget: float | None, certificate: str) -> None:
    amount = None if budget is None else Decimal(str(budget))
    Project.objects.filter(pk=project.pk).update(budget=amount, certificate=certificate)
    project.refresh_from_db()


def at(project: Project, certificate: str, budget: float, step: int) -> tuple[Run, dict]:
    """Put the run at this step of a simulated one; return it and its state."""
    state, _request = what_if_data.steps(certificate, budget)[step]
    saved = json.loads(state_io.dump(state))
    Run.objects.all().delete()
    run = what_if_data.run(project, saved)
    Run.objects.filter(pk=run.pk).update(version=step)
    last = run.iterations.last()
    if last is not None:
        last.plan = engine_what_if.planned_after(saved)
        last.save()
    return run, saved


def card(project: Project) -> dict:
    found = overview(project)["budget"]
    assert found is not None
    amounts = sum(part["amount"] for part in found["parts"])
    if found["total"] is not None:
        assert found["spent"] + amounts == pytest.approx(found["total"], abs=0.02)
        assert found["left"] == pytest.approx(found["limit"] - found["total"])
    assert all(part["amount"] > 0 for part in found["parts"])
    assert sum(part["width"] for part in found["bar"]) == pytest.approx(1000, abs=3)
    return found


def test_a_project_without_a_budget_has_no_card(project):
    data.running(project)
    assert overview(project)["budget"] is None


def test_before_the_forecast_it_says_what_is_out_and_that_nobody_knows(project):
    promise(project, 50, "audit")
    data.set_up_images(project)
    found = card(project)
    assert (found["total"], found["parts"], found["left"]) == (None, [], 50)
    assert "the forecast shows" in found["verdict"]
    promise(project, 400, "audit")  # 10,000 images at $0.04
    data.say(project, "project.changed")
    assert "every image" in card(project)["verdict"]
    promise(project, 50, "audit")
    data.start(project)
    found = card(project)
    assert [part["key"] for part in found["parts"]] == ["batch"]
    assert found["rows"][-1]["note"] == "not planned yet"


@pytest.mark.parametrize("certificate", ["audit", "test_set"])
@pytest.mark.parametrize("budget", [ENOUGH, TOO_LITTLE])
def test_it_says_whether_the_promise_fits_and_what_would_make_it_fit(project, certificate, budget):
    promise(project, budget, certificate)
    seen = set()
    for step, (state, _request) in enumerate(what_if_data.steps(certificate, budget)):
        if step % 2 or not state.plan or state.phase not in {"train", "label"}:
            continue
        at(project, certificate, budget, step)
        found, shown = card(project), overview(project)
        assert found["total"] <= budget
        seen.add(found["tone"])
        if budget == ENOUGH:
            assert "fits" in found["verdict"]
            assert not found["try"]
            continue
        quality = next(one for one in shown["figures"] if one["key"] == "quality")
        assert f"about {quality['text']} of all labels" in found["verdict"]
        limit = next(one for one in quality["rows"] if one["key"] == "epsilon")
        assert limit["note"].startswith("not promised")
        known = what_if.gather(project)
        free = replace(what_if.Wanted.of(project), budget=None)
        needed = what_if.compare(known, free)["asked"]["cost"]
        assert 0 <= float(found["try"]) - needed <= 0.06  # a label, and a cent
        assert money(Decimal(found["try"]), "USD") in found["more"]
        richer = replace(free, budget=Decimal(found["try"]))
        assert not what_if.compare(known, richer)["asked"]["forced"]
    assert seen <= ({"ok", "warn"} if budget == ENOUGH else {"error"})
    assert seen


def test_a_wish_of_the_manager_is_weighed_against_the_budget_too(project):
    promise(project, TOO_LITTLE, "audit")
    steps = what_if_data.steps("audit", TOO_LITTLE)
    run, _ = at(
        project,
        "audit",
        TOO_LITTLE,
        max(i for i, (s, _) in enumerate(steps) if s.plan and s.phase == "train"),
    )
    said = {}
    for wish in ("stop", "by_hand"):
        Run.objects.filter(pk=run.pk).update(wish=wish)
        data.say(project, "run.steered")
        found = card(project)
        said[wish] = (found["tone"], found["rows"][-1]["label"], bool(found["try"]))
    assert said["stop"] == ("error", "Left of the budget", False)
    assert said["by_hand"] == ("error", "Over the budget", False)
    assert "a person asked for this" in found["more"]


def test_the_check_of_the_machine_has_its_line(project):
    promise(project, ENOUGH, "audit")
    steps = what_if_data.steps("audit", ENOUGH)
    last = max(i for i, (state, _) in enumerate(steps) if state.phase == "train")
    at(project, "audit", ENOUGH, last)
    assert "audit" in {part["key"] for part in card(project)["parts"]}


@pytest.mark.parametrize(
    ("bound", "tone", "words"), [(0.04, "ok", "kept"), (0.2, "warn", "not fit")]
)
def test_in_the_end_it_says_what_was_delivered(project, bound, tone, words):
    promise(project, 900, "audit")
    data.finished(project)
    run = Run.objects.get(project=project)
    content = Certificate.objects.get(run=run).content | {"bound": bound}
    Certificate.objects.filter(run=run).update(content=content)
    data.say(project, "run.finished")
    found = card(project)
    assert (found["tone"], found["parts"]) == (tone, [])
    assert words in found["verdict"]
    assert upper_share(bound) in found["verdict"]
    machine = ProjectCounter.objects.get(project=project).machine
    assert f"{machine:,}" in found["verdict"]
    promise(project, 10, "audit")
    data.say(project, "run.changed")
    assert (card(project)["tone"], card(project)["rows"][-1]["label"]) == (
        "warn",
        "Over the budget",
    )

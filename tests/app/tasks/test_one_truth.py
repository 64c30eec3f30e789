"""Every page says the same of what is to come, at every step of a run that a manager steers."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from labelapp import engine_what_if
from labelapp.models import Project, Run
from labelapp.selectors import outlook_words, steering, what_if
from labelapp.selectors.dashboard import overview
from labelapp.selectors.forecast import forecast_page
from labelapp.selectors.money_words import money, number, share
from labelapp.selectors.steering_words import cards
from labelapp.services import run_settings, steering_classes, steering_reopen, steering_undo
from labelapp.services import steering as steer
from labelapp.services.terms import Terms
from mcal_engine import auditing, state_io
from tests.app import dashboard_data, what_if_data
from tests.app.tasks import driving
from tests.app.tasks.test_steering_runs import go_to, more_images, version

pytestmark = pytest.mark.django_db
NONE = "\u2013"


@pytest.fixture(autouse=True)
def _trainer(fake_trainer):
    dashboard_data.beat()
    return fake_trainer


def figure(found: dict, key: str) -> dict:
    return next(one for one in found["figures"] if one["key"] == key)


def rows(found: dict, key: str) -> dict[str, dict]:
    return {one["key"]: one for one in figure(found, key)["rows"]}


def dollars(amount: object) -> str:
    return money(Decimal(str(amount)), "USD")


def table(project: Project) -> dict:
    known = what_if.gather(project)
    return what_if.compare(known, what_if.Wanted.of(project))


def same(project: Project) -> str:
    """Compare all pages; return what kind of total they show, "" before there is one."""
    project.refresh_from_db()
    seen, asked, known = overview(project), table(project), steering.gather(project)
    cost, now, chart = figure(seen, "cost"), asked["now"], forecast_page(project)["charts"]["cost"]
    assert asked["asked"] == now  # nothing was asked
    assert rows(seen, "cost")["human_only"]["text"] == dollars(now["human_only"])
    assert dollars(chart["human_only"]) == dollars(now["human_only"])
    if cost["text"] == NONE:
        assert not asked["forecast"]
        return ""
    assert (cost["text"], cost["label"]) == (
        dollars(now["cost"]),
        outlook_words.title(asked["kind"]),
    )
    same_saving(seen, now)
    if asked["kind"] == "spent":
        assert dollars(chart["spent"]) == cost["text"] == dollars(known.spent)
        assert chart["stop_now"] is None
        return "spent"
    if asked["kind"] != "rest":
        same_ways(seen, known, now, chart, asked["kind"])
        same_quality(seen, now)
    return str(asked["kind"])


def same_saving(seen: dict, now: dict) -> None:
    saving = rows(seen, "cost")["saving"]
    assert saving["text"] in {NONE, share(now["saving_share"], 0)}


def same_ways(seen: dict, known: steering.Known, now: dict, chart: dict, kind: str) -> None:
    """Going on, and stopping now, in money."""
    stop = dollars(now["stop_cost"])
    assert dollars(chart["stop_now"]) == stop
    said = steering.consequence(known, "stop")
    assert dollars(said["total"]) == stop
    assert float(said["now"]) == pytest.approx(
        float(said["total"]) - float(said["spent"]), abs=1e-5
    )
    going = steering.going_on(known)
    assert chart["c_star"]["value"] == pytest.approx(going["value"], rel=1e-4)
    words = dict(next(card for card in cards(known) if card.key == "stop").figures)
    assert words["In all"] == stop
    shown = rows(seen, "cost")
    if kind == "plan":
        assert figure(seen, "cost")["text"] == dollars(going["value"])
        assert shown["stop_now"]["text"] == stop
        assert words["Going on as planned"].startswith(dollars(going["value"]))
    else:
        assert figure(seen, "cost")["text"] == stop
        assert shown["going_on"]["text"] == dollars(going["value"])
        assert words["Without what was asked"].startswith(dollars(going["value"]))


def same_quality(seen: dict, now: dict) -> None:
    found = figure(seen, "quality")
    if found["text"] != NONE:
        assert found["text"] == share(now["error"])
        assert "estimated" in found["note"]
    bound = rows(seen, "quality")["bound_now"]
    if now["stop_machine"]:
        assert number(now["stop_machine"]) in bound["note"]
        assert "estimated" in bound["note"]
    left = rows(seen, "time").get("to_buy")
    waiting = (seen["people"]["batch"] or {}).get("remaining", 0)
    if left is not None:
        assert left["text"] == number(max(round(now["to_buy"]["value"]), waiting))


def walk(project: Project, user, purpose: str, at_least: int = 0) -> set[str]:
    """Go to a batch of this purpose as people and the worker do, and look at every step."""
    kinds = set()
    for _ in range(80):
        kinds.add(same(project))
        driving.do_jobs()
        kinds.add(same(project))
        run = Run.objects.get(project=project)
        batch = run.batches.filter(request_id=run.waiting_for).first()
        if run.finished is not None:
            assert purpose == "finished"
            return kinds
        if batch is not None and batch.purpose == purpose and run.iteration >= at_least:
            return kinds
        driving.work_ahead(project, user, 3)
        kinds.add(same(project))
        driving.answer_all(project, user)
    raise AssertionError(f"no {purpose}")


def terms(**changes: object) -> Terms:
    values = {"epsilon": 0.05, "confidence": 0.95, "price_per_label": Decimal("0.04")}
    values |= {"compute_price_per_hour": Decimal("3.6"), "currency": "USD"}
    return Terms(**values | changes)


def test_the_pages_agree_while_a_run_is_steered(ready, cast, owner, settings):
    driving.start(ready, cast.owner)
    assert "plan" in walk(ready, cast.annotator, "train", 3)
    before = overview(ready)

    run_settings.change_settings(access=owner, terms=terms(epsilon=0.08))
    assert same(ready) == "plan"
    assert "The settings changed after the last training" in overview(ready)["status"]["warning"]
    run_settings.change_settings(access=owner, terms=terms(epsilon=0.05))
    assert same(ready) == "plan"
    assert "settings changed" not in overview(ready)["status"]["warning"]
    assert figure(overview(ready), "cost") == figure(before, "cost")

    run_settings.change_settings(access=owner, terms=terms(price_per_label=Decimal("0.06")))
    assert same(ready) == "plan"
    run_settings.change_settings(access=owner, terms=terms(compute_price_per_hour=Decimal(9)))
    assert same(ready) == "plan"

    added = steering_classes.add_class(access=owner, version=version(ready), name="ring")
    assert same(ready) == "plan"
    steering_undo.undo(access=owner, action_id=added.pk)
    assert same(ready) == "plan"

    stop = steer.ask(access=owner, what="stop", version=version(ready))
    assert same(ready) == "stop"
    steering_undo.undo(access=owner, action_id=stop.pk)
    assert same(ready) == "plan"


def test_the_pages_agree_when_a_stop_that_led_to_an_audit_is_taken_back(ready, cast, owner):
    driving.start(ready, cast.owner)
    walk(ready, cast.annotator, "train", 3)
    stop = steer.ask(access=owner, what="stop", version=version(ready))
    assert "stop" in walk(ready, cast.annotator, "audit")
    told = overview(ready)["status"]["decision"]
    assert cast.owner.display_name in told or cast.owner.email in told
    assert "It may still cost about $" in told
    steering_undo.undo(access=owner, action_id=stop.pk)
    assert same(ready) == "plan"
    assert "stricter" in overview(ready)["status"]["warning"]
    assert {"plan", "spent"} <= walk(ready, cast.annotator, "finished")


def test_the_pages_agree_to_the_end_and_when_it_is_opened_again(ready, cast, owner, settings):
    driving.start(ready, cast.owner)
    walk(ready, cast.annotator, "train", 3)
    more_images(ready, 60, settings)
    assert {"plan", "spent"} <= walk(ready, cast.annotator, "finished")
    told = what_if.in_words(what_if.gather(ready), what_if.Wanted.of(ready), table(ready), may=True)
    assert told["headline"]["label"] == "Spent in total"
    assert "Opened again" in told["verdict"]
    steering_reopen.reopen(access=owner, version=version(ready), epsilon=0.02)
    same(ready)
    assert "plan" in walk(ready, cast.annotator, "finished")


def test_people_label_the_rest_and_the_pages_agree(ready, cast, owner):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 3)
    wish = steer.ask(access=owner, what="by_hand", version=version(ready))
    assert same(ready) == "rest"
    steering_undo.undo(access=owner, action_id=wish.pk)
    assert same(ready) == "plan"
    steer.ask(access=owner, what="by_hand", version=version(ready))
    total = figure(overview(ready), "cost")["text"]
    assert {"rest", "spent"} <= walk(ready, cast.annotator, "finished")
    assert figure(overview(ready), "cost")["text"] == total


@pytest.mark.parametrize("certificate", ["audit", "test_set"])
def test_a_plan_that_was_stored_is_the_one_that_would_be_made_anew(project, certificate):
    """At each step of a simulated run, under both promises, with what the worker stores or not."""
    Project.objects.filter(pk=project.pk).update(certificate=certificate)
    kinds = []
    for step, (state, _request) in enumerate(what_if_data.steps(certificate)[::2]):
        if not state.records or state.phase in {"machine", "finished"}:
            continue
        saved = json.loads(state_io.dump(state))
        Run.objects.all().delete()
        run = what_if_data.run(project, saved)
        kind = "train" if state.phase == "train" else "label"
        # each step is another version of the run, as it is where pages remember what they know
        Run.objects.filter(pk=run.pk).update(request_kind=kind, version=2 * step)
        kinds.append(same(project))
        made_anew = table(project)["now"]
        last = run.iterations.last()
        last.plan = engine_what_if.planned_after(saved)
        last.save()
        Run.objects.filter(pk=run.pk).update(version=2 * step + 1)
        assert same(project) == kinds[-1]
        assert table(project)["now"] == made_anew
        if last.plan is not None:
            assert steering.gather(project).outlook.plan == last.plan  # nothing was made anew
    assert kinds.count("plan") >= 2


def test_a_stop_says_the_training_that_it_still_needs(ready, cast, owner):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 3)
    known = steering.gather(ready)
    nothing_new = steering.consequence(known, "stop")
    assert known.last.record["ahead"] or float(nothing_new["training"]) == 0
    driving.work_ahead(ready, cast.annotator, 3)
    known = steering.gather(ready)
    said = steering.consequence(known, "stop")
    seconds = known.last.record["train_seconds"] + known.last.record["score_seconds"]
    assert float(said["training"]) == pytest.approx(seconds * 3.6 / 3600, abs=1e-6)
    assert float(said["total"]) == pytest.approx(
        float(nothing_new["total"]) - float(nothing_new["training"]) + float(said["training"])
    )
    names = [name for name, _value in next(c for c in cards(known) if c.key == "stop").figures]
    assert "Of it, the last training" in names


def test_ends_of_an_audit_that_are_planned_anew_are_the_engines():
    assert set(engine_what_if.REPLANNED) == auditing.REPLANNED

"""What the overview shows, as rows for a spreadsheet: plain numbers, with their unit beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelapp import pricing
from labelapp.models import Project
from labelapp.selectors.dashboard_charts import charts
from labelapp.selectors.dashboard_facts import Facts, gather, look
from labelapp.selectors.dashboard_figures import forecast_error
from labelapp.selectors.dashboard_finish import labels_left, time_figure, training_seconds
from labelapp.selectors.dashboard_ledger import Line
from labelapp.selectors.dashboard_words import PURPOSES

Table = list[list[Any]]


def table(project: Project, what: str) -> Table:
    """Return a table of the overview with its head: one of `TABLES`."""
    return TABLES[what](gather(look(project.pk)))


def _figures(facts: Facts) -> Table:
    head = ["figure", "value", "low_80", "high_80", "low_95", "high_95", "unit"]
    rows = [*_money(facts), *_quality(facts), *_labels(facts), *_images(facts)]
    return [head, *([row[0], *_six(row[1:-1]), row[-1]] for row in rows)]


def _six(values: list[Any]) -> list[Any]:
    return [*values, *[None] * (5 - len(values))]


def _interval(found: dict[str, float]) -> list[float]:
    return [found[name] for name in ("value", "low80", "high80", "low95", "high95")]


def _money(facts: Facts) -> Table:
    unit, plan = facts.currency, facts.plan or {}
    compute = facts.ledger.get("compute", Line()).amount
    rows: Table = [
        ["spent", facts.spent, unit],
        ["spent_labels", facts.spent - compute, unit],
        ["spent_compute", compute, unit],
        ["people_alone", facts.human_only, unit],
        ["budget", facts.project.budget, unit],
    ]
    if plan and not facts.finished:
        rows.append(["total_if_stopped_now", facts.outlook.stop, unit])
        rows.append(["forecast_total", *_interval(plan["c_star"]), unit])
        rows.append(["cheapest_training_size", *_interval(plan["b_opt"]), "images"])
        rows.append(["machine_share_of_remainder", *_interval(plan["theta_star"]), "share"])
    return rows


def _quality(facts: Facts) -> Table:
    rows: Table = [
        ["error_limit", facts.project.epsilon, "share of all labels"],
        ["confidence", facts.project.confidence, "share"],
    ]
    if facts.certificate:
        rows.append(["certified_bound", facts.certificate.get("bound"), "share of all labels"])
    elif facts.plan:
        audited = facts.project.certificate == Project.CertificateKind.AUDIT
        forced = bool((facts.outlook.answer or {}).get("forced"))
        name = "expected_error_if_stopped_now" if audited or forced else "bound_if_stopped_now"
        rows.append([name, facts.plan["error_bound_now"], "share of all labels"])
        if expected := forecast_error(facts):
            rows.append(["forecast_error", *expected, "share of all labels"])
    return rows


def _labels(facts: Facts) -> Table:
    rows: Table = [["images_by_people", pricing.images_by_people(facts.counter), "images"]]
    if left := labels_left(facts):
        rows.append(["labels_still_to_buy", left.value, left.low, left.high, "labels"])
        rows.append(["training_still", training_seconds(facts), "seconds"])
    if ends := time_figure(facts)["finish"]:
        rows.append(["finished", ends["at"], ends["low"], ends["high"], "UTC"])
    return rows


def _images(facts: Facts) -> Table:
    counter = facts.counter
    names = ("test", "train", "ahead", "audit", "machine", "residual", "excluded")
    return [["images", facts.n, "images"]] + [
        [f"images_{name}", getattr(counter, name), "images"] for name in names
    ]


def _trainings(facts: Facts) -> Table:
    names = ["number", "train_size", "delta", "test_size", "train_seconds", "score_seconds"]
    names += ["committed", "stop_now", "c_star", "c_low", "c_high", "b_opt", "theta_star", "stable"]
    head = ["ended", "arch", *names, "test_errors", "test_count", "currency", "decision"]
    rows = zip(facts.records, facts.times, strict=True)
    return [head, *(_training(facts, record, at, names) for record, at in rows)]


def _training(facts: Facts, record: dict[str, Any], at: str, names: list[str]) -> list[Any]:
    last = [record["test_errors"][-1], record["test_counts"][-1], facts.currency]
    values = [record.get(name) for name in names]
    return [at, record.get("arch", ""), *values, *last, record["decision"]]


def _ledger(facts: Facts) -> Table:
    head = ["purpose", "quantity", "unit", "amount", "currency"]
    rows = [_line(facts, name, facts.ledger[name]) for name in PURPOSES if name in facts.ledger]
    return [head, *rows]


def _line(facts: Facts, purpose: str, line: Line) -> list[Any]:
    unit = "hours" if purpose == "compute" else "labels"
    return [purpose, line.quantity, unit, line.amount, facts.currency]


def _cost(facts: Facts) -> Table:
    drawn = charts(facts)["cost"]
    columns = [drawn["grid"], drawn["total"], drawn["labels"], drawn["compute"]]
    head = ["training_images", "total", "labels", "compute", "currency"]
    return [head, *([*row, facts.currency] for row in zip(*columns, strict=True))]


TABLES: dict[str, Callable[[Facts], Table]] = {
    "figures": _figures,
    "trainings": _trainings,
    "ledger": _ledger,
    "cost": _cost,
}

"""The dashboard's figures: four large ones, the counts that add up to N, the ledger, the rounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from labelapp.selectors.dashboard_facts import LABEL_PURPOSES, Facts
from labelapp.selectors.dashboard_ledger import Line
from labelapp.selectors.dashboard_words import PURPOSES, duration, images, money, share, upper_share

Figure = dict[str, Any]


def figures(facts: Facts) -> list[Figure]:
    """Return spent, forecast, error promise and progress, each in words."""
    return [_spent(facts), _forecast(facts), _promise(facts), _progress(facts)]


def _figure(
    key: str, label: str, text: str, *, unit: str = "", note: str = "", more: str = "", **rest: Any
) -> Figure:
    plain = {"interval": "", "change": "", "spark": "", "tone": "", "meter": None}
    return {"key": key, "label": label, "text": text, "unit": unit, "note": note, "more": more} | (
        plain | rest
    )


def _spent(facts: Facts) -> Figure:
    compute = facts.ledger.get("compute", Line()).amount
    labels = facts.spent - compute
    committed = [record["committed"] for record in facts.records]
    since = float(facts.spent) - committed[-1] if committed else 0.0
    return _figure(
        "spent",
        "Spent",
        money(facts.spent, facts.currency),
        note=f"people {money(labels, facts.currency)} + compute {money(compute, facts.currency)}",
        more=f"people alone would cost {money(facts.human_only, facts.currency)}"
        if facts.n
        else "",
        change=f"+{money(since, facts.currency)} since training {len(committed)}"
        if since >= 0.005
        else "",
        spark=_spark([*committed, float(facts.spent)] if committed else []),
    )


def _forecast(facts: Facts) -> Figure:
    human_only = float(facts.human_only)
    if facts.finished:
        total = float(facts.spent)
        return _figure(
            "forecast", "Total cost", money(total, facts.currency), note=_saving(total, human_only)
        )
    if facts.plan is None:
        return _figure("forecast", "Forecast total", "-", note=missing_trainings(facts))
    star = facts.plan["c_star"]
    totals = [record["c_star"] for record in facts.records if record["c_star"] is not None]
    return _figure(
        "forecast",
        "Forecast total",
        money(star["value"], facts.currency),
        interval=_range(star["low80"], star["high80"], facts.currency),
        note=_saving(star["value"], human_only),
        change=_change(totals, facts.currency),
        spark=_spark(totals),
    )


def missing_trainings(facts: Facts) -> str:
    """Say how many trainings the first forecast still needs."""
    missing = max(0, 3 - len(facts.records))
    if not missing:
        return "the forecast is being made"
    return f"needs {missing} more training{'s' if missing > 1 else ''} of 3"


def _range(low: float, high: float, currency: str) -> str:
    if high - low < 0.005 * max(abs(high), 1e-9):
        return ""
    return f"80\u00a0% sure: {money(low, currency)} to {money(high, currency)}"


def _saving(total: float, human_only: float) -> str:
    if human_only <= 0:
        return ""
    saved = 1 - total / human_only
    if saved < 0:
        return f"{share(-saved)} more than people alone"
    return f"saves {share(round(saved, 2))} against people alone"


def _change(values: list[float], currency: str) -> str:
    if len(values) < 2 or abs(values[-1] - values[-2]) < 0.005:
        return ""
    step = values[-1] - values[-2]
    return f"{'+' if step > 0 else '-'}{money(abs(step), currency)} since the last training"


def _promise(facts: Facts) -> Figure:
    epsilon = facts.project.epsilon
    sure = f"{share(facts.project.confidence)} sure"
    if facts.certificate:
        bound = float(facts.certificate.get("bound", 0.0))
        note = f"of all labels wrong at most, {sure}; {facts.certificate.get('promise', '')}"
        return _bound("Error of the result", bound, epsilon, note)
    if facts.finished:
        note = "every label was given by people; the machine labelled nothing"
        return _bound("Error of the machine", 0.0, epsilon, note)
    machine_now = int(facts.plan["machine_now"]) if facts.plan else 0
    if not facts.plan or not machine_now:
        note = "nothing can be machine-labelled within the limit yet" if facts.plan else ""
        return _figure(
            "promise",
            "Error promise",
            "-",
            note=note or missing_trainings(facts),
            more=f"limit {share(epsilon)} of all labels, {sure}",
        )
    note = f"of all labels wrong at most if the machine labelled {machine_now:,} images now"
    figure = _bound("Error promise", float(facts.plan["error_bound_now"]), epsilon, note)
    return figure | {"more": f"limit {share(epsilon)}, {sure}; estimated with a margin"}


def _bound(label: str, bound: float, epsilon: float, note: str) -> Figure:
    return _figure(
        "promise",
        label,
        upper_share(bound),
        note=note,
        more=f"limit {share(epsilon)}",
        tone="ok" if bound <= epsilon else "danger",
        meter={"value": bound, "limit": epsilon},
    )


def expected_labels(facts: Facts) -> int | None:
    """Return how many labels people will have given at the end, None while unknown.

    Before the end: everything outside S of the cheapest plan.
    """
    if facts.certificate or facts.finished:
        return facts.n - facts.counter.machine
    if facts.plan is None or not facts.records:
        return None
    last, b_opt = facts.records[-1], float(facts.plan["b_opt"]["value"])
    marked = float(last["test_size"]) / max(1, facts.n - int(last["train_size"]))
    remainder = (facts.n - b_opt) * (1 - marked)
    return round(facts.n - float(facts.plan["theta_star"]["value"]) * remainder)


def _progress(facts: Facts) -> Figure:
    done, expected = facts.bought, expected_labels(facts)
    left = facts.batch.remaining if facts.batch else 0
    now = f"{left:,} left in the batch that is open" if left else ""
    if facts.finished:
        machine = f"the machine gave {facts.counter.machine:,}"
        return _figure("progress", "Labels by people", f"{done:,}", note=machine, more="all done")
    if expected is None:
        return _figure("progress", "Labels by people", f"{done:,}", note=now)
    to_go = max(0, expected - done)
    return _figure(
        "progress",
        "Labels by people",
        f"{done:,}",
        unit=f"of about {max(expected, done):,}",
        note=f"about {to_go:,} to go" if to_go else "none to go by the present plan",
        more=now,
        meter={"value": done / max(expected, done, 1), "limit": 1},
    )


def _spark(values: list[float], width: int = 120, height: int = 28) -> str:
    """Return the points of an SVG polyline, empty for fewer than two values."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, span = (width - 4) / (len(values) - 1), (high - low) or 1.0
    return " ".join(
        f"{2 + i * step:.1f},{height - 3 - (value - low) / span * (height - 6):.1f}"
        for i, value in enumerate(values)
    )


def counts(facts: Facts) -> dict[str, Any]:
    """Return T, B, audit, S, residual, excluded and what is open; they add up to N."""
    counter = facts.counter
    kinds = [
        ("test", "Test set T", "test", counter.test),
        ("train", "Training set B", "human", counter.train),
        ("audit", "Audit", "audit", counter.audit),
        ("machine", "Machine labels S", "machine", counter.machine),
        ("residual", "The rest, by people", "residual", counter.residual),
        ("excluded", "Excluded", "excluded", counter.excluded),
    ]
    still_open = facts.n - sum(count for *_, count in kinds)
    kinds.append(("open", "Still open", "open", still_open))
    return {
        "n": facts.n,
        "n_text": images(facts.n),
        "total_text": f"{facts.n:,}",
        "parts": _placed(kinds, max(1, facts.n)),
    }


def _placed(kinds: list[tuple[str, str, str, int]], n: int) -> list[dict[str, Any]]:
    """Add each part's place in a bar that is 1,000 wide."""
    parts, x = [], 0.0
    for key, label, colour, count in kinds:
        width = 1000 * max(0, count) / n
        parts.append(
            {
                "key": key,
                "label": label,
                "colour": colour,
                "count": count,
                "count_text": f"{count:,}",
                "share": share(count / n),
                "x": round(x, 2),
                "width": round(width, 2),
            }
        )
        x += width
    return parts


def ledger_table(facts: Facts) -> dict[str, Any]:
    """Return money by purpose, with what it bought, and the sum."""
    rows = [
        _ledger_row(purpose, facts.ledger[purpose], facts)
        for purpose in PURPOSES
        if purpose in facts.ledger
    ]
    return {
        "rows": rows,
        "total": money(facts.spent, facts.currency),
        "labels": facts.bought,
        "labels_text": f"{facts.bought:,}",
        "human_only": money(facts.human_only, facts.currency),
    }


def _ledger_row(purpose: str, line: Line, facts: Facts) -> dict[str, Any]:
    labels = purpose in LABEL_PURPOSES
    quantity = f"{int(line.quantity):,} labels" if labels else duration(float(line.quantity) * 3600)
    price = facts.project.price_per_label if labels else facts.project.compute_price_per_hour
    return {
        "purpose": purpose,
        "label": PURPOSES[purpose],
        "quantity": quantity,
        "unit": f"{money(price, facts.currency)} a label"
        if labels
        else f"{money(price, facts.currency)} an hour",
        "amount": money(line.amount, facts.currency),
        "value": float(line.amount),
        "share": share(float(line.amount / (facts.spent or Decimal(1)))),
    }


def rounds(facts: Facts) -> list[dict[str, Any]]:
    """Return the table of iterations, the newest first."""
    rows = zip(facts.records, facts.times, facts.seconds, strict=True)
    return [_round(facts, *row) for row in rows][::-1]


def _round(facts: Facts, record: dict[str, Any], at: str, seconds: float) -> dict[str, Any]:
    star, theta = record["c_star"], record["theta_star"]
    return {
        "number": record["number"],
        "at": at,
        "train_size": f"{record['train_size']:,}",
        "delta": f"+{record['delta']:,}",
        "errors": f"{record['test_errors'][-1]:,} of {record['test_counts'][-1]:,}",
        "error_share": share(record["test_errors"][-1] / max(1, record["test_counts"][-1])),
        "seconds": duration(seconds),
        "c_star": "-" if star is None else money(star, facts.currency),
        "interval": ""
        if star is None
        else f"{money(record['c_low'], facts.currency)} to {money(record['c_high'], facts.currency)}",
        "b_opt": "-" if record["b_opt"] is None else f"{record['b_opt']:,.0f}",
        "theta_star": "-" if theta is None else f"{theta:.2f}",
        "stable": bool(record["stable"]),
        "decision": _sentence(record["decision"]),
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

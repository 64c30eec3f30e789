"""Figures and events in words: money, shares, times, one sentence per event."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import ceil
from typing import Any

from labelapp.models import Event

NBSP = "\u00a0"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": "CHF\u00a0"}

PURPOSES: dict[str, str] = {
    "test": "Test set",
    "seed": "First training set",
    "train": "Training set",
    "audit": "Audit",
    "residual": "The rest, by people",
    "compute": "Compute",
}
"""What the ledger books, in the order in which a run buys it."""

_BATCHES = {
    "test": "the test set",
    "seed": "the first training set",
    "train": "the training set",
    "audit": "the audit",
    "residual": "the rest",
}


_SETTINGS = {
    "epsilon": "the share of wrong labels allowed",
    "confidence": "how sure the promise must be",
    "price_per_label": "the price of a label",
    "compute_price_per_hour": "the price of computing",
    "budget": "the budget",
}


def money(amount: Decimal | float, currency: str) -> str:
    """Return an amount with the currency's sign and as many digits as make sense."""
    value = float(amount)
    sign = "-" if value < 0 else ""
    size = abs(value)
    digits = 0 if size >= 10_000 else 2 if size >= 0.01 or size == 0 else 5
    text = f"{size:,.{digits}f}"
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{text}" if symbol else f"{sign}{text}{NBSP}{currency}"


def money_range(low: float, high: float, currency: str) -> str:
    """Return "$1.00 to $2.00", empty where both ends are the same money."""
    texts = (money(low, currency), money(high, currency))
    return "" if texts[0] == texts[1] else " to ".join(texts)


def share(value: float, digits: int = 1) -> str:
    """Return a share as a percentage with at most `digits` decimals (two below one percent)."""
    percent = value * 100
    text = f"{percent:.{2 if 0 < percent < 1 else digits}f}".rstrip("0").rstrip(".")
    return f"{text or '0'}{NBSP}%"


def upper_share(value: float) -> str:
    """Return a bound as a percentage, rounded up so that it stays a bound."""
    return share(ceil(round(value * 10_000, 6)) / 10_000, digits=2)


def duration(seconds: float) -> str:
    """Return a time span in the unit that people would use."""
    if seconds < 90:
        return f"{max(1, round(seconds))}{NBSP}s"
    if seconds < 5_400:
        return f"{round(seconds / 60)}{NBSP}min"
    if seconds < 172_800:
        return f"{seconds / 3_600:.1f}{NBSP}h"
    return f"{seconds / 86_400:.1f}{NBSP}days"


def images(count: int) -> str:
    """Return "1 image" or "1,234 images"."""
    return f"{count:,}{NBSP}image{'' if count == 1 else 's'}"


def event_as_dict(event: Event) -> dict[str, Any]:
    """Return an event as pages and sockets show it."""
    return {
        "seq": event.seq,
        "type": event.type,
        "at": event.created.isoformat(),
        "text": sentence(event.type, event.payload),
    }


def sentence(type_: str, payload: dict[str, Any]) -> str:
    """Say what happened; the type itself where there is no sentence for it."""
    say = _SENTENCES.get(type_)
    return say(payload) if say else type_.replace(".", " ").replace("_", " ").capitalize()


def _always(text: str) -> Callable[[dict[str, Any]], str]:
    return lambda _payload: text


def _import_finished(payload: dict[str, Any]) -> str:
    if payload.get("state") == "failed":
        return f"An import failed: {payload.get('message') or 'see the images page'}"
    added = payload.get("added")
    return "An import ended" if added is None else f"An import added {images(int(added))}"


def _batch_opened(payload: dict[str, Any]) -> str:
    what = _BATCHES.get(str(payload.get("purpose")), "the next batch")
    size = payload.get("size")
    count = "labels" if size is None else f"{int(size):,} labels"
    return f"People are asked for {count} for {what}"


def _batch_closed(payload: dict[str, Any]) -> str:
    what = _BATCHES.get(str(payload.get("purpose")), "the batch")
    return f"All labels for {what} are in"


def _training_started(payload: dict[str, Any]) -> str:
    size = payload.get("size")
    return "A training began" if size is None else f"A training on {images(int(size))} began"


def _run_changed(payload: dict[str, Any]) -> str:
    names = [_SETTINGS[what] for what in payload.get("what", []) if what in _SETTINGS]
    return f"Changed while the run goes on: {', '.join(names)}" if names else "Settings changed"


def _training_finished(payload: dict[str, Any]) -> str:
    seconds = payload.get("seconds") or payload.get("train_seconds")
    took = "" if seconds is None else f" after {duration(float(seconds))}"
    return f"A training ended{took}"


def _plan_updated(payload: dict[str, Any]) -> str:
    decision = str(payload.get("decision") or "")
    return f"New plan: the engine {decision}" if decision else "A new plan was made"


def _machine_labelled(payload: dict[str, Any]) -> str:
    count = payload.get("count")
    if count is None:
        return "Machine labels are stored"
    return f"The machine labelled {images(int(count))}"


def _with_reason(text: str) -> Callable[[dict[str, Any]], str]:
    def say(payload: dict[str, Any]) -> str:
        reason = payload.get("message") or payload.get("failure") or payload.get("reason")
        return f"{text}: {reason}" if reason else text

    return say


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "project.created": _always("The project was made"),
    "project.changed": _always("The project's settings or guidelines changed"),
    "project.archived": _always("The project was archived or brought back"),
    "people.changed": _always("Somebody joined, left, or has another role"),
    "import.progress": _always("An import is adding images"),
    "import.finished": _import_finished,
    "run.started": _always("The run started"),
    "run.paused": _always("The run was paused"),
    "run.resumed": _always("The run goes on"),
    "run.changed": _run_changed,
    "run.failed": _with_reason("The run stopped"),
    "batch.opened": _batch_opened,
    "batch.closed": _batch_closed,
    "training.started": _training_started,
    "training.progress": _always("The training goes on"),
    "training.finished": _training_finished,
    "training.failed": _with_reason("A training failed"),
    "plan.updated": _plan_updated,
    "machine.labelled": _machine_labelled,
    "run.finished": _with_reason("The run is finished"),
    "export.finished": _always("An export is ready or has failed: see the export page"),
}

"""News in the reader's language: made from the payload when it is shown, never stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.selectors.dashboard_words import (
    chosen_share,
    duration,
    money,
    money_range,
    number,
    share,
)
from labelapp.selectors.dashboard_words import sentence as event_sentence
from labelapp.selectors.stored_words import stored_words

Payload = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """What is said. `tone` colours the mark beside it: info, ok, warn, danger."""

    title: str
    text: str = ""
    tone: str = "info"
    icon: str = "bell"


def words(kind: str, payload: Payload) -> Words:
    """Put news, or an event of the project, into words."""
    say = _SAY.get(kind)
    if say is not None:
        return say(payload)
    return Words(event_sentence(kind, payload))


def _batch_ready(payload: Payload) -> Words:
    size = int(payload.get("size") or 0)
    text = ngettext("%(n)s answer is wanted.", "%(n)s answers are wanted.", size)
    return Words(
        gettext("There are images to label"), text % {"n": number(size)} if size else "", icon="tag"
    )


def _review_waiting(_payload: Payload) -> Words:
    return Words(
        gettext("Images wait for a review"),
        gettext("People disagree, skipped them, or a sample was drawn."),
        icon="eye",
    )


def _run_finished(payload: Payload) -> Words:
    reason = stored_words(str(payload.get("reason") or ""))
    return Words(gettext("The run is finished"), _as_sentence(reason), "ok", "circle-check")


def _run_failed(payload: Payload) -> Words:
    reason = stored_words(str(payload.get("message") or ""))
    return Words(gettext("The run stopped"), _as_sentence(reason), "danger", "circle-alert")


def _training_failed(payload: Payload) -> Words:
    reason = stored_words(str(payload.get("message") or ""))
    return Words(
        gettext("A training failed and is tried again"),
        _as_sentence(reason),
        "warn",
        "triangle-alert",
    )


def _as_sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _forecast_moved(payload: Payload) -> Words:
    before, after = float(payload["before"]), float(payload["after"])
    currency = str(payload["currency"])
    facts = {
        "before": money(before, currency),
        "after": money(after, currency),
        "share": share(abs(after - before) / before) if before else "",
    }
    rose = after > before
    title = (
        gettext("The forecast total rose to %(after)s")
        if rose
        else gettext("The forecast total fell to %(after)s")
    )
    text = (
        gettext("%(share)s more than the %(before)s last told.")
        if rose
        else gettext("%(share)s less than the %(before)s last told.")
    )
    between = money_range(float(payload["low"]), float(payload["high"]), currency)
    likely = gettext("It ends within %(range)s in four of five cases.") % {"range": between}
    return Words(
        title % facts,
        f"{text % facts} {likely}" if between else text % facts,
        "warn" if rose else "ok",
        "trending-up",
    )


def _budget(payload: Payload) -> Words:
    currency = str(payload["currency"])
    facts = {
        "spent": money(float(payload["spent"]), currency),
        "budget": money(float(payload["budget"]), currency),
        "share": chosen_share(float(payload["level"])),
    }
    if float(payload["level"]) >= 1:
        title, tone = gettext("The budget is spent"), "danger"
    else:
        title, tone = gettext("%(share)s of the budget is spent") % facts, "warn"
    return Words(title, gettext("%(spent)s of %(budget)s.") % facts, tone, "wallet")


def _run_steered(payload: Payload) -> Words:
    parts = []
    if payload.get("by"):
        parts.append(gettext("By %(name)s.") % {"name": payload["by"]})
    if payload.get("total") is not None:
        said = money(float(payload["total"]), str(payload["currency"]))
        parts.append(gettext("Said to cost %(money)s in all.") % {"money": said})
    title = event_sentence(str(payload.get("event") or "run.steered"), payload)
    return Words(title, " ".join(parts), icon="gauge")


def _worker_missing(payload: Payload) -> Words:
    if payload.get("recovered"):
        seconds = float(payload.get("seconds") or 0)
        text = gettext("None ran for %(time)s; the jobs go on.") % {"time": duration(seconds)}
        return Words(gettext("A worker runs again"), text, "ok", "cpu")
    jobs = int(payload.get("jobs") or 1)
    waits = ngettext("%(n)s job waits.", "%(n)s jobs wait.", jobs) % {"n": number(jobs)}
    how = gettext("Start one with “make run”, or “make worker” for one more.")
    return Words(gettext("No worker runs"), f"{waits} {how}", "danger", "cpu")


def _import_finished(payload: Payload) -> Words:
    failed = payload.get("state") == "failed"
    text = event_sentence("import.finished", payload)
    return Words(text, "", "danger" if failed else "ok", "upload")


def _export_finished(payload: Payload) -> Words:
    format_ = str(payload.get("format") or "").upper()
    if payload.get("state") == "failed":
        return Words(gettext("Your export failed"), format_, "danger", "download")
    return Words(gettext("Your export can be downloaded"), format_, "ok", "download")


def _webhook_off(payload: Payload) -> Words:
    return Words(
        gettext("A webhook was switched off"),
        f"{payload.get('host', '')}: {trouble(str(payload.get('trouble') or ''))}",
        "danger",
        "webhook",
    )


def _test(_payload: Payload) -> Words:
    return Words(gettext("This is a test"), gettext("Nothing has happened."), icon="webhook")


_SAY: dict[str, Callable[[Payload], Words]] = {
    "batch_ready": _batch_ready,
    "review_waiting": _review_waiting,
    "run_finished": _run_finished,
    "run_failed": _run_failed,
    "training_failed": _training_failed,
    "forecast_moved": _forecast_moved,
    "budget": _budget,
    "run_steered": _run_steered,
    "worker_missing": _worker_missing,
    "import_finished": _import_finished,
    "export_finished": _export_finished,
    "webhook_off": _webhook_off,
    "test": _test,
}

_TROUBLE: dict[str, str] = {
    "timeout": gettext_noop("no answer within 10 seconds"),
    "name": gettext_noop("the host name cannot be resolved"),
    "address": gettext_noop("the address %(detail)s is private: see MCAL_WEBHOOK_ALLOW"),
    "url": gettext_noop("this is no http or https address"),
    "connect": gettext_noop("no connection: %(detail)s"),
    "tls": gettext_noop("no safe connection: %(detail)s"),
    "broken": gettext_noop("the answer was no HTTP"),
    "redirect": gettext_noop("answered with a redirect, which is not followed"),
    "status": gettext_noop("answered with status %(detail)s"),
    "gone": gettext_noop("the receiver said that it is gone (410)"),
    "often": gettext_noop("failed %(detail)s times in a row"),
    "old": gettext_noop("given up after a day"),
}
"""Codes of what went wrong with a webhook; stored as "code|detail"."""


def trouble(stored: str) -> str:
    """Say what went wrong with a webhook, or a mail, from what the worker noted."""
    code, _, detail = stored.partition("|")
    known = _TROUBLE.get(code)
    return gettext(known) % {"detail": detail} if known else stored

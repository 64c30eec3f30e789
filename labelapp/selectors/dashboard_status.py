"""The sentence under the figures: where the run stands, what it waits for, what can be done."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.models import Project
from labelapp.rights import Right, may
from labelapp.selectors.dashboard_facts import Facts, Seen
from labelapp.selectors.decision_words import decision_words
from labelapp.selectors.money_words import duration, money, number
from labelapp.selectors.runs import Known, RunStatus, run_status
from labelapp.selectors.stored_words import stored_words

TITLES: dict[str, tuple[str, str]] = {
    "setup": (gettext_noop("Getting ready"), "open"),
    "importing": (gettext_noop("Importing images"), "open"),
    "ready": (gettext_noop("Ready to start"), "ok"),
    "labelling": (gettext_noop("People label"), "human"),
    "training": (gettext_noop("The machine trains"), "machine"),
    "deciding": (gettext_noop("The engine decides"), "machine"),
    "paused": (gettext_noop("Paused"), "warn"),
    "finished": (gettext_noop("Finished"), "ok"),
    "failed": (gettext_noop("Stopped by an error"), "danger"),
    "no_worker": (gettext_noop("No worker is running"), "danger"),
}
"""State -> words and badge."""


_NEEDS: dict[str, Right] = {
    "run_start": Right.STEER,
    "run_pause": Right.STEER,
    "run_resume": Right.STEER,
    "project_images": Right.MANAGE_IMAGES,
    "project_settings": Right.STEER,
    "project_label": Right.LABEL,
    "project_export": Right.EXPORT,
    "project_curate": Right.BROWSE,
}
"""Button -> the right that it needs."""


def status(facts: Facts, seen: Seen, role: str | None) -> dict[str, Any]:
    """Return state, message, next step and why, a running job, and the buttons of this role."""
    known = Known.already(
        facts.project,
        facts.run,
        facts.batches,
        worker=seen.worker,
        trained=seen.trained,
        images=facts.counter.images,
    )
    found = run_status(facts.project, known)
    title, badge = TITLES[found.state]
    rights = set(Right) if role is None else {right for right in Right if may(role, right)}
    return {
        "state": found.state,
        "title": gettext(title),
        "badge": badge,
        "message": found.message.replace("`", ""),
        "next_step": found.next_step,
        "decision": _decision(facts),
        "warning": _warning(found, worker=seen.worker),
        "job": _job(found),
        "seconds_left": found.seconds_left,
        "actions": [
            one for one in _actions(facts, found.state, known) if _NEEDS[one["url"]] in rights
        ],
    }


def _time_left(seconds: float) -> str:
    return gettext("about %(time)s left") % {"time": duration(seconds)}


def _decision(facts: Facts) -> str:
    """Return what the engine decided last and why, in one sentence; what it buys with its price."""
    if not facts.records or facts.finished:
        return ""
    record, batch, labels = facts.records[-1], facts.batch, 0
    if batch is not None and batch.purpose == "train" and batch.iteration == record["number"]:
        labels = batch.size
    price = float(facts.project.price_per_label)
    words = decision_words(record, facts.currency, labels=labels, price=price)
    if not words:
        return ""
    said = {"number": number(record["number"]), "decision": words}
    return gettext("After training %(number)s the engine %(decision)s.") % said


def _warning(found: RunStatus, *, worker: bool) -> str:
    """Tell before it hurts: labels come in, but nothing would train on them."""
    if found.state != "labelling" or worker:
        return ""
    return gettext(
        "No worker is running: labels are kept, but nothing trains on them until one is started "
        "with make run or python manage.py worker."
    )


def _job(found: RunStatus) -> dict[str, Any] | None:
    job = found.job
    if job is None or job.state != "running":
        return None
    return {
        "kind": job.kind,
        "percent": round(100 * min(1.0, max(0.0, job.progress))),
        "message": stored_words(job.message),
        "left": "" if job.seconds_left is None else _time_left(job.seconds_left),
    }


def _actions(facts: Facts, state: str, known: Known) -> list[dict[str, Any]]:
    """Return the buttons in the order of use; the first is the obvious next step."""
    project, failed = facts.project, bool(facts.run and facts.run.failure)
    if project.status == Project.Status.SETUP:
        return _before_the_start(facts, state, known)
    if project.status == Project.Status.FINISHED:
        return [
            _link(gettext("Export the labels"), "project_export", "download", primary=True),
            _link(gettext("Find the best training set"), "project_curate", "search"),
        ]
    if project.status == Project.Status.PAUSED or failed:
        words = gettext("Try again") if failed else gettext("Go on")
        resume = _post(words, "run_resume", "play", primary=True)
        resume["reason"] = gettext("The project is archived.") if project.archived_at else ""
        return [resume, _export(facts)]
    return [
        _post(gettext("Pause"), "run_pause", "pause"),
        _link(gettext("Label images"), "project_label", "tag"),
        _export(facts),
    ]


def _export(facts: Facts) -> dict[str, Any]:
    return _link(gettext("Export what is labelled"), "project_export", "download") | {
        "reason": "" if facts.bought else gettext("There are no labels yet.")
    }


def _before_the_start(facts: Facts, state: str, known: Known) -> list[dict[str, Any]]:
    ready = facts.n > 0 and state == "ready"
    start = _post(_start_words(facts, known.classes), "run_start", "play", primary=ready)
    start["reason"] = _not_yet(facts, state, known.classes)
    images = gettext("Add more images") if facts.n else gettext("Add images")
    found = [_link(images, "project_images", "upload", primary=not ready), start][:: 1 - 2 * ready]
    if state == "setup" and facts.n:  # it is classes that are missing
        found[0]["primary"] = False
        return [_link(gettext("Add classes"), "project_settings", "settings", primary=True), *found]
    return found


def _not_yet(facts: Facts, state: str, classes: int) -> str:
    if facts.project.archived_at:
        return gettext("The project is archived.")
    if not facts.n:
        return gettext("There are no images yet.")
    if state == "importing":
        return gettext("Wait until the import has ended.")
    needed = max(10, first_purchase(facts.n, classes))
    if facts.n >= needed:
        return ""
    return gettext("At least %(n)s images are needed.") % {"n": number(needed)}


def first_purchase(n: int, classes: int) -> int:
    """Return how many labels people are asked for before the first training, at most.

    |T| + |B_0| as the engine draws them (mcal.md, "T as random marks" and "The loop", step 1); a
    test compares it with the engine.
    """
    test = min(max(500, min(round(0.015 * n), 1000)), n // 10)
    return test + max(round(0.01 * n), 6 * classes)


def _start_words(facts: Facts, classes: int) -> str:
    first = first_purchase(facts.n, classes)
    if facts.n < max(1, first):
        return gettext("Start")
    price = money(first * facts.label_price, facts.currency)
    words = ngettext(
        "Start: people label %(n)s image first (%(price)s)",
        "Start: people label %(n)s images first (%(price)s)",
        first,
    )
    return words % {"n": number(first), "price": price}


def _link(label: str, url: str, icon: str, *, primary: bool = False) -> dict[str, Any]:
    return {
        "label": label,
        "url": url,
        "icon": icon,
        "method": "get",
        "primary": primary,
        "reason": "",
    }


def _post(label: str, url: str, icon: str, *, primary: bool = False) -> dict[str, Any]:
    return _link(label, url, icon, primary=primary) | {"method": "post"}

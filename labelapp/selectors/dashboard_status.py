"""The sentence under the figures: where the run stands, what it waits for, what can be done."""

from __future__ import annotations

from typing import Any

from labelapp.models import Project
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_words import duration, money
from labelapp.selectors.jobs import worker_alive
from labelapp.selectors.runs import RunStatus, run_status

TITLES: dict[str, tuple[str, str]] = {
    "setup": ("Getting ready", "open"),
    "importing": ("Importing images", "open"),
    "ready": ("Ready to start", "ok"),
    "labelling": ("People label", "human"),
    "training": ("The machine trains", "machine"),
    "deciding": ("The engine decides", "machine"),
    "paused": ("Paused", "warn"),
    "finished": ("Finished", "ok"),
    "failed": ("Stopped by an error", "danger"),
    "no_worker": ("No worker is running", "danger"),
}
"""State -> words and badge."""


def status(facts: Facts) -> dict[str, Any]:
    """Return state, message, next step and why, a running job, and the buttons."""
    found = run_status(facts.project)
    title, badge = TITLES[found.state]
    return {
        "state": found.state,
        "title": title,
        "badge": badge,
        "message": found.message.replace("`", ""),
        "next_step": found.next_step,
        "why": _why(facts, found),
        "warning": _warning(facts, found),
        "left": _left(found),
        "job": _job(found),
        "actions": _actions(facts, found.state),
    }


def _left(found: RunStatus) -> str:
    return f"about {duration(found.seconds_left)} left" if found.seconds_left else ""


def _why(facts: Facts, found: RunStatus) -> str:
    """Return the engine's last decision as a sentence, unless the next step says it already."""
    decision = facts.records[-1]["decision"] if facts.records else ""
    if not decision or decision in found.next_step:
        return ""
    return f"After training {facts.records[-1]['number']} the engine {decision}."


def _warning(facts: Facts, found: RunStatus) -> str:
    """Tell before it hurts: labels come in, but nothing would train on them."""
    if found.state != "labelling" or worker_alive():
        return ""
    return (
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
        "message": job.message,
        "left": "" if job.seconds_left is None else f"about {duration(job.seconds_left)} left",
    }


def _actions(facts: Facts, state: str) -> list[dict[str, Any]]:
    """Return the buttons in the order of use; the first is the obvious next step."""
    project, failed = facts.project, bool(facts.run and facts.run.failure)
    if project.status == Project.Status.SETUP:
        return _before_the_start(facts, state)
    if project.status == Project.Status.FINISHED:
        return [_link("Export the labels", "project_export", "download", primary=True)]
    if project.status == Project.Status.PAUSED or failed:
        resume = _post("Try again" if failed else "Go on", "run_resume", "play", primary=True)
        resume["reason"] = "The project is archived." if project.archived_at else ""
        return [resume, _export(facts)]
    return [
        _post("Pause", "run_pause", "pause"),
        _link("Label images", "project_label", "tag"),
        _export(facts),
    ]


def _export(facts: Facts) -> dict[str, Any]:
    return _link("Export what is labelled", "project_export", "download") | {
        "reason": "" if facts.bought else "There are no labels yet."
    }


def _before_the_start(facts: Facts, state: str) -> list[dict[str, Any]]:
    ready = facts.n > 0 and state == "ready"
    start = _post(_start_words(facts), "run_start", "play", primary=ready)
    start["reason"] = _not_yet(facts, state)
    images = "Add more images" if facts.n else "Add images"
    return [_link(images, "project_images", "upload", primary=not ready), start][:: 1 - 2 * ready]


def _not_yet(facts: Facts, state: str) -> str:
    if facts.project.archived_at:
        return "The project is archived."
    if not facts.n:
        return "There are no images yet."
    if state == "importing":
        return "Wait until the import has ended."
    needed = max(10, first_purchase(facts.n, _classes(facts)))
    return "" if facts.n >= needed else f"At least {needed:,} images are needed."


def first_purchase(n: int, classes: int) -> int:
    """Return how many labels people are asked for before the first training, at most.

    |T| + |B_0| as the engine draws them (mcal.md, "T as random marks" and "The loop", step 1); a
    test compares it with the engine.
    """
    test = min(max(500, min(round(0.015 * n), 1000)), n // 10)
    return test + max(round(0.01 * n), 6 * classes)


def _classes(facts: Facts) -> int:
    return facts.project.classes.filter(archived=False).count()


def _start_words(facts: Facts) -> str:
    if not facts.n:
        return "Start"
    first = first_purchase(facts.n, _classes(facts))
    price = money(first * facts.label_price, facts.currency)
    return f"Start: people label {first:,} images first ({price})"


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

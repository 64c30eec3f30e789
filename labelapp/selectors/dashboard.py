"""Everything that the dashboard shows, as one plain dictionary.

The page, `dashboard.json` and the live channel all draw from `overview`: a refresh shows the same
as the live page. It reads no row per image or answer; what only changes with an event or an
answer is kept per version.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language, gettext

from labelapp.models import Event, Project
from labelapp.selectors import dashboard_tables as tables
from labelapp.selectors.dashboard_audit import audit, certificate, kind_words, people_error
from labelapp.selectors.dashboard_budget import budget
from labelapp.selectors.dashboard_charts import charts
from labelapp.selectors.dashboard_facts import Facts, Seen, gather, look
from labelapp.selectors.dashboard_figures import figures, forecast_needs
from labelapp.selectors.dashboard_finish import time_figure
from labelapp.selectors.dashboard_people import people_now
from labelapp.selectors.dashboard_race import race
from labelapp.selectors.dashboard_status import status
from labelapp.selectors.dashboard_words import chosen_share, duration, event_as_dict
from labelapp.selectors.outlook_words import changes

RECENT_EVENTS = 9
QUIET = ("training.progress", "import.progress")
"""Events that only move a progress bar."""

CHARTS = ("history", "cost")
"""The pictures of the overview; all of them are on the forecast pages."""

_KEPT = 64
_KNOWN: dict[tuple[str, str | None], tuple[object, Facts, dict[str, Any]]] = {}


def overview(project: Project, role: str | None = None) -> dict[str, Any]:
    """Return all that the dashboard draws; ready for JSON. Buttons are those of the role.

    `project` is read afresh, so that a long-lived caller never shows an old status.
    """
    seen = look(project.pk)
    facts, stored = _stored(seen)
    people = people_now(project)
    state = status(facts, seen, role)
    if stored["audit"]:
        state["decision"] = stored["audit"]["headline"]
    told = [state["warning"], *changes(facts.outlook.changed)]
    state["warning"] = " ".join(line for line in told if line)
    return stored | {
        "figures": [*stored["figures"], time_figure(facts, _training_left(state))],
        "status": state,
        "people": people | {"batch": _batch(facts, people["per_minute"])},
    }


def events_since(
    project_id: int, since: int, until: int, most: int = 200, currency: str = "USD"
) -> list[dict[str, Any]]:
    """Return the newest `most` events with since < seq <= until, in order."""
    found = Event.objects.filter(project_id=project_id, seq__gt=since, seq__lte=until)
    return [event_as_dict(event, currency) for event in found.order_by("-seq")[:most]][::-1]


def _training_left(state: dict[str, Any]) -> float | None:
    return state["seconds_left"] if state["state"] == "training" else None


def _stored(seen: Seen) -> tuple[Facts, dict[str, Any]]:
    """Return what is the same until the next event or answer, from memory where known."""
    project, run = seen.project, seen.run
    version = (
        seen.counter.event_seq,
        seen.counter.answers,
        project.status,
        project.archived_at,
        (run.version, run.failure) if run else None,
    )
    key = (project.public_id, get_language())
    known = _KNOWN.get(key)
    if known is None or known[0] != version:
        facts = gather(seen)
        known = (version, facts, _draw(facts))
        _KNOWN.pop(key, None)
        _KNOWN[key] = known
        if len(_KNOWN) > _KEPT:
            _KNOWN.pop(next(iter(_KNOWN)))
    return known[1], known[2]


def _draw(facts: Facts) -> dict[str, Any]:
    project = facts.project
    return {
        "seq": facts.counter.event_seq,
        "answers": facts.counter.answers,
        "project": {
            "id": project.public_id,
            "name": project.name,
            "status": project.status,
            "archived": project.archived_at is not None,
            "epsilon": project.epsilon,
            "epsilon_text": chosen_share(project.epsilon),
            "confidence": project.confidence,
            "promise": kind_words(facts),
            "checked": project.certificate == Project.CertificateKind.AUDIT,
            "currency": project.currency,
        },
        "figures": figures(facts),
        "budget": budget(facts),
        "counts": tables.counts(facts),
        "ledger": tables.ledger_table(facts),
        "rounds": tables.rounds(facts),
        "audit": audit(facts),
        "race": race(facts),
        "certificate": certificate(facts),
        "people_error": people_error(facts),
        "forecast_needs": forecast_needs(facts),
        "events": _recent(facts),
        "charts": {key: value for key, value in charts(facts).items() if key in CHARTS},
    }


def _recent(facts: Facts) -> list[dict[str, Any]]:
    found = Event.objects.filter(project=facts.project, seq__lte=facts.counter.event_seq)
    found = found.exclude(type__in=QUIET).order_by("-seq")
    return [event_as_dict(event, facts.currency) for event in found[:RECENT_EVENTS]]


def _batch(facts: Facts, per_minute: float) -> dict[str, Any] | None:
    """Return what is left in the open batch, with its time where people are at work."""
    batch = facts.batch
    if batch is None:
        return None
    left = ""
    if batch.remaining and per_minute >= 1:
        time = duration(60 * batch.remaining / per_minute)
        left = gettext("about %(time)s at this pace") % {"time": time}
    return {
        "purpose": batch.purpose,
        "size": batch.size,
        "remaining": batch.remaining,
        "done": batch.size - batch.remaining,
        "time_left": left,
    }

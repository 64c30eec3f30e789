"""What was asked of a run, newest first: by whom, what it was said to cost, how it stands now.

Steps of steering come from `SteeringAction`; other terms, pauses and their ends from the audit
log, where they have been written since before there was a page to steer. Both are read along
their key, `found.HISTORY` of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp import choices
from labelapp.models import AuditLog, Project, SteeringAction, User
from labelapp.selectors import steering as found
from labelapp.selectors.audit_words import change_lines
from labelapp.selectors.candidate_words import candidate_names
from labelapp.selectors.money_words import chosen_share, images, money
from labelapp.selectors.steering_reasons import TOO_LATE
from labelapp.selectors.steering_words import TITLES

LOGGED: dict[str, str] = {
    "run.changed": gettext_noop("Promise, prices, budget"),
    "run.paused": gettext_noop("Pause"),
    "run.resumed": gettext_noop("Go on"),
}
"""Entries of the audit log that belong to the history, and what they are called there."""
_METHODS: dict[str, str] = {
    "arch": gettext_noop("network"),
    "rivals": gettext_noop("networks that race with it"),
    "acquisition": gettext_noop("what people label next"),
    "certainty": gettext_noop("what the machine is sure of"),
    "max_rounds": gettext_noop("trainings at most"),
    "fixed_delta": gettext_noop("labels per round"),
    "neighbours": gettext_noop("neighbours that are looked at"),
    "representativeness": gettext_noop("weight of being like others"),
    "uncertainty": gettext_noop("weight of being uncertain"),
    "members_gib": gettext_noop("GiB for the members of an ensemble"),
}


@dataclass(frozen=True)
class Asked:
    """One thing that somebody asked of the run."""

    at: datetime
    who: User | None
    title: str
    detail: str  # what exactly, where the title does not say it
    cost: str  # as it was said before, in the project's money
    state: str
    is_open: bool = False  # it can still be taken back
    action: SteeringAction | None = None


def asked(known: found.Known) -> tuple[list[Asked], bool]:
    """Return the newest things that were asked, and whether there are older ones."""
    actions = found.history(known.project)
    entries = AuditLog.objects.filter(project=known.project, action__in=LOGGED)
    logged = list(entries.select_related("user").order_by("-id")[: found.HISTORY])
    allowed, why = found.undoable(known, actions)
    waiting, why_joined = found.undoable_images(known, actions)
    reasons: dict[int, str] = {}
    for images_only, reason in ((False, why), (True, why_joined)):
        alike = (one for one in actions if (one.action == "images") == images_only)
        newest = next((one for one in alike if one.undone_at is None), None)
        if newest is not None and reason:
            reasons[newest.pk] = reason
    rows = [
        _of_action(
            known, one, waiting if one.action == "images" else allowed, reasons.get(one.pk, "")
        )
        for one in actions
    ]
    rows += [_of_entry(known, one, logged) for one in logged]
    rows.sort(key=lambda row: row.at, reverse=True)
    full = found.HISTORY in {len(actions), len(logged)}
    return rows[: found.HISTORY], full or len(rows) > found.HISTORY


# --- steps of steering ----------------------------------------------------------------------------


def _of_action(known: found.Known, one: SteeringAction, allowed: int | None, why: str) -> Asked:
    return Asked(
        at=one.created,
        who=one.user,
        title=_(TITLES.get(one.action, one.action)),
        detail=_detail(one),
        cost=_cost(known, one),
        state=_state(known, one, allowed, why),
        is_open=one.pk == allowed,
        action=one,
    )


def _detail(action: SteeringAction) -> str:
    """Return what exactly was asked."""
    params = action.params
    if action.action == "methods":
        return ", ".join(
            f"{_(words)}: {_choice(name, params[name])}"
            for name, words in _METHODS.items()
            if name in params
        )
    if action.action == "classes":
        text = _("merged: %(classes)s") if params.get("what") == "merged" else _("new: %(classes)s")
        return text % {"classes": params.get("words", "")}
    if action.action == "reopen":
        epsilon = chosen_share(float(params.get("epsilon", 0.0)))
        return _("wrong labels allowed: %(share)s") % {"share": epsilon}
    if action.action == "images":
        return images(int(params.get("count", 0)))
    return ""


def _choice(name: str, value: Any) -> str:
    if name in {"arch", "rivals"}:
        return candidate_names([value] if isinstance(value, str) else list(value))
    if value is None:
        return _("no limit") if name == "max_rounds" else _("the usual value")
    table = {"acquisition": choices.ACQUISITIONS, "certainty": choices.CERTAINTIES}.get(name, {})
    return _(table.get(str(value), str(value)))


def _cost(known: found.Known, action: SteeringAction) -> str:
    """Return what the person was told that it costs, in one line."""
    said = action.said
    if action.action == "classes":
        return _("nothing")
    if action.action == "methods":
        each = said.get("training")
        if each is None:
            return _("not known yet: no training had ended")
        text = _("about %(money)s a training, for each network")
        return text % {"money": _money(known, each)}
    if action.action == "images":
        return _cost_of_images(known, said)
    return _totals(known, said, most=action.action == "reopen")


def _cost_of_images(known: found.Known, said: dict[str, Any]) -> str:
    if said.get("now") is None:
        return _("nothing until the project is opened again")
    text = _("%(money)s for test labels; the rest is said by the next plan")
    return text % {"money": _money(known, said["now"])}


def _totals(known: found.Known, said: dict[str, Any], *, most: bool = False) -> str:
    parts = []
    if said.get("now") is not None:
        parts.append(_("%(money)s more") % {"money": _money(known, said["now"])})
    if said.get("total") is not None:
        text = _("at most %(money)s in all") if most else _("%(money)s in all")
        parts.append(text % {"money": _money(known, said["total"])})
    return ", ".join(parts) or _("not known yet: no training had ended")


def _state(known: found.Known, action: SteeringAction, allowed: int | None, why: str) -> str:
    if action.undone_at is not None:
        if action.undone_by is None:
            return _("taken back")
        return _("taken back by %(name)s") % {"name": action.undone_by}
    if action.pk == allowed:
        return _("open: it can be taken back")
    if why:
        return _(TOO_LATE[why])
    since = known.spent - action.spent
    if since > 0:
        text = _("stands: %(money)s was spent since")
        return text % {"money": money(since, known.project.currency)}
    return _("stands: something was asked after it")


# --- terms and pauses -----------------------------------------------------------------------------


def _of_entry(known: found.Known, entry: AuditLog, all_: list[AuditLog]) -> Asked:
    terms = entry.action == "run.changed"
    said = entry.after.get("said") if isinstance(entry.after, dict) else None
    after = {k: v for k, v in entry.after.items() if k != "said"} if terms else {}
    lines = change_lines(entry.before, after, known.project.currency) if terms else []
    return Asked(
        at=entry.created,
        who=entry.user,
        title=_(LOGGED[entry.action]),
        detail=", ".join(lines),
        cost=_cost_of_terms(known, said) if terms else _("nothing"),
        state=_state_of_entry(known, entry, all_),
    )


def _cost_of_terms(known: found.Known, said: dict[str, Any] | None) -> str:
    """Return what the project was said to cost in all: only "What if" says it before."""
    if not said or said.get("total") is None:
        return _("nothing was said: changed in the settings")
    total = _money(known, said["total"])
    if said.get("instead") is None:
        return _("%(money)s in all") % {"money": total}
    instead = _money(known, said["instead"])
    return _("%(money)s in all instead of %(other)s") % {"money": total, "other": instead}


def _state_of_entry(known: found.Known, entry: AuditLog, all_: list[AuditLog]) -> str:
    """Say whether it still holds: a pause until the run goes on, terms until they are others."""
    alike = {"run.changed"} if entry.action == "run.changed" else {"run.paused", "run.resumed"}
    if entry.action == "run.changed":
        mine = set(entry.after) - {"said"}
        later = any(
            one.pk > entry.pk and one.action in alike and mine & set(one.after) for one in all_
        )
        return _("changed again since") if later else _("in force")
    later = any(one.pk > entry.pk and one.action in alike for one in all_)
    paused = known.project.status == Project.Status.PAUSED
    if not later and (entry.action == "run.paused") == paused:
        return _("in force")
    return _("over")


def _money(known: found.Known, amount: Any) -> str:
    return money(Decimal(str(amount)), known.project.currency)

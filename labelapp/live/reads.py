"""Everything that the live channel reads from the database, in plain blocking functions.

The loop calls them through `database_sync_to_async`: one thread and one connection for all
sockets of a process, given back after each call.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.utils import translation
from django.utils.crypto import constant_time_compare
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header

from labelapp.errors import AppError
from labelapp.live.fragments import render
from labelapp.models import Membership, Project, ProjectCounter, User
from labelapp.rights import Right, Role, may
from labelapp.selectors.dashboard import events_since, overview
from labelapp.selectors.jobs import worker_alive
from labelapp.selectors.projects import access

Version = tuple[int, int]
Key = tuple[int, int, str | None]

MOVING = {"training", "deciding", "importing"}
"""States that go on without an event."""

VIEWERS = [role.value for role in Role if may(role, Right.VIEW_DASHBOARD)]


@dataclass(frozen=True)
class View:
    """What every page of one project shows at one moment, and the events since the last view."""

    seq: int
    html: dict[str, str]
    data: dict[str, Any]
    events: list[dict[str, Any]]
    moving: bool  # it changes without an event: people are at work, a job runs


def viewable_project(user: User | AnonymousUser, public_id: str) -> tuple[int, str] | None:
    """Return the project's key and this person's role if they may see its dashboard."""
    if not isinstance(user, User):
        return None
    try:
        found = access(user, public_id, Right.VIEW_DASHBOARD)
    except AppError:
        return None
    return found.project.pk, found.role


def versions(project_ids: Iterable[int]) -> dict[int, Version]:
    """Return (event number, answers) of these projects in one query; deleted ones are missing."""
    rows = (
        ProjectCounter.objects.filter(project_id__in=list(project_ids))
        .exclude(project__status=Project.Status.DELETING)
        .values_list("project_id", "event_seq", "answers")
    )
    return {project_id: (seq, answers) for project_id, seq, answers in rows}


def worker_lives() -> bool:
    """Tell whether a worker gave a sign of life."""
    return worker_alive()


def view(project_id: int, language: str, role: str, since: int | None) -> View | None:
    """Return what pages of this role in this language show now, with the events after `since`.

    None when the project is gone.
    """
    with translation.override(language), suppress(Project.DoesNotExist):
        found = overview(Project(pk=project_id), role)
        seq = int(found["seq"])
        currency = found["project"]["currency"]
        events = [] if since is None else events_since(project_id, since, seq, currency=currency)
        return View(seq, render(found), found["charts"], events, _moves(found))
    return None


def _moves(found: dict[str, Any]) -> bool:
    state, people = found["status"], found["people"]
    return bool(state["job"] or people["per_minute"]) or state["state"] in MOVING


def language_of(user: User, cookie: str, accepted: str) -> str:
    """Return the language that this person's pages speak, as `web.languages` chooses it."""
    for wish in (
        cookie,
        user.language,
        *(code for code, _weight in parse_accept_lang_header(accepted)),
    ):
        with suppress(LookupError):
            return get_supported_language_variant(wish)
    return settings.LANGUAGE_CODE


def events_in(language: str, project_id: int, since: int, until: int) -> list[dict[str, Any]]:
    """Return the events after `since` up to `until`, in this language; none is one query less."""
    if since >= until:
        return []
    with translation.override(language):
        currency = Project.objects.values_list("currency", flat=True).get(pk=project_id)
        return events_since(project_id, since, until, currency=currency)


def still_allowed(keys: Iterable[Key]) -> dict[Key, str]:
    """Return the roles of those (project, user, session) that may still look.

    Members whose role sees the dashboard, active, signed in.
    """
    keys = set(keys)
    rows = (
        Membership.objects.filter(
            project_id__in={key[0] for key in keys},
            user_id__in={key[1] for key in keys},
            user__is_active=True,
            role__in=VIEWERS,
        )
        .exclude(project__status=Project.Status.DELETING)
        .values_list("project_id", "user_id", "role")
    )
    roles = {(project_id, user_id): role for project_id, user_id, role in rows}
    found = {key for key in keys if key[:2] in roles}
    people = User.objects.in_bulk({key[1] for key in found})
    return {
        key: roles[key[:2]] for key in found if key[2] is None or _signed_in(people[key[1]], key[2])
    }


def _signed_in(user: User, session_key: str) -> bool:
    """Tell whether this session is still the person's: a new password ends it without a trace."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    given = session.get(HASH_SESSION_KEY, "")
    return constant_time_compare(given, user.get_session_auth_hash())

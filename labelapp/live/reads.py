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
from labelapp.selectors.projects import access

Version = tuple[int, int]

VIEWERS = [role.value for role in Role if may(role, Right.VIEW_DASHBOARD)]


@dataclass(frozen=True)
class View:
    """What every page of one project shows at one moment, and the events since the last view."""

    seq: int
    html: dict[str, str]
    data: dict[str, Any]
    events: list[dict[str, Any]]


def viewable_project(user: User | AnonymousUser, public_id: str) -> int | None:
    """Return the project's key if this person may see its dashboard."""
    if not isinstance(user, User):
        return None
    try:
        return access(user, public_id, Right.VIEW_DASHBOARD).project.pk
    except AppError:
        return None


def versions(project_ids: Iterable[int]) -> dict[int, Version]:
    """Return (event number, answers) of these projects in one query; deleted ones are missing."""
    rows = (
        ProjectCounter.objects.filter(project_id__in=list(project_ids))
        .exclude(project__status=Project.Status.DELETING)
        .values_list("project_id", "event_seq", "answers")
    )
    return {project_id: (seq, answers) for project_id, seq, answers in rows}


def view(project_id: int, language: str, since: int | None) -> View | None:
    """Return what pages in this language show now, with the events after `since`.

    None when the project is gone.
    """
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return None
    with translation.override(language):
        found = overview(project)
        seq = int(found["seq"])
        events = [] if since is None else events_since(project_id, since, seq)
        return View(seq, render(found), found["charts"], events)


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
    """Return the events after `since` up to `until`, in this language."""
    with translation.override(language):
        return events_since(project_id, since, until)


def still_allowed(keys: Iterable[tuple[int, int, str | None]]) -> set[tuple[int, int, str | None]]:
    """Return those (project, user, session) that may still look: member, active, signed in."""
    keys = set(keys)
    members = set(
        Membership.objects.filter(
            project_id__in={key[0] for key in keys},
            user_id__in={key[1] for key in keys},
            user__is_active=True,
            role__in=VIEWERS,
        )
        .exclude(project__status=Project.Status.DELETING)
        .values_list("project_id", "user_id")
    )
    found = {key for key in keys if key[:2] in members}
    people = User.objects.in_bulk({key[1] for key in found})
    return {key for key in found if key[2] is None or _signed_in(people[key[1]], key[2])}


def _signed_in(user: User, session_key: str) -> bool:
    """Tell whether this session is still the person's: a new password ends it without a trace."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    given = session.get(HASH_SESSION_KEY, "")
    return constant_time_compare(given, user.get_session_auth_hash())

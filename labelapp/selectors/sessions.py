"""Who sends a request and what they may do: two statements, and nothing is remembered.

The same rules as Django's SessionMiddleware and `django.contrib.auth.get_user`, without their
cost. Only pure functions are cached (what a signed text says), so signing out, a new password,
a deactivated account or a lost role count from the next request on, in every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from labelapp.models import Membership, Project, User
from labelapp.rights import Right
from labelapp.selectors.projects import Access, access_of
from labelapp.selectors.rows import columns, prepared, read
from labelapp.selectors.second_factor import lacks_second_factor


@dataclass(frozen=True)
class _Login:
    user_id: int
    backend: str
    password_hash: str  # HMAC of the password's hash at sign-in


def access_by_session(session_key: str, public_id: str, right: Right) -> Access | None:
    """Return the project as the person of this session may see it.

    None where Django must look closer: no such session, signed out elsewhere by a new password,
    deactivated, not a member, without the right. Never more than `access` would grant.
    """
    login = _login_of(session_key)
    if login is None or login.backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    membership = _membership(login.user_id, public_id)
    if membership is None:
        return None
    if not constant_time_compare(login.password_hash, membership.user.get_session_auth_hash()):
        return None
    if lacks_second_factor(membership.user):
        return None
    found = access_of(membership)
    return found if found.may(right) else None


def _login_of(session_key: str) -> _Login | None:
    with prepared() as cursor:
        cursor.execute(
            f"SELECT session_data FROM {Session._meta.db_table}"  # noqa: S608 - a constant name
            " WHERE session_key = %s AND expire_date > %s",
            [session_key, connection.ops.adapt_datetimefield_value(timezone.now())],
        )
        row = cursor.fetchone()
    return None if row is None else _login_in(row[0])


@lru_cache(maxsize=4096)
def _login_in(session_data: str) -> _Login | None:
    """Read what a session's signed text says; None for an anonymous or a broken one."""
    content = SessionStore().decode(session_data)
    try:
        user_id, backend = int(content[SESSION_KEY]), content[BACKEND_SESSION_KEY]
        return _Login(user_id, str(backend), str(content[HASH_SESSION_KEY]))
    except (KeyError, TypeError, ValueError):
        return None


def _membership(user_id: int, public_id: str) -> Membership | None:
    """Return the membership with its person and its project, as `selectors.projects.access`."""
    found = read(
        (Membership, User, Project),
        f"SELECT {columns(Membership, 'm')}, {columns(User, 'u')}, {columns(Project, 'p')}"  # noqa: S608 - constant names
        f" FROM {Membership._meta.db_table} m JOIN {User._meta.db_table} u ON u.id = m.user_id"
        f" JOIN {Project._meta.db_table} p ON p.id = m.project_id"
        " WHERE p.public_id = %s AND m.user_id = %s AND p.status <> %s AND u.is_active",
        [public_id, user_id, Project.Status.DELETING.value],
    )
    if not found:
        return None
    membership, membership.user, membership.project = found[0]
    return membership  # type: ignore[no-any-return]  # rows come untyped

"""A person's own keys on the labelling page: `User.key_map`.

{scope: {id: key}}: the scope is a project's public id, or "*" for all projects; an id is
"class:3" or "action:skip"; a key is named as static/js/label_keys.js names it ("q", "Shift+b").
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError
from labelapp.models import Membership, User
from labelapp.services.leases import one_writer

EVERYWHERE = "*"
MOST = 1_200  # keys in one scope: all classes and all commands

_ID = re.compile(r"class:\d{1,6}|action:[a-z_]{1,20}")
_KEY = re.compile(r"(Shift\+)?[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,12}")


def set_keys(*, user: User, scope: object, keys: object) -> None:
    """Replace the keys of one scope; none at all takes the scope out.

    Raises InvalidInputError for a scope that is not a project of this person, and for keys that
    are not {id: key} or give one key twice.
    """
    if not isinstance(scope, str) or not _is_known(user, scope):
        raise InvalidInputError(_("There is no such project."), scope="unknown")
    wanted = _read(keys)
    if scope == EVERYWHERE and any(name.startswith("class:") for name in wanted):
        raise InvalidInputError(_("Keys of classes belong to a project."), keys="class")
    with one_writer():
        current = User.objects.select_for_update().values_list("key_map", flat=True)
        kept = dict(current.get(pk=user.pk))
        kept.pop(scope, None)
        if wanted:
            kept[scope] = wanted
        User.objects.filter(pk=user.pk).update(key_map=kept)


def _is_known(user: User, scope: str) -> bool:
    mine = Membership.objects.filter(user=user, project__public_id=scope)
    return scope == EVERYWHERE or (scope.isprintable() and len(scope) <= 16 and mine.exists())


def _read(keys: object) -> dict[str, str]:
    wrong = InvalidInputError(_("The keys have a wrong value."), keys="must be {id: key}")
    if not isinstance(keys, dict) or len(keys) > MOST:
        raise wrong
    for name, key in keys.items():
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise wrong
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise wrong
    if len(set(keys.values())) < len(keys):
        raise InvalidInputError(_("One key is given twice."), keys="twice")
    return keys

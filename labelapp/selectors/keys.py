"""A person's own keys of the labelling page, as the settings show them."""

from __future__ import annotations

from dataclasses import dataclass

from labelapp.models import User
from labelapp.selectors.projects import visible_projects


@dataclass(frozen=True)
class OwnKeys:
    """How many keys somebody has changed in one project, or (no project) in all of them."""

    scope: str
    project: str
    count: int


def own_keys(user: User) -> list[OwnKeys]:
    """Return what a person has changed, projects that they have left excepted."""
    names = dict(visible_projects(user).values_list("public_id", "name"))
    return [
        OwnKeys(scope, names.get(scope, ""), len(keys))
        for scope, keys in user.key_map.items()
        if keys and (scope == "*" or scope in names)
    ]

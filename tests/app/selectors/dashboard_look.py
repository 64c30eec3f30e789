"""What tests of the overview look at."""

from __future__ import annotations

from labelapp.models import Project
from labelapp.selectors.dashboard import overview


def figure(project: Project, key: str) -> dict:
    return next(one for one in overview(project)["figures"] if one["key"] == key)


def row(project: Project, key: str, name: str) -> dict:
    return next(one for one in figure(project, key)["rows"] if one["key"] == name)


def actions(project: Project) -> dict[str, dict]:
    return {one["url"]: one for one in overview(project)["status"]["actions"]}

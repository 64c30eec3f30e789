"""Pytest plugin for the engine's tests: whoever imports the web's packages fails."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

BLOCKED = {"django", "rest_framework", "channels", "django_q", "django_htmx", "asgiref"}


class _Blocker(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{fullname} is blocked: the engine knows nothing of the web")


sys.meta_path.insert(0, _Blocker())

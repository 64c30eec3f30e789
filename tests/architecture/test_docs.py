"""What exists is documented: error codes, events, settings, commands, routes, CLI options."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

import labelapp.errors
import mcal_engine.errors
from labelapp.env import Environment
from labelapp.events import EVENT_TYPES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def codes(module) -> set[str]:
    return {
        value.code
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }


@pytest.mark.parametrize("module", [labelapp.errors, mcal_engine.errors])
def test_every_error_code_is_documented(module):
    text = (DOCS / "errors.md").read_text()
    assert {code for code in codes(module) if f"`{code}`" not in text} == set()


def test_every_event_type_is_documented():
    text = (DOCS / "events.md").read_text()
    assert {name for name in EVENT_TYPES if f"`{name}`" not in text} == set()


def test_every_environment_variable_is_documented():
    source = (ROOT / "labelapp" / "env.py").read_text()
    text = (DOCS / "configuration.md").read_text()
    names = set(re.findall(r'"(MCAL_[A-Z_]+)"', source))
    assert len(names) >= len(dataclasses.fields(Environment))
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_command_of_ours_is_documented():
    ours = {name for name, app in get_commands().items() if app == "labelapp"}
    text = (DOCS / "operations.md").read_text()
    assert {name for name in ours if f"manage.py {name}" not in text} == set()


def test_every_api_route_is_documented():
    text = (DOCS / "api.md").read_text()
    routes = {route for route in all_routes(get_resolver()) if route.startswith("api/v1/")}
    shown = {"/" + re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", route) for route in routes}
    assert shown
    assert {route for route in shown if route not in text} == set()


def test_every_option_of_simulate_is_documented():
    files = [ROOT / "mcal_engine" / name for name in ("__main__.py", "options.py")]
    source = "".join(file.read_text() for file in files)
    text = (DOCS / "algorithm.md").read_text()
    options = set(re.findall(r'"(--[a-z-]+)"', source))
    assert options
    assert {option for option in options if f"`{option}" not in text} == set()


def test_the_map_of_modules_is_up_to_date():
    """If this fails: `make map`."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "module_map.py", "--check"], check=False
    )
    assert done.returncode == 0


def all_routes(resolver: URLResolver, prefix: str = "") -> list[str]:
    routes = []
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            routes.append(route)
        else:
            routes += all_routes(pattern, route)
    return routes

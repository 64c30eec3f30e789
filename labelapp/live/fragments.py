"""The dashboard's parts as HTML: the same templates that the page includes."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

FRAGMENTS = (
    "title",
    "figures",
    "budget",
    "status",
    "actions",
    "job",
    "race",
    "counts",
    "ledger",
    "people",
    "events",
    "rounds",
    "how",
)
"""Each is `templates/dashboard/_<name>.html` inside an element with `data-live="<name>"`."""


def render(overview: dict[str, Any]) -> dict[str, str]:
    """Return every fragment of this overview; its buttons are those of one role."""
    return {
        name: render_to_string(f"dashboard/_{name}.html", {"overview": overview})
        for name in FRAGMENTS
    }

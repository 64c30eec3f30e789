"""Kinds of jobs in words."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_noop

KINDS: dict[str, str] = {
    "advance": gettext_noop("Next step of the run"),
    "train": gettext_noop("Training"),
    "import": gettext_noop("Import of images"),
    "export": gettext_noop("Export"),
    "consensus": gettext_noop("Labels from several answers"),
    "people": gettext_noop("Report on the people"),
    "bulk": gettext_noop("Action on many images"),
    "issues": gettext_noop("Search for likely label errors"),
    "curate": gettext_noop("Search for the best training set"),
    "steer": gettext_noop("Step of steering"),
    "delete": gettext_noop("Deletion of a project"),
}
"""In English; pages use `kind_words`."""


def kind_words(kind: str) -> str:
    """Return a kind of job in the page's language; the code itself where it has no words."""
    words = KINDS.get(kind)
    return gettext(words) if words else kind

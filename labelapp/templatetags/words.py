"""Words for the codes that tables keep: roles, states of imports and exports, theirs and ours."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext, gettext_noop

from labelapp.selectors import quality
from labelapp.selectors import stored_words as stored
from labelapp.selectors.people import ROLE_WORDS

register = template.Library()

STATE_WORDS: dict[str, str] = {
    "uploading": gettext_noop("uploading"),
    "waiting": gettext_noop("waiting"),
    "running": gettext_noop("running"),
    "done": gettext_noop("done"),
    "failed": gettext_noop("failed"),
    "cancelled": gettext_noop("cancelled"),
}


@register.filter
def role_words(role: str) -> str:
    """Return a role in the page's language; the code itself where it has no words."""
    words = ROLE_WORDS.get(role)
    return gettext(words) if words else role


@register.filter
def state_words(state: str) -> str:
    """Return the state of an import or export in the page's language."""
    words = STATE_WORDS.get(state)
    return gettext(words) if words else state


@register.filter
def stored_words(text: str) -> str:
    """Return what a worker wrote down in English in the page's language."""
    return stored.stored_words(text)


@register.filter
def pause_words(reason: str) -> str:
    """Say why somebody is paused."""
    return quality.pause_words(reason)

"""What pages say about workers: whether one is missing while something waits for it."""

from __future__ import annotations

from django import template
from django.conf import settings

from labelapp.models import Project
from labelapp.selectors import workers

register = template.Library()


@register.simple_tag
def waits_for_worker(project: Project) -> list[str]:
    """Return what of the project waits although no worker lives, in words."""
    return workers.waits_for_worker(project)


@register.simple_tag
def worker_watched() -> bool:
    """Tell whether `manage.py up` starts the worker again when it dies."""
    return bool(settings.WORKER_WATCHED)

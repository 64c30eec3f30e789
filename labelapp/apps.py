"""The one Django app."""

from __future__ import annotations

from django.apps import AppConfig


class LabelAppConfig(AppConfig):
    """labelapp: everything that people see."""

    name = "labelapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and who hears of committed events."""
        from labelapp import checks, events  # noqa: F401, PLC0415 - checks register on import
        from labelapp.live import wake  # noqa: PLC0415

        events.hearers.append(wake.announce)

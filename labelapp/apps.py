"""The one Django app."""

from __future__ import annotations

from django.apps import AppConfig


class LabelAppConfig(AppConfig):
    """labelapp: everything that people see."""

    name = "labelapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from labelapp import checks  # noqa: F401, PLC0415 - Django's checks register on import

"""The one Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate  # noqa: TID251 - after each `migrate`


class LabelAppConfig(AppConfig):
    """labelapp: everything that people see."""

    name = "labelapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, who hears of committed events, and who guards the log."""
        from labelapp import append_only, checks, events  # noqa: F401, PLC0415 - checks register
        from labelapp.live import wake  # noqa: PLC0415

        events.hearers.append(wake.announce)
        post_migrate.connect(append_only.after_migrate, sender=self, dispatch_uid="append_only")

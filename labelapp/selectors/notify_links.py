"""Addresses in mails and webhooks: the worker that writes them has no request to read them from."""

from __future__ import annotations

from django.conf import settings
from django.urls import NoReverseMatch, reverse


def base_url() -> str:
    """Return the product's address without a slash at its end: MCAL_BASE_URL, else this machine."""
    if settings.BASE_URL:
        return str(settings.BASE_URL)
    return f"http://localhost:{settings.ENV.port}"


def page_of(kind: str, pid: str) -> str:
    """Return the path of the page where this kind of news is looked into."""
    for name in (_PAGES.get(kind, "project"), "project"):
        try:
            return reverse(name, args=[pid])
        except NoReverseMatch:
            continue
    return "/"


_PAGES = {
    "batch_ready": "project_label",
    "review_waiting": "project_review",
    "forecast_moved": "project_forecast",
    "run_steered": "project_steer",
    "training_failed": "project_jobs",
    "worker_missing": "project_jobs",
    "import_finished": "project_images",
    "export_finished": "project_export",
    "webhook_off": "project_webhooks",
}

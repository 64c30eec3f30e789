"""Pages: health, for load balancers and for whoever asks why nothing happens."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labelapp import __version__, queue


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Say whether the database answers (else 503) and whether a worker is alive. No secrets."""
    database = _database_answers()
    worker = database and queue.worker_alive()
    content = {"ok": database, "database": database, "worker": worker, "version": __version__}
    return JsonResponse(content, status=200 if database else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM labelapp_project LIMIT 1")
    except DatabaseError:
        return False
    return True


urlpatterns: list[URLPattern] = [path("healthz", healthz, name="healthz")]

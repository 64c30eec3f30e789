"""The browser of all images: filters, saved views, bulk actions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.web.base import project_page


@require_safe
@project_page(Right.BROWSE)
def browse(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the images."""
    return HttpResponse("")


urlpatterns: list[URLPattern] = [path("p/<str:pid>/browse/", browse, name="project_browse")]

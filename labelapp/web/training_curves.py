"""Loss and accuracy of a training, epoch by epoch: what the jobs page draws while it goes on."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.training_curves import training_curve
from labelapp.web.base import project_page


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def curve(request: HttpRequest, access: Access) -> HttpResponse:
    """Return the figures; nothing (204) where the version that is shown is still the newest."""
    found = training_curve(access.project)
    if request.GET.get("shown", "") == found["version"] != "":
        return HttpResponse(status=204)
    return JsonResponse(found)


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/training/curve.json", curve, name="training_curve"),
]

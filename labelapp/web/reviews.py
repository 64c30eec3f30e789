"""Pages: the reviewers' queue, and the random samples that managers draw for it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from labelapp.errors import AppError, InvalidInputError
from labelapp.models import LabelClass
from labelapp.rights import Right
from labelapp.selectors.projects import Access, active_classes
from labelapp.selectors.reviews import REASONS, open_counts
from labelapp.services import review_samples
from labelapp.web.base import project_page


@require_safe
@ensure_csrf_cookie
@project_page(Right.REVIEW)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the review page; its images come through the API."""
    classes = active_classes(access.project)
    counts = open_counts(access.project)
    reason = request.GET.get("reason", "")
    context = {
        "access": access,
        "active": "review",
        "classes": classes,
        "reasons": [(value, words, counts[value]) for value, words in REASONS.items()],
        "all": sum(counts.values()),
        "reason": reason if reason in counts else "",
        "setup": _setup(access, classes),
    }
    return render(request, "reviews/page.html", context)


def _setup(access: Access, classes: list[LabelClass]) -> dict[str, object]:
    """Return what the page's script must know."""
    pid = access.project.public_id
    own = access.user.key_map
    return {
        "user": access.user.pk,
        "classes": [
            {"index": c.index, "name": c.name, "key": c.key, "aliases": c.aliases} for c in classes
        ],
        "keyMap": {scope: own[scope] for scope in ("*", pid) if scope in own},
        "urls": {
            "next": reverse("api_reviews", args=[pid]),
            "signIn": f"{reverse('account_login')}?next={reverse('project_review', args=[pid])}",
            "guidelines": reverse("label_guidelines", args=[pid]),
        },
    }


@require_POST
@project_page(Right.STEER)
def sample(request: HttpRequest, access: Access) -> HttpResponse:
    """Draw a random sample: a number of images, or as many as a stated width of interval needs."""
    kind = request.POST.get("kind", "")
    try:
        drawn = review_samples.draw(access=access, kind=kind, size=_size(request, access, kind))
    except AppError as error:
        messages.error(request, _said(error), extra_tags=error.code)
    else:
        text = ngettext(
            "The sample has %(size)s image of %(population)s; %(added)s of it new.",
            "The sample has %(size)s images of %(population)s; %(added)s of them new.",
            drawn.size,
        )
        facts = {name: f"{getattr(drawn, name):,}" for name in ("size", "population", "added")}
        messages.success(request, text % facts)
    return redirect("project_quality", pid=access.project.public_id)


def _size(request: HttpRequest, access: Access, kind: str) -> int:
    """Return how many images are wanted: given by width, by share, or plainly."""
    by = request.POST.get("by", "width")
    try:
        value = float(request.POST.get(by, "").replace(",", "."))
    except ValueError:
        value = -1.0
    if by == "width":
        return review_samples.size_for(access=access, kind=kind, half_width=value / 100)
    if by == "share" and 0 < value <= 100:
        return round(review_samples.population_of(access, kind) * value / 100)
    if by == "size" and value.is_integer():
        return int(value)
    message = _("Give a number of images, a share, or how exactly the error is to be known.")
    raise InvalidInputError(message, size=message)


def _said(error: AppError) -> str:
    return str(next(iter(error.fields.values()), error.message))


urlpatterns: list[URLPattern] = [
    path("p/<str:pid>/review/", page, name="project_review"),
    path("p/<str:pid>/review/sample/", sample, name="review_sample"),
]

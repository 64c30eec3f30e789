"""Access tokens, as pages show them: never more than their first characters."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from labelapp.models import AccessToken, User
from labelapp.rights import Right, Scope
from labelapp.selectors.projects import Access

SCOPE_WORDS: dict[str, str | Promise] = {
    Scope.READ: gettext_lazy("read figures and images"),
    Scope.LABEL: gettext_lazy("label and review"),
    Scope.IMPORT: gettext_lazy("import images"),
    Scope.STEER: gettext_lazy("steer the run"),
    Scope.EXPORT: gettext_lazy("export labels"),
}
SCOPE_HELP: dict[str, str | Promise] = {
    Scope.READ: gettext_lazy("costs, forecasts, the ledger, images and their labels"),
    Scope.LABEL: gettext_lazy("lease images, answer, decide reviews"),
    Scope.IMPORT: gettext_lazy("bring images in"),
    Scope.STEER: gettext_lazy("start and pause the run, change settings"),
    Scope.EXPORT: gettext_lazy("have files made and download them"),
}


def own_tokens(user: User) -> QuerySet[AccessToken]:
    """Return one's own live tokens, the newest first."""
    return _live().filter(user=user).select_related("project")


def ended_tokens(user: User, most: int = 20) -> list[AccessToken]:
    """Return one's latest tokens that were revoked or are too old."""
    over = Q(revoked_at__isnull=False) | Q(expires__lte=timezone.now())
    found = AccessToken.objects.filter(over, user=user).select_related("project")
    return list(found.order_by("-pk")[:most])


def project_tokens(access: Access) -> QuerySet[AccessToken]:
    """Return the live tokens of all people that are bound to this project."""
    if not access.may(Right.MANAGE_PEOPLE):
        return AccessToken.objects.none()
    return _live().filter(project=access.project).select_related("user")


def _live() -> QuerySet[AccessToken]:
    alive = Q(expires=None) | Q(expires__gt=timezone.now())
    return AccessToken.objects.filter(alive, revoked_at=None).order_by("-pk")

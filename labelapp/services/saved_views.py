"""Views of the images that people keep: a filter and an order under a name."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import SavedView
from labelapp.rights import Right
from labelapp.selectors.browse_query import Query
from labelapp.selectors.projects import Access

MAX_NAME = 80
MOST = 50  # of one person in one project


def save(*, access: Access, name: str, query: Query, shared: bool = False) -> SavedView:
    """Keep a view; one of the same name and person is written over.

    Shared ones are for all who may browse. Raises ForbiddenError, InvalidInputError,
    ConflictError for too many.
    """
    _need(access)
    name = _checked(name)
    mine = SavedView.objects.filter(project=access.project, user=access.user)
    with transaction.atomic():
        if not mine.filter(name=name).exists() and mine.count() >= MOST:
            raise ConflictError(_("You have %(most)s views: delete one first.") % {"most": MOST})
        view, _made = SavedView.objects.update_or_create(
            project=access.project,
            user=access.user,
            name=name,
            defaults={"query": query.encoded(), "shared": shared},
        )
    return view


def rename(*, access: Access, view_id: int, name: str) -> None:
    """Give a view of one's own another name. Raises NotFoundError, ConflictError."""
    name = _checked(name)
    try:
        with transaction.atomic():
            changed = _own(access, view_id).update(name=name)
    except IntegrityError as error:
        raise ConflictError(_("You have a view of this name already.")) from error
    if not changed:
        raise NotFoundError(_("There is no such view of yours."))


def delete(*, access: Access, view_id: int) -> None:
    """Delete a view of one's own. Raises NotFoundError."""
    if not _own(access, view_id).delete()[0]:
        raise NotFoundError(_("There is no such view of yours."))


def _own(access: Access, view_id: int) -> QuerySet[SavedView]:
    _need(access)
    return SavedView.objects.filter(pk=view_id, project=access.project, user=access.user)


def _checked(name: str) -> str:
    name = " ".join(name.split())[:MAX_NAME]
    if not name or not name.isprintable():
        message = _("Give the view a name.")
        raise InvalidInputError(message, name=message)
    return name


def _need(access: Access) -> None:
    if not access.may(Right.BROWSE):
        raise ForbiddenError(_("Your role in this project does not allow this."))

"""Comments on images. Whoever labels sees their own only: those of others would steer them."""

from __future__ import annotations

from typing import TypedDict

from django.utils.translation import gettext as _

from labelapp.errors import ForbiddenError
from labelapp.models import Comment
from labelapp.rights import Right
from labelapp.selectors.projects import Access

MOST = 100


class CommentInfo(TypedDict):
    """A comment as the API gives it."""

    id: str
    seq: int
    text: str
    by: str
    mine: bool
    created: str  # ISO 8601


def comments_on(access: Access, seq: int, *, everybody: bool = False) -> list[CommentInfo]:
    """Return the comments on an image, oldest first: one's own, or `everybody`'s to reviewers.

    Raises ForbiddenError where somebody without the right to review asks for everybody's.
    """
    if everybody and not access.may(Right.REVIEW):
        raise ForbiddenError(_("Only reviewers read what others wrote."), right=Right.REVIEW.value)
    rows = Comment.objects.filter(project=access.project, image__seq=seq).select_related("user")
    if not everybody:
        rows = rows.filter(user=access.user)
    return [
        CommentInfo(
            id=str(row.pk),
            seq=seq,
            text=row.text,
            by=str(row.user),
            mine=row.user_id == access.user.pk,
            created=row.created.isoformat(),
        )
        for row in rows.order_by("created", "pk")[:MOST]
    ]

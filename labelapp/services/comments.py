"""Comments on images: append-only, with ids that the client makes, as answers have."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from labelapp.errors import (
    AppError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from labelapp.models import Comment, Image
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services.leases import one_writer

MAX_COMMENTS = 50  # in one request
MAX_TEXT = 1_000  # characters
MAX_SEQ = 2**31 - 1


@dataclass(frozen=True)
class _Written:
    """A comment as the client sent it: well-formed, not yet checked against the project."""

    id: uuid.UUID
    seq: int
    text: str


def add_comments(
    *, access: Access, comments: Sequence[object], as_user: int | None = None
) -> list[dict[str, object]]:
    """Store comments, each on its own; return what became of each, in their order.

    `comments` are the client's objects {id, seq, text}; a repeat of an id is harmless. Raises
    ForbiddenError without the right to label, and ConflictError where `as_user` wrote them and
    somebody else is signed in now.
    """
    if not access.may(Right.LABEL):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if as_user is not None and as_user != access.user.pk:
        raise ConflictError(_("Somebody else is signed in here now."), user=as_user)
    if len(comments) > MAX_COMMENTS:
        raise InvalidInputError(
            _("Send at most %(most)s comments at once.") % {"most": MAX_COMMENTS}
        )
    with one_writer():
        return [_add(access, raw) for raw in comments]


def _add(access: Access, raw: object) -> dict[str, object]:
    try:
        written = _read(raw)
        return {"id": str(written.id), "ok": True, "state": _store(access, written)}
    except AppError as error:
        identity = raw.get("id") if isinstance(raw, dict) else None
        shown = identity[:64] if isinstance(identity, str) and identity.isprintable() else None
        return {"id": shown, **error.as_dict()}


def _read(raw: object) -> _Written:
    wrong = InvalidInputError(_("The comment has a wrong value."))
    if not isinstance(raw, dict):
        raise wrong
    identity, seq, text = raw.get("id"), raw.get("seq"), raw.get("text")
    try:
        key = uuid.UUID(identity if isinstance(identity, str) else "")
    except ValueError as error:
        raise wrong from error
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= MAX_SEQ:
        raise wrong
    if not isinstance(text, str) or not 0 < len(text.strip()) <= MAX_TEXT or not _storable(text):
        raise InvalidInputError(
            _("A comment has 1 to %(most)s characters.") % {"most": MAX_TEXT}, text="length"
        )
    return _Written(key, seq, text.strip())


def _storable(text: str) -> bool:
    """Lone surrogates and NUL come through JSON, but no database stores them."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _store(access: Access, written: _Written) -> str:
    project = access.project
    known = Comment.objects.filter(pk=written.id).first()
    if known is not None:
        if (known.user_id, known.project_id) != (access.user.pk, project.pk):
            raise ConflictError(_("This comment's id was used for another comment."))
        return "duplicate"
    image = Image.objects.filter(project=project, seq=written.seq).only("pk").first()
    if image is None:
        raise NotFoundError(_("There is no such image."), seq=written.seq)
    Comment.objects.bulk_create(  # another request with this id may be faster
        [Comment(id=written.id, project=project, image=image, user=access.user, text=written.text)],
        ignore_conflicts=True,
    )
    return "accepted"

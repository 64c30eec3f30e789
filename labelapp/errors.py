"""Errors that people and programs see: a code, an HTTP status, a message, named fields.

Raise the subclass; one handler (labelapp.api.handler, labelapp.web.middleware) shows it as JSON
or as a page. docs/errors.md lists every code, and a test keeps that list complete.
"""

from __future__ import annotations


class AppError(Exception):
    """Base of all expected errors. `fields` name the details, e.g. {"name": "..."}."""

    code = "error"
    status = 400

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def as_dict(self) -> dict[str, object]:
        """Return the one JSON shape that the whole API uses for errors."""
        return {"ok": False, "code": self.code, "error": self.message, "fields": self.fields}


class NotFoundError(AppError):
    """Not there, or not for this person: both look the same."""

    code = "not_found"
    status = 404


class ForbiddenError(AppError):
    """The person sees the project but may not do this."""

    code = "forbidden"
    status = 403


class SecondFactorError(AppError):
    """This installation wants a second factor of everybody, and this person has none yet."""

    code = "second_factor"
    status = 403


class BadTokenError(AppError):
    """An access token that is unknown, too old, revoked, or whose person is deactivated."""

    code = "bad_token"
    status = 401


class InvalidInputError(AppError):
    """A form or a request has a wrong value; `fields` say which."""

    code = "invalid_input"
    status = 400


class ConflictError(AppError):
    """The thing is not in a state in which this can be done."""

    code = "conflict"
    status = 409


class RunMovedError(ConflictError):
    """A change was weighed against an earlier state of the run."""

    code = "run_moved"


class LabelChangedError(AppError):
    """A reviewer accepts a class that is not the image's label any more."""

    code = "label_changed"
    status = 409


class ExpiredError(AppError):
    """An invitation or a reset link is used up, revoked, or too old."""

    code = "expired_link"
    status = 410


class BadArchiveError(AppError):
    """An uploaded archive is empty, broken, unsafe (`../` paths), or a bomb."""

    code = "bad_archive"
    status = 400


class TooLargeError(AppError):
    """An upload is larger than this installation allows."""

    code = "too_large"
    status = 413


class UnknownClassError(AppError):
    """An answer names a class that the project does not have."""

    code = "unknown_class"
    status = 400


class NotYourTaskError(AppError):
    """An answer to a task that this person was never given."""

    code = "not_your_task"
    status = 403


class TooFewImagesError(AppError):
    """The project has fewer images than the test set and the first training need."""

    code = "too_few_images"
    status = 409

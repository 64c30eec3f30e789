"""Reads the fields of a JSON body: each endpoint says with it which one is wrong."""

from __future__ import annotations

import uuid
from typing import cast

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError

MAX_ID = 2**63 - 1
MAX_SMALL = 2**31 - 1  # of class indexes, versions, image numbers


class Body:
    """The fields of a JSON body; raises InvalidInputError naming the wrong one."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise InvalidInputError(_("The body must be a JSON object."))
        self.data = data

    def items(self, name: str, *, needed: bool = False) -> list[object]:
        """Return a list; an empty one where the field is missing and not `needed`."""
        value = self.data.get(name, None if needed else [])
        if not isinstance(value, list):
            raise wrong(name, "must be a list")
        return value

    def ids(self, name: str) -> list[int]:
        """Return a list of whole numbers."""
        values = self.items(name)
        if not all(map(_is_number, values)):
            raise wrong(name, "must be ids")
        return cast("list[int]", values)

    def number(self, name: str, default: int, *, most: int | None = None) -> int:
        """Return a whole number; with `most` one of 0..most."""
        value = self.data.get(name, default)
        if not _is_number(value):
            raise wrong(name, "must be a number")
        if most is not None and not 0 <= value <= most:
            raise wrong(name)
        return cast("int", value)

    def optional(self, name: str, *, most: int | None = None) -> int | None:
        """Return a whole number, None where the field is missing or null."""
        return None if self.data.get(name) is None else self.number(name, 0, most=most)

    def text(self, name: str, longest: int) -> str:
        """Return a text, empty where the field is missing.

        Lone surrogates and NUL come through JSON, but no database stores them.
        """
        value = self.data.get(name, "")
        if (
            not isinstance(value, str)
            or len(value) > longest
            or not value.replace("\n", "").isprintable()
        ):
            raise wrong(name)
        return value


def read_uuid(value: object, name: str = "id") -> uuid.UUID:
    """Return the id that a client made; raise InvalidInputError."""
    try:
        return uuid.UUID(value if isinstance(value, str) else "")
    except ValueError as error:
        raise wrong(name) from error


def wrong(name: str, why: str = "is not valid") -> InvalidInputError:
    """Return the error that says which field is wrong."""
    return InvalidInputError(_("The request has a wrong value."), **{name: why})


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

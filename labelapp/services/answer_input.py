"""Reads one answer of a request. Each is read on its own: a bad one must not lose the others."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from labelapp.errors import InvalidInputError
from labelapp.models import Answer

_MAX_ID = 2**63 - 1
_MAX_MS = 24 * 3600 * 1000
LONGEST_MS = 30_000  # what one image can cost in active time: whoever looks longer has a break
_MAX_SMALL = 2**31 - 1


@dataclass(frozen=True)
class Given:
    """An answer as the client sent it: well-formed, not yet checked against the project."""

    id: uuid.UUID
    task: int
    token: str
    kind: str
    class_index: int | None  # None unless the kind is "class"
    active_ms: int
    how: str
    guideline_version: int


def read_answer(raw: object) -> Given:
    """Read one answer; raise InvalidInputError whose fields say what is wrong."""
    if not isinstance(raw, dict):
        raise InvalidInputError("An answer must be an object.")
    reader = _Reader(raw)
    is_class = raw.get("kind") == Answer.Kind.CLASS
    given = Given(
        id=reader.uuid("id"),
        task=reader.number("task", _MAX_ID),
        token=reader.text("token", 200),
        kind=reader.choice("kind", Answer.Kind.values),
        class_index=reader.number("class", _MAX_SMALL) if is_class else None,
        active_ms=min(reader.number("active_ms", _MAX_MS, default=0), LONGEST_MS),
        how=reader.text("how", 8, default="key"),
        guideline_version=reader.number("guideline_version", _MAX_SMALL, default=0),
    )
    if reader.wrong:
        raise InvalidInputError("The answer has a wrong value.", **reader.wrong)
    return given


class _Reader:
    """Takes fields out of an answer and notes what is wrong with each."""

    def __init__(self, raw: dict[object, object]) -> None:
        self.raw = raw
        self.wrong: dict[str, object] = {}

    def uuid(self, name: str) -> uuid.UUID:
        value = self.raw.get(name)
        try:
            return uuid.UUID(value if isinstance(value, str) else "")
        except ValueError:
            self.wrong[name] = "must be a UUID"
            return uuid.UUID(int=0)

    def number(self, name: str, top: int, *, default: int | None = None) -> int:
        value = self.raw.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= top:
            return value
        self.wrong[name] = f"must be a whole number from 0 to {top}"
        return 0

    def text(self, name: str, longest: int, *, default: str | None = None) -> str:
        value = self.raw.get(name, default)
        # Lone surrogates and NUL come through JSON, but no database stores them.
        if isinstance(value, str) and len(value) <= longest and value.isprintable():
            return value
        self.wrong[name] = f"must be a text of at most {longest} characters"
        return ""

    def choice(self, name: str, choices: list[str]) -> str:
        value = self.raw.get(name)
        if isinstance(value, str) and value in choices:
            return value
        self.wrong[name] = f"must be one of {', '.join(choices)}"
        return ""

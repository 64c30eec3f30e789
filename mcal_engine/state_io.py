"""McalState <-> JSON text, with a schema version and numbered upgrades.

A saved run must survive every later version of this program: when a field of the state changes
its meaning, append an upgrade here. A field that is merely new needs only its default.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from mcal_engine.errors import StateVersionError
from mcal_engine.types import IterationRecord, McalState

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def _rows_are_new(state: dict[str, Any]) -> dict[str, Any]:
    """Version 1 wrote every record as an object, which `load` reads as well as rows."""
    return state


UPGRADES: tuple[Upgrade, ...] = (_rows_are_new,)
"""UPGRADES[i] takes the JSON of version i + 1 and returns that of version i + 2."""

SAME = "="

SCHEMA_VERSION = len(UPGRADES) + 1


def dump(state: McalState) -> str:
    """Return the state as JSON text; `load` gives back an equal state.

    The records of the last training are objects, as drivers show them; those before are rows in
    the order of `columns`, with `SAME` for what the row above says: half of a long run's state.
    """
    data = asdict(state)
    past = [list(r.values()) for r in data["records"] if r["number"] < state.iteration]
    data["records"] = [*_folded(past), *data["records"][len(past) :]]
    columns = [field.name for field in fields(IterationRecord)]
    document = {"schema_version": SCHEMA_VERSION, "columns": columns, "state": data}
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def load(text: str) -> McalState:
    """Return the state saved in this text, upgraded if it is older.

    Raises `StateVersionError` if it is newer than this program, or no state at all.
    """
    try:
        document = json.loads(text)
        version, data = int(document["schema_version"]), dict(document["state"])
    except (ValueError, TypeError, KeyError) as error:
        raise StateVersionError("this is not a saved MCAL state") from error
    if not 1 <= version <= SCHEMA_VERSION:
        raise StateVersionError(
            f"the state has version {version}, this program knows 1 to {SCHEMA_VERSION}"
        )
    for upgrade in UPGRADES[version - 1 :]:
        data = upgrade(data)
    try:
        data["records"] = _unfolded(data["records"], document.get("columns", []))
        state: McalState = _build(McalState, data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateVersionError(f"the saved state is damaged: {error}") from error
    return state


def _folded(rows: list[list[Any]]) -> list[Any]:
    above: list[list[Any]] = [[None] * len(row) for row in rows[:1]] + rows[:-1]
    return [
        [
            SAME if new == old and new is not None else new
            for new, old in zip(row, last, strict=True)
        ]
        for row, last in zip(rows, above, strict=True)
    ]


def _unfolded(records: list[Any], columns: list[str]) -> list[dict[str, Any]]:
    """Return every record as an object: rows get their names and what stands above them."""
    made: list[dict[str, Any]] = []
    for record in records:
        if isinstance(record, list):
            named = zip(columns, record, strict=True)
            made.append({k: made[-1][k] if v == SAME else v for k, v in named})
        else:
            made.append(record)
    return made


def _build(kind: Any, data: Any) -> Any:
    """Build a value of a type of types.py from JSON's dicts, lists and plain values."""
    return _builder(kind)(data)


@cache
def _builder(kind: Any) -> Callable[[Any], Any]:
    """Return what builds values of this type; a type's hints are read once, not per value."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:  # every union of the state is "X | None"
        inner = _builder(next(a for a in arguments if a is not type(None)))
        return lambda data: None if data is None else inner(data)
    if origin is tuple:
        one = _builder(arguments[0])
        return tuple if one is _as_it_is else lambda data: tuple(map(one, data))
    if origin is dict:
        return dict
    if isinstance(kind, type) and is_dataclass(kind):
        parts = {name: _builder(hint) for name, hint in get_type_hints(kind).items()}
        return lambda data: kind(**{name: parts[name](value) for name, value in data.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    return _as_it_is


def _as_it_is(data: Any) -> Any:
    return data

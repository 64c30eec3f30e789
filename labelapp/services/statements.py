"""Writes of single rows by hand-written SQL, for what every answer writes.

The same values that the ORM would store, prepared by the same fields; what is left out is the
composing of the statement, which costs ten times as much as running it. Made for models without
files, automatic dates or parents. Call inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Field, Model

from labelapp.selectors.rows import prepared


def insert(row: Model, *, replace: Sequence[str] = (), unique: str = "") -> None:
    """Insert a new row and set its id.

    With `replace` these columns of the row that has the same `unique` column get the new values.
    """
    statement, fields, returns = _insert(type(row), tuple(replace), unique, row.pk is None)
    with prepared() as cursor:
        cursor.execute(statement, _values(row, fields))
        if returns:
            row.pk = cursor.fetchone()[0]
    state = row._state  # noqa: SLF001 - documented by Django
    state.adding, state.db = False, connection.alias


def update(row: Model, names: Sequence[str]) -> None:
    """Write these fields of a row that exists."""
    statement, fields = _update(type(row), tuple(names))
    with prepared() as cursor:
        cursor.execute(statement, [*_values(row, fields), row.pk])


def _values(row: Model, fields: Sequence[Field[Any, Any]]) -> list[Any]:
    return [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]


@lru_cache(maxsize=32)
def _insert(
    model: type[Model], replace: tuple[str, ...], unique: str, makes_id: bool
) -> tuple[str, list[Field[Any, Any]], bool]:
    fields = [f for f in model._meta.concrete_fields if not (f.primary_key and makes_id)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    statement = f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks})'  # noqa: S608 - names of ours
    if replace:
        names = [_column(model, name) for name in replace]
        changes = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in names)
        statement += f' ON CONFLICT ("{_column(model, unique)}") DO UPDATE SET {changes}'
    if makes_id:
        statement += f' RETURNING "{_key(model)}"'
    return statement, fields, makes_id


@lru_cache(maxsize=64)
def _update(model: type[Model], names: tuple[str, ...]) -> tuple[str, list[Field[Any, Any]]]:
    fields = [model._meta.get_field(name) for name in names]
    changes = ", ".join(f'"{_column(model, name)}" = %s' for name in names)
    statement = f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{_key(model)}" = %s'  # noqa: S608 - names of ours
    return statement, fields  # type: ignore[return-value]  # these are no relations from elsewhere


def _column(model: type[Model], name: str) -> str:
    field = model._meta.get_field(name)
    return str(field.column)  # type: ignore[union-attr]  # a column of this table


def _key(model: type[Model]) -> str:
    return str(model._meta.pk.column)

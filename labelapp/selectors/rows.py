"""Model instances from hand-written joins, for the few reads that every answer makes.

The ORM spends about half a millisecond on composing such a query; the statement takes 0.03.
Instances are whole: what is read here is what the ORM would have read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Model

PREPARE_AFTER = 5  # times

Converter = Callable[[Any, Any, Any], Any]


@contextmanager
def prepared() -> Iterator[Any]:
    """Open a cursor for the statements of every answer.

    PostgreSQL plans a statement that comes again and again only once there (Django's own cursors
    put the values into the text, so each one is new); SQLite's module always does so. Where statements are logged
    (tests, DEBUG) Django's own cursor is used, which logs the values.
    """
    if connection.vendor != "postgresql" or connection.queries_logged:
        with connection.cursor() as cursor:
            yield cursor
        return
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = PREPARE_AFTER
    with connection.make_cursor(_cursor_class()(raw)) as cursor:
        yield cursor


def _cursor_class() -> type[Any]:
    from django.db.backends.postgresql.base import (  # noqa: PLC0415 - needs psycopg
        ServerBindingCursor,
    )

    return ServerBindingCursor


@lru_cache(maxsize=32)
def columns(model: type[Model], alias: str) -> str:
    """Return all columns of a model for a SELECT, in the order that `read` expects."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def key_value(model: type[Model], value: object) -> Any:
    """Return a key as this database stores it (SQLite: a UUID as text)."""
    return model._meta.pk.get_db_prep_value(value, connection)


def marks(values: Collection[object]) -> str:
    """Return as many parameter marks as there are values, for IN (...)."""
    return ", ".join(["%s"] * len(values))


def read(models: Sequence[type[Model]], statement: str, parameters: Sequence[Any]) -> Any:
    """Run a SELECT of the `columns` of these models; return a tuple of instances per row.

    None stands for a model whose key is NULL: an outer join found nothing.
    """
    with prepared() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    return [_instances(models, row) for row in rows]


def _instances(models: Sequence[type[Model]], row: Sequence[Any]) -> tuple[Any, ...]:
    made: list[Any] = []
    start = 0
    for model in models:
        names, key, converters = _shape(model, connection.vendor)
        values = list(row[start : start + len(names)])
        start += len(names)
        if values[key] is None:
            made.append(None)
            continue
        for position, expression, functions in converters:
            for convert in functions:
                values[position] = convert(values[position], expression, connection)
        made.append(model.from_db(connection.alias, names, values))
    return tuple(made)


@lru_cache(maxsize=32)
def _shape(
    model: type[Model], vendor: str
) -> tuple[list[str], int, list[tuple[int, Any, list[Converter]]]]:
    """Return a model's fields, the place of its key, and how values become theirs, as in the ORM."""
    del vendor  # what it says is in the cache's key
    fields = model._meta.concrete_fields
    converters, key = [], 0
    for position, field in enumerate(fields):
        key = position if field.primary_key else key
        expression = field.cached_col
        functions = [
            *connection.ops.get_db_converters(expression),
            *expression.get_db_converters(connection),
        ]
        if functions:
            converters.append((position, expression, functions))
    return [field.attname for field in fields], key, converters

"""Statements of the browser: a window of some thousand rows of one index, then the filters.

No statement reads more than its window, whatever is asked of a million images: the window is cut
first, by the index that leaves the fewest images, and the filters look at its rows alone. What
other tables say is asked per row by a subquery with LIMIT, which no planner turns into a join.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from labelapp.models import (
    Answer,
    Exclusion,
    Image,
    Label,
    LabelBatch,
    LabelClass,
    ModelVersion,
    Project,
)
from labelapp.selectors.browse_query import HUMAN_PURPOSES, Query

_IMAGE, _LABEL = Image._meta.db_table, Label._meta.db_table
_EXCLUSION, _ANSWER = Exclusion._meta.db_table, Answer._meta.db_table
_LABEL_COLUMNS = (
    *("class_index", "source", "confidence", "purpose", "agreement"),
    *("batch_id", "model_id"),
)


class Found(NamedTuple):
    """One image of a window. `key` is what the order goes by before the number; None: nothing."""

    key: Any
    seq: int
    image_id: int


class Place(NamedTuple):
    """Where a walk stands: behind this image of its order."""

    key: Any
    seq: int


@dataclass(frozen=True)
class Known:
    """What filters need to know of the project beside its images."""

    classes: tuple[int, ...] = ()  # the label asked for, and the classes merged into it
    batches: tuple[int, ...] = ()  # of the iteration asked for
    models: tuple[int, ...] = ()
    gold: tuple[int, ...] = ()  # batches whose answers never become labels


@dataclass(frozen=True)
class Source:
    """One index that a walk follows: a table, what is fixed, and the order."""

    table: str
    fixed: str = ""  # SQL of the alias d; literal, so that partial indexes are found
    key: str = ""  # the column before seq in the order
    descending: bool = False
    text: bool = False  # the key is text: compared by bytes
    settles: frozenset[str] = field(default_factory=frozenset)  # filters that `fixed` has done

    @property
    def labels(self) -> bool:
        """Tell whether the rows are labels."""
        return self.table == _LABEL


def known_of(project: Project, query: Query) -> Known:
    """Read what this query needs: one statement for each kind of filter."""
    batches: list[tuple[int, int, str]] = []
    models: list[int] = []
    if query.iteration is not None or query.person is not None:
        rows = LabelBatch.objects.filter(project=project)
        batches = list(rows.values_list("pk", "iteration", "purpose"))
    if query.iteration is not None:
        made = ModelVersion.objects.filter(run__project=project, iteration=query.iteration)
        models = list(made.values_list("pk", flat=True))
    return Known(
        classes=() if query.label is None else _merged(project, query.label),
        batches=tuple(pk for pk, number, _ in batches if number == query.iteration),
        models=tuple(models),
        gold=tuple(pk for pk, _, purpose in batches if purpose == "gold"),
    )


def classes_of(project: Project) -> dict[int, LabelClass]:
    """Return all classes by index, archived ones too; read once for a request's project."""
    known: dict[int, LabelClass] | None = getattr(project, "classes_by_index", None)
    if known is None:
        known = {one.index: one for one in project.classes.order_by("index")}
        project.classes_by_index = known  # type: ignore[attr-defined]
    return known


def _merged(project: Project, index: int) -> tuple[int, ...]:
    """Return this class and all that count as it."""
    classes = classes_of(project)
    numbers = {one.pk: one.index for one in classes.values()}
    into: dict[int, list[int]] = {}
    for one in classes.values():
        if one.merged_into_id in numbers:
            into.setdefault(numbers[one.merged_into_id], []).append(one.index)
    found, waiting = [index], [index]
    while waiting:
        more = [one for one in into.get(waiting.pop(), []) if one not in found]
        found += more
        waiting += more
    return tuple(found)


def source_of(query: Query, known: Known) -> Source:
    """Choose the index: the order's, where it has one, else that of the narrowest filter."""
    if query.sort in {"unsure", "sure"} and query.stored:
        down = query.sort == "sure"
        return Source(_LABEL, "d.source = 'machine'", "confidence", down)
    if query.sort == "split":
        return Source(_LABEL, "d.agreement < 1.0", "agreement")
    if query.sort == "label":
        return Source(_LABEL, "", "class_index")
    if query.sort == "name" or query.name.startswith("^"):
        return Source(_IMAGE, "", "name", text=True)
    down = query.sort == "last"
    if query.where == "excluded":
        return Source(_EXCLUSION, "", "", down, settles=frozenset({"where"}))
    if len(known.classes) == 1:
        fixed = f"d.class_index = {int(known.classes[0])}"
        return Source(_LABEL, fixed, "", down, settles=frozenset({"label"}))
    if _is_human(query):
        return Source(_LABEL, "d.source = 'human'", "", down)
    labelled = query.stored or query.label is not None or query.iteration is not None
    return Source(_LABEL if labelled else _IMAGE, "", "", down)


def _is_human(query: Query) -> bool:
    """Tell whether only images with people's labels can be meant."""
    return (
        query.source == "human"
        or query.where in HUMAN_PURPOSES
        or query.split
        or query.person is not None
    )


# --- the window --------------------------------------------------------------------------------


def window(
    project: Project, query: Query, known: Known, after: Place | None, size: int, limit: int
) -> list[Found]:
    """Return up to `limit` images of the next `size` rows that pass the filters, in order.

    The guess of the model is not looked at here, nor margins, but those of machine labels.
    """
    source = source_of(query, known)
    cut, values = _cut(project, source, query, after)
    conditions, more = _conditions(source, query, known)
    rows = size if conditions else min(size, limit)
    # SQLite hands the window's rows on one by one, in their order; told to order them again it
    # would fetch all of them first.
    order = "" if connection.vendor == "sqlite" else f" ORDER BY {_order(source, 'w')}"
    statement = (
        f"SELECT w.k, w.seq, w.image_id FROM ({cut} LIMIT {rows}) w"  # noqa: S608 - names of ours
        f"{' WHERE ' + ' AND '.join(conditions) if conditions else ''}"
        f"{order} LIMIT {limit}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, *more])
        return [Found(*row) for row in cursor.fetchall()]


def end_of(
    project: Project, query: Query, known: Known, after: Place | None, size: int
) -> Place | None:
    """Return the last image of the next `size` rows, None where fewer are left."""
    source = source_of(query, known)
    cut, values = _cut(project, source, query, after)
    statement = f"SELECT w.k, w.seq FROM ({cut} LIMIT 1 OFFSET {size - 1}) w"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    return None if row is None else Place(*row)


def among(project: Project, query: Query, known: Known, seqs: list[int]) -> dict[int, Found]:
    """Return which of these images pass the filters, by their numbers."""
    if not seqs:
        return {}
    source = Source(_IMAGE)
    conditions, values = _conditions(source, query, known)
    statement = (
        "SELECT w.k, w.seq, w.image_id FROM"  # noqa: S608 - names and numbers of ours
        " (SELECT NULL AS k, d.seq, d.id AS image_id, d.name"
        f" FROM {_IMAGE} d WHERE d.project_id = %s AND d.seq IN ({_numbers(tuple(seqs))})) w"
        f"{' WHERE ' + ' AND '.join(conditions) if conditions else ''}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [project.pk, *values])
        return {row[1]: Found(*row) for row in cursor.fetchall()}


def _cut(
    project: Project, source: Source, query: Query, after: Place | None
) -> tuple[str, list[Any]]:
    """Return SELECT ... ORDER BY of the index from a place on, without its LIMIT."""
    wheres: list[str] = ["d.project_id = %s"]
    values: list[Any] = [project.pk]
    if source.fixed:
        wheres.append(source.fixed)
    if source.key == "confidence":
        for value, sign in ((query.low, ">="), (query.high, "<=")):
            if value is not None:
                wheres.append(f"d.confidence {sign} %s")
                values.append(value)
    if source.text and query.name.startswith("^"):
        text, words = _begins("d.name", query.name[1:])
        wheres.append(text)
        values += words
    if after is not None:
        text, place = _behind(source, after)
        wheres.append(text)
        values += place
    image = "d.id" if source.table == _IMAGE else "d.image_id"
    columns = [
        f"d.{source.key} AS k" if source.key else "NULL AS k",
        "d.seq",
        f"{image} AS image_id",
    ]
    columns += [f"d.{name}" for name in _LABEL_COLUMNS] if source.labels else []
    columns += ["d.name"] if source.table == _IMAGE else []
    statement = (
        f"SELECT {', '.join(columns)} FROM {source.table} d"  # noqa: S608 - names of ours
        f" WHERE {' AND '.join(wheres)} ORDER BY {_order(source, 'd')}"
    )
    return statement, values


def _order(source: Source, alias: str) -> str:
    down = " DESC" if source.descending else ""
    if not source.key:
        return f"{alias}.seq{down}"
    key = "k" if alias == "w" else source.key
    by_bytes = " USING ~<~" if source.text and connection.vendor == "postgresql" else down
    return f"{alias}.{key}{by_bytes}, {alias}.seq{down}"


def _behind(source: Source, after: Place) -> tuple[str, list[Any]]:
    sign = "<" if source.descending else ">"
    if not source.key:
        return f"d.seq {sign} %s", [after.seq]
    if source.text and connection.vendor == "postgresql":
        text = "d.name ~>=~ %s AND (d.name ~>~ %s OR d.seq > %s)"
        return text, [after.key, after.key, after.seq]
    return f"(d.{source.key}, d.seq) {sign} (%s, %s)", [after.key, after.seq]


# --- the filters -------------------------------------------------------------------------------


def _conditions(source: Source, query: Query, known: Known) -> tuple[list[str], list[Any]]:
    """Return the filters on the rows `w` of a window."""
    about_label, values = _label_conditions(source, query, known)
    wheres: list[str] = []
    if about_label and source.labels:
        wheres = [text.format(a="w") for text in about_label]
    elif about_label:
        of_label = " AND ".join(text.format(a="l") for text in about_label)
        wheres.append(
            f"(SELECT 1 FROM {_LABEL} l"  # noqa: S608 - names of ours
            f" WHERE l.image_id = w.image_id AND {of_label} LIMIT 1) = 1"
        )
    if query.where == "unlabelled":
        wheres += [_missing(_LABEL), _missing(_EXCLUSION)]
    if query.where == "excluded" and "where" not in source.settles:
        wheres.append(_missing(_EXCLUSION).replace("IS NULL", "IS NOT NULL"))
    if query.person is not None:
        wheres.append(_answered(known))
        values.append(query.person)
    if query.name and not (source.text and query.name.startswith("^")):
        text, more = _named(source, query.name)
        wheres.append(text)
        values += more
    return wheres, values


def _label_conditions(source: Source, query: Query, known: Known) -> tuple[list[str], list[Any]]:
    """Return the filters on a label's columns; {a} stands for its alias."""
    found: list[tuple[str, list[Any]]] = []
    if query.label is not None and "label" not in source.settles:
        found.append((f"{{a}}.class_index IN ({_numbers(known.classes)})", []))
    if query.source:
        found.append(("{a}.source = %s", [query.source]))
    if query.where in {*HUMAN_PURPOSES, "machine"}:
        found.append(("{a}.purpose = %s", [query.where]))
    if query.split:
        found.append(("{a}.agreement < 1.0", []))
    if query.iteration is not None:
        batches, models = _numbers(known.batches), _numbers(known.models)
        either = f"({{a}}.batch_id IN ({batches}) OR {{a}}.model_id IN ({models}))"
        found.append((either, []))
    if query.stored and source.key != "confidence":
        for value, sign in ((query.low, ">="), (query.high, "<=")):
            if value is not None:
                found.append((f"{{a}}.confidence {sign} %s", [value]))
    return [text for text, _ in found], [one for _, values in found for one in values]


def _numbers(values: tuple[int, ...]) -> str:
    return ", ".join(str(int(value)) for value in values) or "-1"


def _missing(table: str) -> str:
    return f"(SELECT 1 FROM {table} x WHERE x.image_id = w.image_id LIMIT 1) IS NULL"  # noqa: S608


def _answered(known: Known) -> str:
    gold = f" AND a.batch_id NOT IN ({_numbers(known.gold)})" if known.gold else ""
    return (
        f"(SELECT 1 FROM {_ANSWER} a WHERE a.image_id = w.image_id AND a.user_id = %s"  # noqa: S608
        f" AND a.kind = 'class' AND a.superseded_by IS NULL{gold} LIMIT 1) = 1"
    )


def _named(source: Source, name: str) -> tuple[str, list[Any]]:
    """Return the filter on the file name: it begins so (^), or holds this text in any case."""
    here = source.table == _IMAGE
    column = "w.name" if here else "i.name"
    if name.startswith("^"):
        text, values = _begins(column, name[1:])
    else:
        like = "ILIKE" if connection.vendor == "postgresql" else "LIKE"
        text, values = f"{column} {like} %s ESCAPE '!'", [f"%{_escaped(name)}%"]
    if not here:
        text = f"(SELECT 1 FROM {_IMAGE} i WHERE i.id = w.image_id AND {text} LIMIT 1) = 1"  # noqa: S608
    return text, values


def _begins(column: str, text: str) -> tuple[str, list[Any]]:
    """Return that a name begins with this text, byte by byte, so that the index answers it."""
    if connection.vendor == "postgresql":
        return f"{column} LIKE %s", [_escaped(text, "\\") + "%"]
    return f"{column} >= %s AND {column} < %s", [text, text + chr(0x10FFFF)]


def _escaped(text: str, sign: str = "!") -> str:
    for special in (sign, "%", "_"):
        text = text.replace(special, sign + special)
    return text

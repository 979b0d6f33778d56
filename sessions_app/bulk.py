"""Many rows in one statement each way, without an object a row.

`bulk_create` and `bulk_update` build an expression for every value, which for
the rows of a busy worker costs more than the database does. These prepare the
values as a model's fields do and leave the rest to the driver's executemany.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models


def select(statement: str, keys: Sequence[Any], *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of our own in which {keys} stands for the list of `keys`.

    The keys come last among its parameters. For the few queries on a worker's way to
    the start of an agent, where building them anew each time costs the most.
    """
    marks = ", ".join(["%s"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(statement.format(keys=marks), [*parameters, *keys])
        return cursor.fetchall()


def insert(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of values for the fields `names` (a foreign key by its `…_id`)."""
    fields = _fields(model, names)
    columns = ", ".join(map(_column, fields))
    marks = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {_table(model)} ({columns}) VALUES ({marks})"  # noqa: S608 - our names
    _execute(statement, fields, rows)


def update(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Set the fields `names` in rows; each row holds their values, then its primary key."""
    _change(model, (), names, rows)


def add(
    model: type[models.Model],
    sums: Sequence[str],
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Like `update`, but the values of `sums`, which come first, are added to what is there."""
    _change(model, sums, names, rows)


def _change(
    model: type[models.Model],
    sums: Sequence[str],
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    *fields, pk = _fields(model, [*sums, *names, "id"])
    columns = [_column(field) for field in fields]
    changes = [f"{column} = {column} + %s" for column in columns[: len(sums)]]
    changes += [f"{column} = %s" for column in columns[len(sums) :]]
    statement = f"UPDATE {_table(model)} SET {', '.join(changes)} WHERE {_column(pk)} = %s"  # noqa: S608
    _execute(statement, [*fields, pk], rows)


def _execute(
    statement: str, fields: Sequence["models.Field[Any, Any]"], rows: Iterable[Sequence[Any]]
) -> None:
    link = connections[DEFAULT_DB_ALIAS]  # `connection` looks the real one up at each use
    prepared = [
        [field.get_db_prep_save(value, link) for field, value in zip(fields, row, strict=True)]
        for row in rows
    ]
    if prepared:
        with link.cursor() as cursor:
            cursor.executemany(statement, prepared)


def _fields(model: type[models.Model], names: Sequence[str]) -> "list[models.Field[Any, Any]]":
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    return [by_attribute[name] for name in names]


def _column(field: "models.Field[Any, Any]") -> str:
    return _quoted(str(field.column))


def _table(model: type[models.Model]) -> str:
    return _quoted(model._meta.db_table)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)

"""Many rows in one statement each way, without an expression a value.

`bulk_create` and `bulk_update` build an expression for every value, which for
the rows of a busy worker costs more than the database does. These prepare the
values as a model's fields do and leave the rest to the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

M = TypeVar("M", bound=models.Model)
Field: TypeAlias = "models.Field[Any, Any]"
Rows = list[list[Any]]

# SQLite's driver lets other threads run in each step of a statement and then waits for
# its turn again, so a statement a row is slow beside a busy thread. A few sizes
# only, so that the driver keeps a prepared statement of each.
CHUNKS = (256, 64, 16, 4, 1)

COPY_FROM = 16
"""Rows from which on PostgreSQL's COPY, with its further round trips, is faster than INSERT."""

PLAIN = {"TextField", "IntegerField", "BigIntegerField"}
"""Fields whose values go to the driver as they are."""


def select(statement: str, keys: Sequence[Any], *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of our own in which {keys} stands for the list of `keys`.

    The keys come last among its parameters. For the few queries on a worker's way to
    the start of an agent, where building them anew each time costs the most.
    """
    marks = ", ".join(["%s"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(statement.format(keys=marks), [*parameters, *keys])
        return cursor.fetchall()


def instances(model: type[M], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[M]:
    """Objects of the values that such a statement gave for the fields `names`.

    Only for text, numbers and JSON. The other fields are loaded when they are asked for.
    """
    link = connections[DEFAULT_DB_ALIAS]
    values = [list(row) for row in rows]
    for place, field in enumerate(_fields(model, names)):
        if convert := getattr(field, "from_db_value", None):
            for row in values:
                row[place] = convert(row[place], None, link)
    return [model.from_db(DEFAULT_DB_ALIAS, names, row) for row in values]


def insert(
    model: type[models.Model],
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    shared: Mapping[str, Any] | None = None,
) -> None:
    """Insert rows of values for the fields `names` (a foreign key by its `…_id`).

    Each row also gets the fields of `shared`, whose values are the same for all.
    """
    common = shared or {}
    prepared = _prepared(_fields(model, names), rows)
    values = _prepared(_fields(model, list(common)), [list(common.values())])[0]
    for row in prepared:
        row += values
    columns = ", ".join(map(_column, _fields(model, [*names, *common])))
    if connection.vendor == "postgresql" and len(prepared) >= COPY_FROM:
        _copy(f"COPY {_table(model)} ({columns}) FROM STDIN", prepared)
    else:
        _execute(f"INSERT INTO {_table(model)} ({columns}) VALUES {{rows}}", prepared)  # noqa: S608


def _execute(statement: str, rows: Rows) -> None:
    """Run a statement in which {rows} stands for the values of some rows, until all are done."""
    done = 0
    with connection.cursor() as cursor:
        for size in CHUNKS:
            while len(rows) - done >= size:
                chunk = rows[done : done + size]
                marks = f"({', '.join(['%s'] * len(chunk[0]))})"
                values = list(chain.from_iterable(chunk))
                cursor.execute(statement.format(rows=", ".join([marks] * size)), values)
                done += size


def _copy(statement: str, rows: Rows) -> None:
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        for row in rows:
            copy.write_row(row)


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
    table, place = _table(model), f"new.column{len(fields) + 1}"
    changes = [
        f"{_column(field)} = {f'{table}.{_column(field)} + ' if number <= len(sums) else ''}"
        f"{_cast(f'new.column{number}', field)}"
        for number, field in enumerate(fields, start=1)
    ]
    prepared = _prepared([*fields, pk], rows)
    _lock_in_order(model, [row[-1] for row in prepared])
    _execute(
        f"UPDATE {table} SET {', '.join(changes)} FROM (VALUES {{rows}}) AS new "  # noqa: S608
        f"WHERE {table}.{_column(pk)} = {place}",
        prepared,
    )


def _lock_in_order(model: type[models.Model], keys: Sequence[Any]) -> None:
    """PostgreSQL changes the rows of one statement in an order of its own: two writers that
    have rows in common would wait for each other."""
    if connection.vendor == "postgresql" and len(keys) > 1:
        statement = f"SELECT 1 FROM {_table(model)} WHERE id IN ({{keys}}) "  # noqa: S608
        select(statement + "ORDER BY id FOR NO KEY UPDATE", keys)


def _cast(value: str, field: Field) -> str:
    """PostgreSQL takes a row's value that is nothing but NULL for a text."""
    if connection.vendor == "postgresql":
        return f"CAST({value} AS {field.db_type(connection)})"
    return value


def _prepared(fields: Sequence[Field], rows: Iterable[Sequence[Any]]) -> Rows:
    """The rows as the driver takes them."""
    link = connections[DEFAULT_DB_ALIAS]  # `connection` looks the real one up at each use
    prepared = [list(row) for row in rows]
    for place, field in enumerate(fields):
        if not _is_plain(field):
            for row in prepared:
                row[place] = field.get_db_prep_save(row[place], link)
    return prepared


def _is_plain(field: Field) -> bool:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    is_stock = type(target).get_db_prep_save is models.Field.get_db_prep_save
    return is_stock and target.get_internal_type() in PLAIN


def _fields(model: type[models.Model], names: Sequence[str]) -> list[Field]:
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    return [by_attribute[name] for name in names]


def _column(field: Field) -> str:
    return _quoted(str(field.column))


def _table(model: type[models.Model]) -> str:
    return _quoted(model._meta.db_table)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)

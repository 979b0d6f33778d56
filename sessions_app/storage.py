"""Few statements for many rows, and how long their commit waits.

`bulk_create` and `bulk_update` build an expression for each value, which for the
rows of a busy worker costs more than the database does. A `Batch` collects rows and
writes them with one statement for each kind of change. Where there is nothing to gain,
the ORM is used. Measured on two cores, medians, the ORM's time by ours:

    messages inserted         1      20     200
      SQLite                3.1     4.5     6.8
      PostgreSQL            1.3     2.5     1.8  (COPY from 200 on)
    jobs changed, each to values of its own (bulk_update)
      SQLite                3.5      33 (8 jobs)
      PostgreSQL            1.5      17 (8 jobs)
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, models, transaction

Field: TypeAlias = "models.Field[Any, Any]"
Rows: TypeAlias = list[list[Any]]

# SQLite's driver lets other threads run in each step of a statement and then waits for
# its turn again, so a statement per row is slow beside a busy thread. A few sizes
# only, so that the driver keeps a prepared statement of each.
CHUNKS = (256, 64, 16, 4, 1)

COPY_FROM = 200
"""Rows from which PostgreSQL's COPY, with its extra round trips, is faster than INSERT."""

PLAIN = {"TextField", "IntegerField", "BigIntegerField"}
"""Fields whose values go to the driver as they are."""


@contextmanager
def transaction_without_wait() -> Iterator["Batch"]:
    """A transaction whose commit does not wait for the disk, and the batch to write in it.

    Everybody sees it once it is committed, and the death of this program cannot undo it. After
    a power cut, or the death of PostgreSQL itself, it is there if a later, ordinary one is.
    Within another transaction it is part of that one, and as durable.
    """
    if connection.in_atomic_block:
        yield Batch()
    elif connection.vendor == "postgresql":
        with transaction.atomic():
            yield Batch(waits=False)
    else:
        with _sqlite_synchronous("NORMAL"), transaction.atomic():
            yield Batch()


@contextmanager
def _sqlite_synchronous(mode: str) -> Iterator[None]:
    """SQLite accepts this only outside transactions; afterwards the setting is as it was."""
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA synchronous").fetchone()[0]
        cursor.execute(f"PRAGMA synchronous = {mode}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:  # a new one: the connection may have been closed
            cursor.execute(f"PRAGMA synchronous = {before}")


def lock(rows: "models.QuerySet[Any]") -> None:
    """Lock these rows in the order of their keys until the transaction ends.

    PostgreSQL changes the rows of one statement in an order of its own: two writers that
    have rows in common would wait for each other. On SQLite there is one writer.
    """
    if connection.vendor == "postgresql":
        list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def among(keys: Sequence[str]) -> str:
    """What follows IN, with a place for each of these keys."""
    return f"({', '.join(['%s'] * len(keys))})"


def select_among(statement: str, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a statement in which `{keys}` stands for these keys, as in `IN {keys}`."""
    with connection.cursor() as cursor:
        cursor.execute(statement.format(keys=among(keys)), keys)
        return cursor.fetchall()


class Batch:
    """Rows to insert and to change inside a transaction; `write` does it.

    On PostgreSQL all of it is one statement, so no row may be written to twice. Not a
    pipeline: the server would wait without a limit, with all locks held, for a worker frozen
    in the middle of one.
    """

    def __init__(self, *, waits: bool = True) -> None:
        """Without `waits` the commit does not wait for PostgreSQL's disk."""
        self._writes: list[_Write] = []
        self._channels: list[str] = []
        self._waits = waits

    def insert(
        self, model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Insert rows of values for the fields `names` (a foreign key by its `…_id`)."""
        self._add(_insertion(connection.vendor, model, tuple(names)), rows)

    def update(
        self,
        model: type[models.Model],
        names: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        added: Sequence[str] = (),
    ) -> None:
        """Change rows: each has the values for `added`, which are added to what is there, then
        those for `names`, which replace it, then the primary key.

        Lock the rows first, in a fixed order, if others may write to several of them at once.
        """
        self._add(_change(connection.vendor, model, tuple(added), tuple(names)), rows)

    def notify(self, channel: str) -> None:
        """Tell PostgreSQL's listeners on this channel, once the transaction commits."""
        self._channels.append(channel)

    def write(self) -> None:
        """Write all that was collected."""
        if connection.vendor == "postgresql":
            self._write_postgresql()
        else:
            self._write_sqlite()

    def _add(self, statement: "_Statement", rows: Iterable[Sequence[Any]]) -> None:
        if values := [list(row) for row in rows]:
            _convert(statement, values)
            self._writes.append(_Write(statement, values))

    def _write_sqlite(self) -> None:
        with connection.cursor() as cursor:
            for statement, rows in self._writes:
                for chunk in _chunks(rows):
                    text = statement.text.replace("{rows}", _marks(len(chunk), len(chunk[0])))
                    cursor.execute(text, list(chain.from_iterable(chunk)))

    def _write_postgresql(self) -> None:
        parts, values = [], []
        for number, (statement, rows) in enumerate(self._writes):
            if statement.copy and len(rows) >= COPY_FROM:
                _copy(statement.copy, rows)
            else:
                parts.append(f"write{number} AS ({statement.text})")
                values += [list(column) for column in zip(*rows, strict=True)]
        calls = ["pg_notify(%s, '')"] * len(self._channels)
        if not self._waits:  # in the same statement: one more would be a round trip
            calls.append("set_config('synchronous_commit', 'off', true)")
        if parts or calls:
            start = f"WITH {', '.join(parts)} " if parts else ""
            with connection.cursor() as cursor:
                cursor.execute(
                    f"{start}SELECT {', '.join(calls) or '1'}", [*values, *self._channels]
                )


class _Statement(NamedTuple):
    """`conversions` are for the places of values that do not go to the driver as they are.
    `copy` is the COPY statement for the same rows, "" for a statement that changes rows."""

    text: str
    copy: str
    conversions: Sequence[tuple[int, Callable[[Any, Any], Any]]]


class _Write(NamedTuple):
    statement: _Statement
    rows: Rows


@cache
def _insertion(vendor: str, model: type[models.Model], names: tuple[str, ...]) -> _Statement:
    fields = _fields(model, names)
    target = f"{_table(model)} ({', '.join(map(_column, fields))})"
    arrays = f"SELECT new.* FROM {_arrays(fields)}"  # noqa: S608 - our own names
    source = "VALUES {rows}" if vendor == "sqlite" else arrays
    copy = f"COPY {target} FROM STDIN"
    return _Statement(f"INSERT INTO {target} {source}", copy, _conversions(fields))


@cache
def _change(
    vendor: str, model: type[models.Model], added: tuple[str, ...], names: tuple[str, ...]
) -> _Statement:
    fields = _fields(model, (*added, *names, "id"))
    *columns, pk = map(_column, fields)
    table = _table(model)
    changes = ", ".join(
        f"{column} = {f'{table}.{column} + ' if place <= len(added) else ''}new.column{place}"
        for place, column in enumerate(columns, start=1)
    )
    source = "(VALUES {rows}) AS new" if vendor == "sqlite" else _arrays(fields)
    text = (
        f"UPDATE {table} SET {changes} FROM {source} "  # noqa: S608 - our own names
        f"WHERE {table}.{pk} = new.column{len(fields)}"
    )
    return _Statement(text, "", _conversions(fields))


def _arrays(fields: Sequence[Field]) -> str:
    """PostgreSQL takes each column as one array, which costs us a quarter of what as many single
    values do: in binary form, because the text form is made from each value in Python."""
    arrays = ", ".join(f"%b::{field.db_type(connection)}[]" for field in fields)
    names = ", ".join(f"column{number}" for number in range(1, len(fields) + 1))
    return f"unnest({arrays}) AS new({names})"


def _chunks(rows: Rows) -> Iterator[Rows]:
    done = 0
    for size in CHUNKS:
        while len(rows) - done >= size:
            yield rows[done : done + size]
            done += size


@cache
def _marks(rows: int, columns: int) -> str:
    return ", ".join([f"({', '.join(['%s'] * columns)})"] * rows)


def _copy(command: str, rows: Rows) -> None:
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(command) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _conversions(fields: Sequence[Field]) -> list[tuple[int, Callable[[Any, Any], Any]]]:
    return [
        (place, field.get_db_prep_save)
        for place, field in enumerate(fields)
        if not _is_plain(field)
    ]


def _convert(statement: _Statement, rows: Rows) -> None:
    """Turn the values into what the driver takes."""
    for place, convert in statement.conversions:
        last = converted = None
        for row in rows:
            if row[place] is not last:  # most rows of one call have the same time
                last, converted = row[place], convert(row[place], connection)
            row[place] = converted


def _is_plain(field: Field) -> bool:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    is_stock = type(target).get_db_prep_save is models.Field.get_db_prep_save
    return is_stock and target.get_internal_type() in PLAIN


def _fields(model: type[models.Model], names: tuple[str, ...]) -> tuple[Field, ...]:
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    return tuple(by_attribute[name] for name in names)


def _column(field: Field) -> str:
    return _quoted(str(field.column))


def _table(model: type[models.Model]) -> str:
    return _quoted(model._meta.db_table)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)

"""Many rows in few statements each way, without an expression a value.

`bulk_create` and `bulk_update` build an expression for every value, which for
the rows of a busy worker costs more than the database does. These prepare the
values as a model's fields do and leave the rest to the driver. The text of a
statement is built once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

M = TypeVar("M", bound=models.Model)
Field: TypeAlias = "models.Field[Any, Any]"
Rows = list[list[Any]]

# SQLite's driver lets other threads run in each step of a statement and then waits for
# its turn again, so a statement a row is slow beside a busy thread. A few sizes
# only, so that the driver keeps a prepared statement of each.
CHUNKS = (256, 64, 16, 4, 1)

COPY_FROM = 200
"""Rows from which on PostgreSQL's COPY, with its further round trips, is faster than INSERT."""

PLAIN = {"TextField", "IntegerField", "BigIntegerField"}
"""Fields whose values go to the driver as they are."""


def select(statement: str, keys: Sequence[Any], *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of our own in which {in_keys} says that a text is among `keys`.

    The keys come last among its parameters. For the few queries on a worker's way to
    the start of an agent, where building them anew each time costs the most.
    """
    link = _link()
    if link.vendor == "postgresql":
        among, values = "= ANY(%b::text[])", [list(keys)] if keys else []
    else:
        among, values = f"IN ({', '.join(['%s'] * len(keys))})", list(keys)
    with link.cursor() as cursor:
        cursor.execute(statement.format(in_keys=among), [*parameters, *values])
        return cursor.fetchall()


def instances(model: type[M], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[M]:
    """Objects of the values that such a statement gave for the fields `names`.

    Only for text, numbers and JSON. The other fields are loaded when they are asked for.
    """
    link = _link()
    values = [list(row) for row in rows]
    for place, field in enumerate(_fields(model, tuple(names))):
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
    if values := [[*row, *common.values()] for row in rows]:
        link = _link()
        statement = _insertion(link.vendor, model, (*names, *common))
        _prepare(link, statement, values)
        if link.vendor == "postgresql" and len(values) >= COPY_FROM:
            _copy(link, f"COPY {statement.target} FROM STDIN", values)
        else:
            _execute(link, statement, values)


def update(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Set the fields `names` in rows; each row holds their values, then its primary key.

    `lock` the rows before, if others may write to several of them at once.
    """
    add(model, (), names, rows)


def add(
    model: type[models.Model],
    sums: Sequence[str],
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Like `update`, but the values of `sums`, which come first, are added to what is there."""
    if values := [list(row) for row in rows]:
        link = _link()
        statement = _changing(link.vendor, model, tuple(sums), tuple(names))
        _prepare(link, statement, values)
        _execute(link, statement, values)


@contextmanager
def durable_with_the_next() -> Iterator[None]:
    """A transaction, with a block of `together` in it, that does not wait for the disk.

    All see it once it is committed, and the death of this program cannot undo it. After a
    power cut, or the death of PostgreSQL itself, it is there if a later, ordinary one is.
    """
    link = _link()
    is_outermost = not link.in_atomic_block  # otherwise the commit is another's
    with WITHOUT_SYNC[link.vendor](link) if is_outermost else nullcontext(), transaction.atomic():
        yield


@contextmanager
def _postgresql_without_sync(_link: Any) -> Iterator[None]:
    token = _waits_for_disk.set(False)
    try:
        yield
    finally:
        _waits_for_disk.reset(token)


@contextmanager
def _sqlite_without_sync(link: Any) -> Iterator[None]:
    with link.cursor() as cursor:  # SQLite allows neither within the transaction
        cursor.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            cursor.execute("PRAGMA synchronous = FULL")


WITHOUT_SYNC = {"postgresql": _postgresql_without_sync, "sqlite": _sqlite_without_sync}


@contextmanager
def together() -> Iterator[None]:
    """What this block inserts, changes and calls is one statement on PostgreSQL, run at its end.

    It must not write to a row twice. Not a pipeline: the server would wait without a limit,
    with all locks held, for a worker that was frozen in the middle of one.
    """
    if _link().vendor != "postgresql" or _batch.get() is not None:
        yield
        return
    batch = _Batch([], [] if _waits_for_disk.get() else [NO_WAIT])
    token = _batch.set(batch)
    try:
        yield
    finally:
        _batch.reset(token)
    batch.run(_link())


class Unmet(Exception):
    """Something that was required is not so: the transaction must be rolled back."""


def require(condition: str, *parameters: Any) -> None:
    """Raise Unmet, within `together` at its end, unless this condition holds."""
    call(f"CASE WHEN {condition} THEN '' END", *parameters)


def call(function: str, *parameters: Any) -> None:
    """Call a function of the database for what it does; Unmet if it gives NULL."""
    if batch := _batch.get():
        batch.calls.append((function, parameters))
    else:
        _Batch([], [(function, parameters)]).run(_link())


def lock(model: type[models.Model], keys: Iterable[str]) -> None:
    """Lock rows in the order of their keys until the transaction ends.

    PostgreSQL changes the rows of one statement in an order of its own: two writers that
    have rows in common would wait for each other. On SQLite there is one writer.
    """
    wanted, link = list(keys), _link()
    if link.vendor == "postgresql" and len(wanted) > 1:
        with link.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {_table(model)} WHERE id = ANY(%b::text[]) "  # noqa: S608
                "ORDER BY id FOR NO KEY UPDATE",
                [wanted],
            )


def _link() -> Any:
    """The connection itself: `django.db.connection` looks it up again at each use."""
    return connections[DEFAULT_DB_ALIAS]


class _Batch(NamedTuple):
    """Statements and calls of functions, each with its parameters."""

    writes: list[tuple[str, Sequence[Any]]]
    calls: list[tuple[str, Sequence[Any]]]

    def run(self, link: Any) -> None:
        parts = [f"write{number} AS ({text})" for number, (text, _) in enumerate(self.writes)]
        called = ", ".join(text for text, _ in self.calls) or "1"
        statement = f"WITH {', '.join(parts)} SELECT {called}" if parts else f"SELECT {called}"
        if parts or self.calls:
            values = [value for _, given in (*self.writes, *self.calls) for value in given]
            with link.cursor() as cursor:
                cursor.execute(statement, values)
                if None in cursor.fetchone():
                    raise Unmet


_batch: ContextVar[_Batch | None] = ContextVar("batch", default=None)

NO_WAIT = ("set_config('synchronous_commit', 'off', true)", ())
_waits_for_disk: ContextVar[bool] = ContextVar("waits_for_disk", default=True)


class _Statement(NamedTuple):
    """`text` by how many rows it is for; PostgreSQL has one for any number, under 0.

    `conversions` are those of the values' places that do not go to the driver as they are.
    """

    target: str
    text: Mapping[int, str]
    conversions: Sequence[tuple[int, Callable[[Any, Any], Any]]]


@cache
def _insertion(vendor: str, model: type[models.Model], names: tuple[str, ...]) -> _Statement:
    fields = _fields(model, names)
    target = f"{_table(model)} ({', '.join(map(_column, fields))})"
    arrays = f"SELECT new.* FROM {_arrays(fields)}"  # noqa: S608 - our own names
    source = "VALUES {rows}" if vendor == "sqlite" else arrays
    return _statement(vendor, target, f"INSERT INTO {target} {source}", fields)


@cache
def _changing(
    vendor: str, model: type[models.Model], sums: tuple[str, ...], names: tuple[str, ...]
) -> _Statement:
    fields = _fields(model, (*sums, *names, "id"))
    *columns, pk = map(_column, fields)
    table = _table(model)
    changes = [
        f"{column} = {f'{table}.{column} + ' if number <= len(sums) else ''}new.column{number}"
        for number, column in enumerate(columns, start=1)
    ]
    source = "(VALUES {rows}) AS new" if vendor == "sqlite" else _arrays(fields)
    text = (
        f"UPDATE {table} SET {', '.join(changes)} FROM {source} "  # noqa: S608 - our own names
        f"WHERE {table}.{pk} = new.column{len(fields)}"
    )
    return _statement(vendor, table, text, fields)


def _statement(vendor: str, target: str, text: str, fields: Sequence[Field]) -> _Statement:
    marks = f"({', '.join(['%s'] * len(fields))})"
    sizes = CHUNKS if vendor == "sqlite" else (0,)
    texts = {size: text.replace("{rows}", ", ".join([marks] * size)) for size in sizes}
    conversions = [
        (place, field.get_db_prep_save)
        for place, field in enumerate(fields)
        if not _is_plain(field)
    ]
    return _Statement(target, texts, conversions)


def _arrays(fields: Sequence[Field]) -> str:
    """PostgreSQL takes each column as one array, which costs us a quarter of what as many single
    values do: in the binary form, for the text form is made of each value in Python."""
    arrays = ", ".join(f"%b::{field.db_type(connection)}[]" for field in fields)
    names = ", ".join(f"column{number}" for number in range(1, len(fields) + 1))
    return f"unnest({arrays}) AS new({names})"


def _execute(link: Any, statement: _Statement, rows: Rows) -> None:
    if link.vendor == "postgresql":
        columns = [list(column) for column in zip(*rows, strict=True)]
        _run(link, statement.text[0], columns)
    else:
        with link.cursor() as cursor:
            for chunk in _chunks(rows):
                cursor.execute(statement.text[len(chunk)], list(chain.from_iterable(chunk)))


def _run(link: Any, text: str, parameters: Sequence[Any]) -> None:
    if batch := _batch.get():
        batch.writes.append((text, parameters))
    else:
        with link.cursor() as cursor:
            cursor.execute(text, parameters)


def _chunks(rows: Rows) -> Iterator[Rows]:
    done = 0
    for size in CHUNKS:
        while len(rows) - done >= size:
            yield rows[done : done + size]
            done += size


def _copy(link: Any, statement: str, rows: Rows) -> None:
    with link.cursor() as cursor, link.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _prepare(link: Any, statement: _Statement, rows: Rows) -> None:
    """Turn the values into what the driver takes."""
    for place, convert in statement.conversions:
        last = converted = None
        for row in rows:
            if row[place] is not last:  # most rows of one call have the same moment
                last, converted = row[place], convert(row[place], link)
            row[place] = converted


def _is_plain(field: Field) -> bool:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    is_stock = type(target).get_db_prep_save is models.Field.get_db_prep_save
    return is_stock and target.get_internal_type() in PLAIN


@cache
def _fields(model: type[models.Model], names: tuple[str, ...]) -> tuple[Field, ...]:
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    return tuple(by_attribute[name] for name in names)


def _column(field: Field) -> str:
    return _quoted(str(field.column))


def _table(model: type[models.Model]) -> str:
    return _quoted(model._meta.db_table)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)

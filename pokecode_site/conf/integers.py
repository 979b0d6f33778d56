"""Numbers on their way to PostgreSQL: one that is too large is never cut to fit.

Django binds what belongs to an integer field, and numbers in expressions, as `integer`, and
psycopg packs it into four bytes whatever it is: 3,000,000,000 arrives as -1,294,967,296. Here
what needs more room is bound as what it is, and the server refuses what its column cannot hold.
"""

from typing import Any

from psycopg import Connection
from psycopg.adapt import Dumper, PyFormat
from psycopg.types import numeric


class _Widening(Dumper):
    """Dumps numbers of up to `bits` bits and a sign, and leaves others to a wider dumper."""

    bits: int
    _wider = numeric.IntBinaryDumper(int)

    def get_key(self, obj: int, format: PyFormat) -> Any:
        return self.upgrade(obj, format).cls

    def upgrade(self, obj: int, format: PyFormat) -> Dumper:
        if -(2**self.bits) <= obj < 2**self.bits:
            return self
        return self._wider.upgrade(obj, format)


class _Int2Dumper(_Widening, numeric.Int2BinaryDumper):
    bits = 15


class _Int4Dumper(_Widening, numeric.Int4BinaryDumper):
    bits = 31


class _Int8Dumper(_Widening, numeric.Int8BinaryDumper):
    bits = 63


def bind_whole(connection: "Connection[Any]") -> None:
    """Bind numbers so from now on."""
    connection.adapters.register_dumper(numeric.Int2, _Int2Dumper)
    connection.adapters.register_dumper(numeric.Int4, _Int4Dumper)
    connection.adapters.register_dumper(numeric.Int8, _Int8Dumper)
